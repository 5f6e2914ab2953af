package sweep

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// decideOrRank decides on a medium of an applied plan, or leaves it to lookAtGroups, or
// to decideOrphans.
func (r *run) decideOrRank(m media.Medium) {
	if r.planned[m.ID] {
		r.orphans = append(r.orphans, m)
		return
	}
	facts := r.facts(&m)
	facts.NotLatest = true
	if retention.IsRanked(r.Policy, &m, facts) {
		r.ranked[m.ID] = m
		return
	}
	r.decided(&m, retention.Decide(r.Policy, &m, facts), facts)
}

// lookAtGroups decides on the media of an applied plan that are ranked: with the
// others of their groups in the inventory as they are now, which are counted nowhere.
func (r *run) lookAtGroups(ctx context.Context) {
	planned := func(m *media.Medium, d retention.Decision, facts retention.Facts) {
		if _, ok := r.ranked[m.ID]; ok {
			r.decided(m, d, facts)
		}
	}
	where := map[media.Object]bool{}
	for _, m := range r.ranked {
		for _, prefix := range Where(r.Policy, &m, r.asOf) {
			where[prefix] = true
		}
		r.decider.Add(m, false, planned)
	}
	others := r.Sweep.look([]Part{{&trigger.Request{}, &report.Report{}}})
	others.found = func(m media.Medium) {
		if _, ok := r.ranked[m.ID]; !ok {
			r.decider.Add(m, false, planned)
		}
	}
	defer others.gathered.Close()
	defer others.unlisted.Close()
	from := r.inventorySources()
	from.prefixes = slices.Collect(maps.Keys(where)) // lists may have more of any group
	others.lookAt(ctx, ctx, others.ofSources(ctx, from)...)
	if others.ending.why != nil || len(others.missing) > 0 {
		// With part of a group fewer are deleted, and never more.
		one := r.reports[0]
		r.missing[one] = true
		r.fail(one, report.Failure{Message: "not all of the groups that a rule keeps the latest of could be looked at"})
	}
	r.decider.Finish(planned)
}

// Where returns where an inventory may have other media of a medium's groups.
func Where(p *policy.Policy, m *media.Medium, asOf time.Time) []media.Object {
	groups, rule := retention.Groups(p, m, retention.Facts{AsOf: asOf, NotLatest: true})
	if rule == nil {
		return nil
	}
	if rule.KeepLatest.Per != policy.PerFolder {
		return p.Inventory.Prefixes
	}
	folder, err := media.ParsePrefix(groups[0])
	if err != nil {
		return p.Inventory.Prefixes
	}
	var where []media.Object
	for _, prefix := range p.Inventory.Prefixes {
		switch {
		case prefix.Covers(folder):
			return []media.Object{folder}
		case folder.Covers(prefix):
			where = append(where, prefix)
		}
	}
	return where
}

// ranks are the newest media of groups as a run that resumes has them: from a record, and so
// to be read again before they outrank anything.
type ranks struct {
	reading lock
	newest  map[string][]string // IDs, by rule and group
	asked   map[string]bool     // of them
	read    *retention.Decider  // has those that were read again
}

func (r *run) newRanks() *ranks {
	known := &ranks{reading: newLock(), newest: map[string][]string{}, asked: map[string]bool{}, read: retention.NewDecider(r.Policy, r.asOf)}
	known.read.Marks = r.decider.Marks
	for _, place := range r.decider.Places() {
		group := rankOf(place.Rule, place.Group)
		known.newest[group] = append(known.newest[group], place.MediaID)
	}
	return known
}

func rankOf(rule, group string) string { return rule + "\x00" + group }

// outranked returns which of some media are none of the newest of their groups, for all
// that was read in this run. What cannot be read outranks nothing.
func (d *deletion) outranked(found map[string]*media.Medium) map[string]bool {
	known := d.ranks
	if known == nil || known.reading.take(d.ctx) != nil {
		return nil
	}
	defer known.reading.giveBack()
	var unread []string
	for _, m := range found {
		groups, rule := retention.Groups(d.Policy, m, retention.Facts{AsOf: d.asOf, NotLatest: true})
		for _, group := range groups {
			for _, id := range known.newest[rankOf(rule.Name, group)] {
				if !known.asked[id] {
					known.asked[id] = true
					unread = append(unread, id)
				}
			}
		}
	}
	ignore := func(*media.Medium, retention.Decision, retention.Facts) {}
	for batch := range slices.Chunk(unread, mps.MaxBatch) {
		looked, err := inventory.LookUp(d.ctx, d.Library, inventory.Batch{IDs: batch}, d.Region)
		if err != nil {
			d.Log.Warn("the latest of a group cannot be read: older ones are left to the next sweep", "error", err.Error())
			continue
		}
		for _, m := range looked.Media {
			if d.isNamed(m.Object, m.ID) {
				known.read.Add(m, false, ignore)
			}
		}
	}
	outranked := map[string]bool{}
	for id, m := range found {
		outranked[id] = known.read.Outranks(m)
	}
	return outranked
}
