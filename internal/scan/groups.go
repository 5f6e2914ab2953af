package scan

import (
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// lookAtGroups reads the other media of the groups in which media of an applied plan are
// ranked, as the inventory has them now. They are counted nowhere.
func (c *scan) lookAtGroups() {
	where, any := map[media.Object]bool{}, false
	for f, err := range c.Draft.merged() {
		if err != nil {
			c.fail(err)
			return
		}
		any = any || len(f.rank.Groups) > 0
		for _, prefix := range Where(c.Policy, f.rank) {
			where[prefix] = true
		}
	}
	if !any || c.isOver() {
		return
	}
	others := c.groupScan(where, c.sorted)
	if others.isUnordered() {
		others.Close()
		others = c.groupScan(where, true)
	}
	defer others.Close()
	if others.End() != nil || others.Missing {
		// With part of a group fewer are deleted, and never more.
		c.Missing = true
		c.listFailure(report.Failure{Message: "not all of the groups that a rule keeps the latest of could be looked at"})
	}
}

// groupScan ranks what is below some prefixes and in the inventory's lists.
func (c *scan) groupScan(where map[media.Object]bool, sorted bool) *scan {
	others := c.begin(c.ctx, c.admit, &trigger.Request{}, &report.Report{AsOf: c.report.AsOf}, sorted, func(int) {})
	others.take = func(of lookup.Found, _ bool) {
		f := others.decide(of, false)
		f.uncounted = true
		c.add(f)
	}
	others.pool = newPool(c.ctx, c.admit, c.Scanner)
	defer others.pool.close()
	others.sources = c.inventorySources() // lists may have more of any group
	others.sources.prefixes = slices.Collect(maps.Keys(where))
	others.lookAt(others.ofSources())
	return others
}

// Where returns where an inventory may have other media of a medium's groups.
func Where(p *policy.Policy, rank retention.Rank) []media.Object {
	if len(rank.Groups) == 0 {
		return nil
	}
	at := slices.IndexFunc(p.Expire, func(rule policy.Rule) bool { return rule.Name == rank.Rule })
	if at < 0 || p.Expire[at].KeepLatest.Per != policy.PerFolder {
		return p.Inventory.Prefixes
	}
	folder, err := media.ParsePrefix(rank.Groups[0])
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
