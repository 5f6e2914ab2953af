package scan

import (
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
)

// cursor is how far a scan is. Its zero value is the beginning.
type cursor struct {
	// after is the name of the last candidate that was taken, with all before it.
	after string
	// open are the candidates that were taken and are not accounted for, by their names. It
	// is nil for a scan that cannot be resumed.
	open map[string]pending
	// accounted counts the others, and those that were passed over.
	accounted int
}

// pending is a candidate that was taken, and how it is asked for.
type pending struct {
	inventory.Candidate
	slash media.Slash
}

// take takes a candidate that is to be looked at.
func (c *cursor) take(candidate inventory.Candidate) {
	c.after = candidate.Name()
	if c.open != nil {
		c.open[c.after] = pending{candidate, media.SlashPlain}
	}
}

// pass passes over a candidate.
func (c *cursor) pass(candidate inventory.Candidate) {
	c.after = candidate.Name()
	c.accounted++
}

// account notes that candidates are accounted for, but for those that are asked for again.
func (c *cursor) account(candidates, again []inventory.Candidate) {
	c.accounted += len(candidates) - len(again)
	if c.open == nil {
		return
	}
	for _, candidate := range candidates {
		delete(c.open, candidate.Name())
	}
	for _, candidate := range again {
		c.open[candidate.Name()] = pending{candidate, media.SlashEscaped}
	}
}

// left returns the open candidates, in order.
func (c *cursor) left() (open []pending) {
	for _, name := range slices.Sorted(maps.Keys(c.open)) {
		open = append(open, c.open[name])
	}
	return open
}

// hasBegun reports whether any candidate has been taken.
func (c *cursor) hasBegun() bool { return c.after != "" || c.accounted > 0 || len(c.open) > 0 }
