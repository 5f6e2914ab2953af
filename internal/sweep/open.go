package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// openFolder holds a record for each run that began to delete, or was cut off while
// it did, and a second one when nothing was left: what has none is finished later.
const openFolder = "open/"

const (
	openSuffix   = ".json"
	closedSuffix = ".done"
)

// Open is a plan that a run began to delete and did not finish.
type Open struct {
	Format int       `json:"format"`
	Run    string    `json:"run"`
	Plan   string    `json:"plan"`
	Policy string    `json:"policy"`
	AsOf   time.Time `json:"asOf"`

	name string
}

// openFormat is the version of Open. A reader refuses others.
const openFormat = 1

// begin notes that the run has a plan to delete, which is open from now on. Names sort
// by the run's clock; a run whose request comes again has several.
func (r *run) begin(ctx context.Context) (*Open, error) {
	one := r.reports[0]
	o := &Open{Format: openFormat, Run: one.Run, Plan: r.planID, Policy: one.Policy, AsOf: r.asOf}
	o.name = fmt.Sprintf("%s%s-%s", openFolder, r.asOf.UTC().Format(secondForm), state.RunName(r.Now(), one.Run))
	record, err := json.Marshal(o)
	if err == nil {
		err = r.Store.Create(ctx, o.name+openSuffix, record)
	}
	if err != nil {
		return nil, fmt.Errorf("note that the run deletes: %w", err)
	}
	return o, nil
}

// Close notes that nothing of the plan is left to do.
func (o Open) Close(ctx context.Context, store state.Store) error {
	if err := store.Create(ctx, o.name+closedSuffix, []byte(emptyRecord)); err != nil {
		return fmt.Errorf("note that plan %s is done: %w", o.Plan, err)
	}
	return nil
}

// Begun returns the plan that a run began to delete last, or state.ErrNotFound. It is how
// a run that was killed is known.
func Begun(ctx context.Context, store state.Store, run string) (Open, error) {
	var begun Open
	err := fmt.Errorf("run %s: %w", run, state.ErrNotFound)
	for record, listErr := range store.List(ctx, openFolder, "") {
		if listErr != nil {
			return Open{}, fmt.Errorf("look for run %s: %w", run, listErr)
		}
		if !strings.HasSuffix(record.Name, "-"+state.SafeName(run)+openSuffix) {
			continue
		}
		switch o, readErr := readOpen(ctx, store, strings.TrimSuffix(record.Name, openSuffix)); {
		case readErr != nil:
			err = readErr
		case o.Run == run: // and not one whose ID ends alike
			begun, err = o, nil
		}
	}
	return begun, err
}

// deletionBegun reports whether a run of this clock has begun to delete.
func deletionBegun(ctx context.Context, store state.Store, asOf time.Time) (bool, error) {
	folder := openFolder + asOf.UTC().Format(secondForm)
	for record, err := range store.List(ctx, openFolder, folder) {
		if err != nil {
			return false, fmt.Errorf("look whether a look has been finished: %w", err)
		}
		return strings.HasPrefix(record.Name, folder+"-"), nil
	}
	return false, nil
}

func readOpen(ctx context.Context, store state.Store, name string) (Open, error) {
	data, err := store.Read(ctx, name+openSuffix)
	if err != nil {
		return Open{}, fmt.Errorf("read %s: %w", name, err)
	}
	o, err := decodeOpen(data)
	if err != nil {
		return Open{}, fmt.Errorf("read %s: %w: %w", name, state.ErrDamaged, err)
	}
	o.name = name
	return o, nil
}

// maxOpen bounds the record of an open plan in bytes.
const maxOpen = 64 << 10

func decodeOpen(data []byte) (Open, error) {
	var o Open
	if err := state.Decode(data, maxOpen, &o); err != nil {
		return Open{}, err
	}
	switch {
	case o.Format != openFormat:
		return Open{}, fmt.Errorf("format %d: this program reads format %d", o.Format, openFormat)
	case o.Run == "":
		return Open{}, errors.New("it names no run")
	case !trigger.IsPlanID(o.Plan):
		return Open{}, fmt.Errorf("%s is no ID of a plan", text.Quote(o.Plan))
	}
	return o, nil
}

// Unfinished returns the plans that were cut off, the oldest first. What cannot be
// read is told and left out: the sweep that follows finds its media anyway.
func Unfinished(ctx context.Context, store state.Store, damaged func(error)) ([]Open, error) {
	closed := map[string]bool{}
	var names []string
	for record, err := range store.List(ctx, openFolder, "") {
		if err != nil {
			return nil, fmt.Errorf("look for plans that were cut off: %w", err)
		}
		if name, ok := strings.CutSuffix(record.Name, closedSuffix); ok {
			closed[name] = true
		} else if name, ok := strings.CutSuffix(record.Name, openSuffix); ok {
			names = append(names, name)
		}
	}
	var list []Open
	for _, name := range names {
		if closed[name] {
			continue
		}
		o, err := readOpen(ctx, store, name)
		switch {
		case errors.Is(err, state.ErrDamaged):
			damaged(err)
			continue
		case err != nil:
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// finish deletes what is left of a plan that another run began to delete. Reading and
// deleting go batch by batch, so that a run of any length gets on: the plan's records are
// durable. The plan lifts no guard: one that was blocked, or has more media left than
// guard.maxDelete, deletes nothing. Of a plan of the inventory only those media go that the
// inventory still names.
func (r *run) finish(ctx, soft context.Context) error {
	r.ledger.run, r.ledger.finishes = r.request.Resume, true
	outcomes, records, err := readLedger(ctx, r.Store, r.request.Resume, r.request.Resume)
	if err != nil {
		return err
	}
	r.ledger.records = records // the next name is free
	contents, err := Kept(ctx, r.Store, r.request.Plan)
	if err != nil {
		return err
	}
	one := r.reports[0]
	r.planID, one.Plan = r.request.Plan, r.request.Plan
	ofInventory, outside := len(contents.Head.Scope.Inventory) > 0, false
	for entry, err := range Entries(ctx, r.Store, contents) {
		if err != nil {
			return err
		}
		rule := one.Rule(entry.Rule)
		if outcomes[entry.MediaID].Became != "" || rule == nil || rule.Kind != "expire" {
			continue
		}
		// Its record may be of any age: every batch is read again.
		l, err := keptLine(entry, unread)
		if err == nil {
			err = r.plan.add(l)
		}
		if err != nil {
			return err
		}
		counts := &one.Counts
		counts.Looked, counts.Expired, counts.Pending = counts.Looked+1, counts.Expired+1, counts.Pending+1
		rule.Applied, rule.Expired = rule.Applied+1, rule.Expired+1
		outside = outside || ofInventory && !r.isCovered(l.object)
	}
	reason := contents.Blocked
	if reason == "" && one.Counts.Expired > r.Policy.Guard.MaxDelete {
		reason = fmt.Sprintf("%d media of the plan are left and guard.maxDelete is %d: apply the plan again", one.Counts.Expired, r.Policy.Guard.MaxDelete)
	}
	if reason != "" {
		one.Guard = report.Guard{Tripped: true, Reason: reason}
		return nil
	}
	if ofInventory {
		r.named = &seen{}
	}
	if outside {
		for _, err := range r.gather(soft, r.inventorySources()) {
			r.Log.Warn("a source cannot be read: its media are left to the sweep", "error", err.Error())
		}
	}
	r.deleteAll(ctx, soft)
	return nil
}
