package sweep

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
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
