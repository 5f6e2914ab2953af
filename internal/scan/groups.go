package scan

import (
	"errors"
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// lookUpGroups reads the other media of the groups of an applied plan, from the inventory of now.
// They are ranked and not counted.
func (c *scan) lookUpGroups() {
	prefixes, any := map[media.Object]bool{}, false
	for f := range c.findings() {
		any = any || len(f.rank.Groups) > 0
		for _, prefix := range where(c.Policy, f.rank) {
			prefixes[prefix] = true
		}
	}
	if !any || c.isOver() {
		return
	}
	others := c.inOrder(func(sorted bool) *scan { return c.groupScan(prefixes, c.sources.sorted || sorted) })
	defer others.close()
	for f := range others.findings() {
		c.add(f)
	}
	err := others.End()
	if err == nil && others.Missing {
		err = errors.New(others.Failures[0].Message)
	}
	if err != nil { // an incomplete group never leads to more deletions
		c.miss(report.Failure{Message: "not all groups of keepLatest rules could be read: " + err.Error()})
	}
}

// groupScan ranks the media below some prefixes and in the inventory's lists.
func (c *scan) groupScan(prefixes map[media.Object]bool, sorted bool) *scan {
	quiet := *c.Scanner
	quiet.Progress = func(int) {}
	others := quiet.newScan(c.ctx, c.admit, Request{Request: &trigger.Request{}, AsOf: c.Head.AsOf}, sorted)
	defer others.pool.close()
	others.decider = others.newDecider()
	others.decider.ranks = true
	_, others.sources.lists = c.inventorySources() // a list may name media of any group
	others.sources.prefixes = slices.Collect(maps.Keys(prefixes))
	others.lookUp(others.ofSources())
	return others
}

// where returns the prefixes of the inventory below which a medium's groups may have other media.
func where(p *policy.Policy, rank retention.Rank) []media.Object {
	if len(rank.Groups) == 0 {
		return nil
	}
	if rule := p.ExpireRule(rank.Rule); rule == nil || rule.KeepLatest.Per != policy.PerFolder {
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
