package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/manifest"
)

var errTimeLimit = errors.New("source not read to the end: time limit reached; the remaining entries were skipped")

// maxBadRows is the number of bad rows after which the reading of a source stops.
const maxBadRows = 10_000

// gather reads the lists, and yields only errors. Reading may take half of the remaining time;
// the other half is for look-ups.
func (c *scan) gather(yield func(inventory.Candidate, error) bool) {
	half, cancel := portion(c.admit, 0.5)
	defer cancel()
	for i, one := range c.sources.lists {
		share, done := portion(half, 1/float64(len(c.sources.lists)-i))
		more := c.read(share, one, yield)
		done()
		if !more {
			return
		}
	}
	if c.sources.sorted && !c.sortPrefixes(yield) {
		return
	}
	c.sources.hasIDs = c.gathered.HasIDs()
	if c.request.Inventory && !c.gatherLeads(yield) {
		return
	}
	c.dropUnnamed()
}

// gatherLeads gathers the media to which earlier events and requests led. It reports whether the scan goes on.
func (c *scan) gatherLeads(yield func(inventory.Candidate, error) bool) bool {
	for lead, err := range c.Announced.Leads(c.admit) {
		candidate := inventory.Candidate{MediaID: lead.MediaID, Lead: true, Orphan: lead.Orphan}
		if err == nil {
			c.resumed.addName(candidate)
			err = c.gathered.Add(candidate)
		}
		if err != nil && !yield(inventory.Candidate{}, err) {
			return false
		}
	}
	return true
}

// read reads one list. It reports whether the scan goes on.
func (c *scan) read(ctx context.Context, one list, yield func(inventory.Candidate, error) bool) bool {
	rows, bad, unmatched := 0, 0, c.sources.unmatched
	defer func() {
		if one.name != "" {
			c.line(one.name).Named = rows // replaces the count of an earlier scan
		}
	}()
	if one.isReport {
		c.resumed.mark()
		if err := c.gathered.Mark(); err != nil && !yield(inventory.Candidate{}, err) {
			return false
		}
	}
	for candidate, err := range c.inTime(ctx, one) {
		if err == nil && bad < maxBadRows {
			rows++
			err = c.gatherRow(one, candidate)
		}
		if err == nil || bad >= maxBadRows && !manifest.EndsReading(err) {
			continue
		}
		var unusable *inventory.Unusable
		if errors.As(err, &unusable) { // the last value
			c.gathered.Undo()
			c.resumed.undo()
			rows, c.sources.unmatched = 0, unmatched
		}
		if !yield(inventory.Candidate{}, err) {
			return false
		}
		if unusable != nil || errors.Is(err, errTimeLimit) {
			return true
		}
		if bad++; bad == maxBadRows {
			err = fmt.Errorf("%s: reading stopped after %d bad rows: the remaining rows were skipped", one.name, bad)
			if more := yield(inventory.Candidate{}, err); !more || !one.isReport { // the rest of a report may make it unusable
				return more
			}
		}
	}
	return true
}

// inTime yields the values of a list, until its share of the time has passed: the last value is then an error.
func (c *scan) inTime(share context.Context, one list) candidates {
	return func(yield func(inventory.Candidate, error) bool) {
		for candidate, err := range one.read(share) {
			if share.Err() != nil || deadline.Passed(err) {
				if err = c.admit.Err(); err == nil {
					err = fmt.Errorf("%s: %w", one.name, errTimeLimit)
				}
				yield(inventory.Candidate{}, err)
				return
			}
			if !yield(candidate, err) {
				return
			}
		}
	}
}

func (c *scan) gatherRow(one list, candidate inventory.Candidate) error {
	if one.isReport && !c.Policy.MayTake(candidate.Object) {
		c.sources.unmatched++
		return nil
	}
	if !one.isReport && one.name != "" {
		c.literals.add(candidate.Object)
	}
	c.resumed.addName(candidate)
	return c.gathered.Add(candidate)
}

// sortPrefixes gathers the objects of the prefixes. It reports whether the scan goes on.
func (c *scan) sortPrefixes(yield func(inventory.Candidate, error) bool) bool {
	for _, line := range c.sources.lines {
		line.Named = 0
	}
	for candidate, err := range inventory.OfPrefixes(c.admit, c.Objects, c.sources.prefixes, "", nil) {
		if err == nil {
			c.countListed(candidate)
			err = c.gathered.Add(candidate)
		}
		if err != nil && !yield(inventory.Candidate{}, err) {
			return false
		}
	}
	return true
}

// portion returns a context with a part of the remaining time.
func portion(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(end))))
}
