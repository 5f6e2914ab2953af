package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
)

// maxBadRows is the number of bad rows after which the reading of a source stops.
const maxBadRows = 10_000

// gather reads the lists. Reading may take half of the remaining time; the other half is for look-ups.
func (c *scan) gather() {
	c.sources.begin()
	half, cancel := portion(c.admit, 0.5)
	defer cancel()
	for i, one := range c.sources.lists {
		share, done := portion(half, 1/float64(len(c.sources.lists)-i))
		c.read(share, one)
		done()
		if c.End() != nil {
			return
		}
	}
	c.sources.hasIDs = c.sources.gathered.HasIDs()
	if c.request.Inventory {
		c.gatherLeads()
	}
	if c.End() == nil && c.Origin.isHint {
		c.dropUnnamed()
	}
	if c.End() == nil && c.sources.sorted {
		c.sortPrefixes()
	}
}

// gatherLeads gathers the media to which earlier events and requests led.
func (c *scan) gatherLeads() {
	for lead, err := range c.Announced.Leads(c.admit) {
		if err == nil {
			err = c.sources.gathered.Add(inventory.Candidate{MediaID: lead.MediaID, Lead: true, Orphan: lead.Orphan})
		}
		if err != nil {
			c.sourceFailed(err)
		}
		if c.End() != nil {
			return
		}
	}
}

func (c *scan) read(share context.Context, one list) {
	rows, bad, unmatched := 0, 0, c.sources.unmatched
	defer func() {
		c.BadRows += bad
		if one.name != "" {
			c.sources.line(one.name).Named = rows // replaces the count of an earlier scan
		}
	}()
	if one.isReport {
		if err := c.sources.gathered.Mark(); err != nil {
			c.sourceFailed(err)
			return
		}
	}
	for candidate, err := range one.read(share) {
		if share.Err() != nil || deadline.Passed(err) {
			c.sourceFailed(fmt.Errorf("%s: source not read to the end: time limit reached; the remaining entries were skipped", one.name))
			return
		}
		if err == nil && bad < maxBadRows {
			rows++
			err = c.gatherRow(one, candidate)
		}
		_, isRow := errors.AsType[*manifest.RowError](err)
		switch {
		case err == nil, isRow && bad == maxBadRows:
			continue
		case isRow:
			bad++
		case errors.Is(err, inventory.ErrUnusable):
			c.sources.gathered.Undo()
			rows, bad, c.sources.unmatched = 0, 0, unmatched
		}
		c.sourceFailed(err)
		if isRow && bad == maxBadRows {
			c.sourceFailed(fmt.Errorf("%s: reading stopped after %d bad rows: the remaining rows were skipped", one.name, bad))
			if !one.isReport { // the rest of a report may make it unusable
				return
			}
		}
		if c.End() != nil {
			return
		}
	}
}

func (c *scan) gatherRow(one list, candidate inventory.Candidate) error {
	if one.isReport && !c.Policy.MayTake(candidate.Object) {
		c.sources.unmatched++
		return nil
	}
	if !one.isReport && one.name != "" {
		c.sources.literals.add(candidate.Object)
	}
	return c.sources.gathered.Add(candidate)
}

// sortPrefixes gathers the objects of the prefixes.
func (c *scan) sortPrefixes() {
	for i := range c.sources.prefixes {
		c.sources.lines[i].Named = 0
	}
	for candidate, err := range inventory.OfPrefixes(c.admit, c.Objects, c.sources.prefixes, "", nil) {
		if err == nil {
			c.sources.countListed(candidate)
			err = c.sources.gathered.Add(candidate)
		}
		if err != nil {
			c.sourceFailed(err)
		}
		if c.End() != nil {
			return
		}
	}
}

// sourceFailed accounts for a source that could not be read, unless the scan is over.
func (c *scan) sourceFailed(err error) {
	switch {
	case c.isOver():
	case deadline.Passed(err):
		c.stop(err)
	case errors.Is(err, extsort.ErrFile), errors.Is(err, inventory.ErrUnordered), c.request.Plan != "":
		c.fail(err)
	default:
		c.miss(report.Failure{Code: mps.CodeOf(err), Message: err.Error()})
	}
}

// portion returns a context with a part of the remaining time.
func portion(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(end))))
}
