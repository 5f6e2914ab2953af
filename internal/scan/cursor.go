package scan

import (
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
)

type cursor struct {
	// after is the name of the last candidate that was taken. All before it were taken too.
	after string
	// open holds the candidates that were taken and are not accounted for, by name.
	open map[string]pending
	// accounted counts the candidates that were answered, failed or skipped.
	accounted int
	// moved is true if the run has had an answer or skipped a candidate. Only then is a checkpoint worth writing.
	moved bool
}

func newCursor(after string) cursor { return cursor{after: after, open: map[string]pending{}} }

type pending struct {
	inventory.Candidate
	escaped bool // it is looked up with escaped slashes
}

// advance moves the cursor past a candidate that must be looked up.
func (c *cursor) advance(candidate inventory.Candidate) {
	c.after = candidate.Name()
	c.open[c.after] = pending{Candidate: candidate}
}

// skip moves the cursor past a candidate that the index skips, by its name.
func (c *cursor) skip(name string) {
	c.after = name
	c.accounted++
	c.moved = true
}

// account accounts for candidates. Those in again stay open, with escaped slashes.
func (c *cursor) account(candidates, again []inventory.Candidate) {
	c.accounted += len(candidates) - len(again)
	c.moved = true
	for _, candidate := range candidates {
		delete(c.open, candidate.Name())
	}
	for _, candidate := range again {
		c.open[candidate.Name()] = pending{candidate, true}
	}
}

// left returns the open candidates, in the order of their names.
func (c *cursor) left() (open []pending) {
	for _, name := range slices.Sorted(maps.Keys(c.open)) {
		open = append(open, c.open[name])
	}
	return open
}
