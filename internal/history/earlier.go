package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Earlier is what other runs did with the media of a resumed plan. It keeps a medium from being counted twice. The log of the
// runs and the history are read once a medium is found gone. Mostly none is.
type Earlier struct {
	// Recorded is the number of deleted and lost media of the plan by the run that recorded them.
	Recorded map[string]int

	store  state.Store
	begun  journal.Intent
	onPlan map[string]bool // whether a run is on the plan; nil before the log is read
	// elsewhere are media that other runs count as deleted or lost. few has the names of records of few decisions by the keys
	// in them. These are read when a medium is asked for.
	elsewhere map[string]bool
	few       map[string][]string
	// counted is the number of media that reports on the plan count as deleted or lost without a recorded outcome. rules
	// bounds them by rule.
	counted int
	rules   map[string]int
}

// NewEarlier returns what runs did with the media of a plan that a run began. The outcomes that they recorded follow by Add.
func NewEarlier(store state.Store, run string, of plan.Contents) *Earlier {
	return &Earlier{store: store, begun: journal.Intent{Run: run, Plan: of.ID, AsOf: of.Head.AsOf}, Recorded: map[string]int{}}
}

// Add adds a recorded outcome of the plan.
func (e *Earlier) Add(o journal.Outcome) {
	if o.Became == journal.Deleted || o.Became == journal.Lost {
		e.Recorded[o.By(e.begun.Run)]++
	}
}

// IsElsewhere reports whether a run that is not on the plan counts a medium of it as deleted or lost. So no run on this plan
// does. After an error it reads no more: one wait for a store that hangs is enough.
func (e *Earlier) IsElsewhere(ctx context.Context, mediaID string) (bool, error) {
	var err error
	if e.onPlan == nil {
		err = e.open(ctx)
	}
	k := keyOf(mediaID).String()
	if err == nil {
		err = e.read(ctx, e.few[k])
	}
	delete(e.few, k)
	if err != nil {
		e.few = nil
	}
	return e.elsewhere[mediaID], err
}

// TakeCounted reports whether a report counts a lost medium of a rule. Each of these media is taken once.
func (e *Earlier) TakeCounted(rule string) bool {
	if e.counted <= 0 || e.rules[rule] == 0 {
		return false
	}
	e.counted--
	e.rules[rule]--
	return true
}

// open reads the reports on the plan, and the records of many decisions since it was made.
func (e *Earlier) open(ctx context.Context) error {
	e.onPlan = map[string]bool{e.begun.Run: true}
	e.elsewhere, e.few, e.rules = map[string]bool{}, map[string][]string{}, map[string]int{}
	reports, err := runlog.OnPlan(ctx, e.store, e.begun)
	if err != nil {
		return err
	}
	for _, one := range reports {
		e.onPlan[one.Run] = true
		e.counted += one.Counts.Deleted - e.Recorded[one.Run]
		for _, rule := range one.Rules {
			e.counted += rule.Lost
			e.rules[rule.Name] += rule.Deleted + rule.Lost
		}
	}
	var many []string
	for record, err := range e.store.List(ctx, looseFolder, looseFolder+state.Stamp(e.begun.AsOf.Add(-lateness))) {
		if err != nil {
			return fmt.Errorf("list the history: %w", err)
		}
		keys, few := keysIn(record.Name)
		if !few {
			many = append(many, record.Name)
		}
		for _, k := range keys {
			e.few[k] = append(e.few[k], record.Name)
		}
	}
	return e.read(ctx, many)
}

// read adds what other runs deleted or lost, by records of the history. A record that is damaged or gone has none.
func (e *Earlier) read(ctx context.Context, names []string) error {
	for name, record := range state.ReadAll(ctx, e.store, names, func(name string) string { return name }) {
		if record.Err != nil && !state.IsLost(record.Err) {
			return fmt.Errorf("read the history: %w", record.Err)
		}
		for d, err := range segments.Decode(name, record.Data, decode) {
			if err != nil || d.Outcome != journal.Deleted && d.Outcome != journal.Lost {
				continue
			}
			onPlan, err := e.isOnPlan(ctx, &d)
			if err != nil {
				return err
			}
			if !onPlan {
				e.elsewhere[d.MediaID] = true
			}
		}
	}
	return nil
}

// isOnPlan reports whether the plan's own runs count a deletion. A run that resumed the plan and was killed has no report. One
// that applied the plan for a person has, and counts what it deleted.
func (e *Earlier) isOnPlan(ctx context.Context, d *Decision) (bool, error) {
	if onPlan, known := e.onPlan[d.Run]; known || d.Plan != e.begun.Plan {
		return onPlan, nil
	}
	_, err := runlog.Read(ctx, e.store, d.Run)
	e.onPlan[d.Run] = errors.Is(err, state.ErrNotFound)
	if err != nil && !state.IsLost(err) {
		return false, fmt.Errorf("read the history: %w", err)
	}
	return e.onPlan[d.Run], nil
}
