package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// intentFolder holds a record for each run that began to delete, or was cut off while
// it did, and a second one when nothing was left: what has none is finished later.
const intentFolder = "open/"

const (
	intentSuffix = ".json"
	closedSuffix = ".done"
)

// Intent is a plan that a run began to delete and did not finish.
type Intent struct {
	Format int       `json:"format"`
	Run    string    `json:"run"`
	Plan   string    `json:"plan"`
	Policy string    `json:"policy"`
	AsOf   time.Time `json:"asOf"`

	name string
}

// intentFormat is the version of Intent. A reader refuses others.
const intentFormat = 1

// Begin records that a run is about to delete a plan. Names sort by the run's clock; a run
// whose request comes again has several.
func Begin(ctx context.Context, store state.Store, now time.Time, i Intent) (Intent, error) {
	i.Format = intentFormat
	i.name = fmt.Sprintf("%s%s-%s", intentFolder, i.AsOf.UTC().Format(secondForm), state.RunName(now, i.Run))
	record, err := json.Marshal(i)
	if err == nil {
		err = store.Create(ctx, i.name+intentSuffix, record)
	}
	if err != nil {
		return Intent{}, fmt.Errorf("record the intent to delete: %w", err)
	}
	return i, nil
}

// Close notes that nothing of the plan is left to do.
func (o Intent) Close(ctx context.Context, store state.Store) error {
	if err := store.Create(ctx, o.name+closedSuffix, []byte(emptyRecord)); err != nil {
		return fmt.Errorf("note that plan %s is done: %w", o.Plan, err)
	}
	return nil
}

// LatestIntent returns the plan that a run began to delete last, or state.ErrNotFound. It is how
// a run that was killed is known.
func LatestIntent(ctx context.Context, store state.Store, run string) (Intent, error) {
	var begun Intent
	err := fmt.Errorf("run %s: %w", run, state.ErrNotFound)
	for record, listErr := range store.List(ctx, intentFolder, "") {
		if listErr != nil {
			return Intent{}, fmt.Errorf("look for run %s: %w", run, listErr)
		}
		if !strings.HasSuffix(record.Name, "-"+state.SafeName(run)+intentSuffix) {
			continue
		}
		switch o, readErr := readIntent(ctx, store, strings.TrimSuffix(record.Name, intentSuffix)); {
		case readErr != nil:
			err = readErr
		case o.Run == run: // and not one whose ID ends alike
			begun, err = o, nil
		}
	}
	return begun, err
}

// HasBegun reports whether a run of this clock has begun to delete.
func HasBegun(ctx context.Context, store state.Store, asOf time.Time) (bool, error) {
	folder := intentFolder + asOf.UTC().Format(secondForm)
	for record, err := range store.List(ctx, intentFolder, folder) {
		if err != nil {
			return false, fmt.Errorf("look whether a look has been finished: %w", err)
		}
		return strings.HasPrefix(record.Name, folder+"-"), nil
	}
	return false, nil
}

func readIntent(ctx context.Context, store state.Store, name string) (Intent, error) {
	data, err := store.Read(ctx, name+intentSuffix)
	if err != nil {
		return Intent{}, fmt.Errorf("read %s: %w", name, err)
	}
	o, err := decodeIntent(data)
	if err != nil {
		return Intent{}, fmt.Errorf("read %s: %w: %w", name, state.ErrDamaged, err)
	}
	o.name = name
	return o, nil
}

// maxIntent bounds the record of an open plan in bytes.
const maxIntent = 64 << 10

func decodeIntent(data []byte) (Intent, error) {
	var o Intent
	if err := state.Decode(data, maxIntent, &o); err != nil {
		return Intent{}, err
	}
	switch {
	case o.Format != intentFormat:
		return Intent{}, fmt.Errorf("format %d: this program reads format %d", o.Format, intentFormat)
	case o.Run == "":
		return Intent{}, errors.New("it names no run")
	case !trigger.IsPlanID(o.Plan):
		return Intent{}, fmt.Errorf("%s is no ID of a plan", text.Quote(o.Plan))
	}
	return o, nil
}

// Unfinished returns the plans that were cut off, the oldest first, and the errors of
// damaged records: the sweep that follows finds their media anyway.
func Unfinished(ctx context.Context, store state.Store) (list []Intent, damaged []error, err error) {
	closed := map[string]bool{}
	var names []string
	for record, err := range store.List(ctx, intentFolder, "") {
		if err != nil {
			return nil, nil, fmt.Errorf("look for plans that were cut off: %w", err)
		}
		if name, ok := strings.CutSuffix(record.Name, closedSuffix); ok {
			closed[name] = true
		} else if name, ok := strings.CutSuffix(record.Name, intentSuffix); ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if closed[name] {
			continue
		}
		o, err := readIntent(ctx, store, name)
		switch {
		case errors.Is(err, state.ErrDamaged):
			damaged = append(damaged, err)
			continue
		case err != nil:
			return nil, nil, err
		}
		list = append(list, o)
	}
	return list, damaged, nil
}
