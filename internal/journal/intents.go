package journal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// intentFolder holds a record of each plan that a run began to delete, and a second one when no
// medium of it is pending. A later run finishes a plan without a second record.
const intentFolder = "open/"

const (
	intentSuffix = ".json"
	closedSuffix = ".done"
	// The second record has this suffix if the runs that were killed on the plan are not in the totals yet. A third one follows
	// when they are.
	uncountedSuffix = ".uncounted"
	countedSuffix   = ".counted"
)

// requestFolder holds the intents of runs that hold no lease: those of requests and events. Their names sort by
// the time of writing.
const requestFolder = intentFolder + "requests/"

// lookedFolder has a record for each day on which a scheduled run looked for the intents of requests.
const lookedFolder = intentFolder + "looked/"

const (
	// requestTime is the time before the latest look from which the next one begins: a request may be under way for a
	// day, and a plan that could not be finished is tried again. There may be thousands of events a day.
	requestTime = 3 * 24 * time.Hour
	// maxRequestTime bounds the time for which intents of requests are looked for.
	maxRequestTime = 31 * 24 * time.Hour
)

// Intent is a plan that a run began to delete and did not finish.
type Intent struct {
	Format int       `json:"format"`
	Run    string    `json:"run"`
	Plan   string    `json:"plan"`
	Policy string    `json:"policy"`
	AsOf   time.Time `json:"asOf"`
	// Trigger and Asked are copied from the run's report. Earlier versions left them out.
	Trigger trigger.Kind `json:"trigger,omitempty"`
	Asked   string       `json:"asked,omitempty"`
	// Until is the time at which a run without a lease has ended, or was killed. A run with a lease has none.
	Until time.Time `json:"until,omitzero"`
	// Applied is the plan that the run applied. Plan has its media that were still expired.
	Applied string `json:"applied,omitempty"`

	name string
}

// intentFormat is the version of Intent. Other versions are refused.
const intentFormat = 1

// SaveIntent records that a run is about to delete a plan. The names of intents sort by the run's clock.
// A run has several intents if its request was repeated.
func SaveIntent(ctx context.Context, store state.Store, now time.Time, i Intent) (Intent, error) {
	i.Format = intentFormat
	i.name = requestFolder + state.RunName(now, i.Run)
	if i.Until.IsZero() {
		i.name = fmt.Sprintf("%s%s-%s", intentFolder, i.AsOf.UTC().Format(secondForm), state.RunName(now, i.Run))
	}
	if err := state.CreateJSON(ctx, store, i.name+intentSuffix, i); err != nil {
		return Intent{}, fmt.Errorf("record the intent to delete: %w", err)
	}
	return i, nil
}

// Close records that no medium of the plan is pending.
func (i Intent) Close(ctx context.Context, store state.Store) error {
	return i.mark(ctx, store, closedSuffix)
}

// CloseUncounted is Close for a plan whose killed runs remain to be counted.
func (i Intent) CloseUncounted(ctx context.Context, store state.Store) error {
	return i.mark(ctx, store, uncountedSuffix)
}

// MarkCounted records that the killed runs on a plan of Uncounted are in the totals.
func (i Intent) MarkCounted(ctx context.Context, store state.Store) error {
	return i.mark(ctx, store, countedSuffix)
}

func (i Intent) mark(ctx context.Context, store state.Store, suffix string) error {
	if err := store.Create(ctx, i.name+suffix, state.Empty()); err != nil {
		return fmt.Errorf("close the intent of plan %s: %w", i.Plan, err)
	}
	return nil
}

// LatestIntent returns the latest intent of a run, or state.ErrNotFound. A run that was killed has
// an intent and no report.
func LatestIntent(ctx context.Context, store state.Store, run string) (Intent, error) {
	var begun Intent
	err := fmt.Errorf("run %s: %w", run, state.ErrNotFound)
	for record, listErr := range store.List(ctx, intentFolder, "") {
		if listErr != nil {
			return Intent{}, fmt.Errorf("list the intents of run %s: %w", run, listErr)
		}
		if !strings.HasSuffix(record.Name, "-"+state.SafeName(run)+intentSuffix) {
			continue
		}
		switch one, readErr := readIntent(ctx, store, strings.TrimSuffix(record.Name, intentSuffix)); {
		case readErr != nil:
			err = readErr
		case one.Run == run: // the ID of another run may have the same suffix
			begun, err = one, nil
		}
	}
	return begun, err
}

// RunsWithIntents returns the runs whose IDs start so and that have an intent, each once.
func RunsWithIntents(ctx context.Context, store state.Store, start string) (runs []string, err error) {
	for record, err := range store.List(ctx, intentFolder, "") {
		if err != nil {
			return nil, fmt.Errorf("list the intents of runs: %w", err)
		}
		if run := runOf(record.Name); strings.HasPrefix(run, start) && !slices.Contains(runs, run) {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// runOf returns the run in the name of an intent; see SaveIntent. It returns nothing for another name.
func runOf(record string) string {
	name, isIntent := strings.CutSuffix(path.Base(record), intentSuffix)
	stamp, run, _ := strings.Cut(name, "-")
	if _, err := state.ParseStamp(stamp); err != nil { // the clock of the run comes before it
		stamp, run, _ = strings.Cut(run, "-")
	}
	if _, err := state.ParseStamp(stamp); err != nil || !isIntent {
		return ""
	}
	return run
}

// HasIntent reports whether a run with this clock has an intent.
func HasIntent(ctx context.Context, store state.Store, asOf time.Time) (bool, error) {
	folder := intentFolder + asOf.UTC().Format(secondForm)
	first, err := state.First(ctx, store, intentFolder, folder)
	if err != nil {
		return false, fmt.Errorf("check whether the scan was finished: %w", err)
	}
	return strings.HasPrefix(first.Name, folder+"-"), nil
}

func readIntent(ctx context.Context, store state.Store, name string) (Intent, error) {
	data, err := store.Read(ctx, name+intentSuffix)
	if err != nil {
		return Intent{}, fmt.Errorf("read %s: %w", name, err)
	}
	i, err := decodeIntent(data)
	if err != nil {
		return Intent{}, fmt.Errorf("read %s: %w: %w", name, state.ErrDamaged, err)
	}
	i.name = name
	return i, nil
}

const maxIntent = 64 << 10 // bytes

func decodeIntent(data []byte) (Intent, error) {
	var i Intent
	if err := state.Decode(data, maxIntent, &i); err != nil {
		return Intent{}, err
	}
	switch {
	case i.Format != intentFormat:
		return Intent{}, text.OtherFormat(i.Format, intentFormat)
	case i.Run == "":
		return Intent{}, errors.New("it names no run")
	case !trigger.IsPlanID(i.Plan):
		return Intent{}, fmt.Errorf("%s is no ID of a plan", text.Quote(i.Plan))
	case i.Applied != "" && !trigger.IsPlanID(i.Applied):
		return Intent{}, fmt.Errorf("%s is no ID of a plan", text.Quote(i.Applied))
	case i.Trigger != "" && !slices.Contains(trigger.Kinds(), i.Trigger):
		return Intent{}, fmt.Errorf("%s is no trigger", text.Quote(string(i.Trigger)))
	}
	return i, nil
}

// Unfinished returns the intents of Intents.Open but those of requests that may be under way.
func Unfinished(ctx context.Context, store state.Store, now time.Time) (list []Intent, damaged []error, err error) {
	all, err := ListIntents(ctx, store, now)
	if err != nil {
		return nil, nil, err
	}
	list, damaged, err = all.Open(ctx)
	return slices.DeleteFunc(list, func(i Intent) bool { return i.Until.After(now) }), damaged, err
}

// Intents are the intents of a store as they were listed, but those of requests of more than requestTime before the latest
// NoteLook. Only names of unfinished and uncounted ones are kept: events leave thousands of others a day.
type Intents struct {
	store           state.Store
	open, uncounted []string // names without suffixes
	closed          string   // the last name of an intent that needs nothing more
}

// Open returns the intents that were not closed, oldest first, and the errors of damaged records. The next sweep finds the
// media of damaged ones.
func (l Intents) Open(ctx context.Context) (list []Intent, damaged []error, err error) {
	return l.read(ctx, l.open)
}

// Uncounted returns the intents whose killed runs remain to be counted, oldest first, and the errors of damaged ones.
func (l Intents) Uncounted(ctx context.Context) (list []Intent, damaged []error, err error) {
	return l.read(ctx, l.uncounted)
}

func (l Intents) read(ctx context.Context, names []string) (list []Intent, damaged []error, err error) {
	for _, name := range names {
		i, err := readIntent(ctx, l.store, name)
		switch {
		case errors.Is(err, state.ErrDamaged):
			damaged = append(damaged, err)
		case err != nil:
			return nil, nil, err
		default:
			list = append(list, i)
		}
	}
	return list, damaged, nil
}

// add adds a record of an intent. The records of one come in the order of their suffixes: counted, done, json, uncounted.
func (l *Intents) add(record string) {
	suffix := path.Ext(record)
	name, last := strings.TrimSuffix(record, suffix), len(l.open)-1
	switch {
	case suffix == closedSuffix, suffix == countedSuffix:
		l.closed = name
	case name == l.closed:
	case suffix == intentSuffix:
		l.open = append(l.open, name)
	case suffix == uncountedSuffix && last >= 0 && l.open[last] == name:
		l.open, l.uncounted = l.open[:last], append(l.uncounted, name)
	}
}

// ListIntents lists the records of intents.
func ListIntents(ctx context.Context, store state.Store, now time.Time) (Intents, error) {
	all := Intents{store: store}
	var looked time.Time
	list := func(after, end string) error {
		for record, err := range store.List(ctx, intentFolder, after) {
			if err != nil {
				return err
			}
			if end != "" && record.Name > end {
				break
			}
			if day, err := time.Parse(lookedFolder+time.DateOnly, record.Name); err == nil {
				looked = day
			}
			all.add(record.Name)
		}
		return nil
	}
	err := list("", requestFolder)
	if err == nil {
		err = list(requestFolder+state.Stamp(firstRequest(now, looked)), "")
	}
	if err != nil {
		return Intents{}, fmt.Errorf("list the unfinished plans: %w", err)
	}
	slices.Sort(all.open) // a listing has a-b.json before a.json
	slices.Sort(all.uncounted)
	return all, nil
}

// firstRequest returns the time from which requests may have left intents, after a look on some day.
func firstRequest(now, looked time.Time) time.Time {
	first := now.Add(-maxRequestTime)
	if looked.After(now) {
		looked = now
	}
	if from := looked.Add(-requestTime); from.After(first) {
		return from
	}
	return first
}

// NoteLook records that a run has looked for unfinished plans, and has finished those that it could.
func NoteLook(ctx context.Context, store state.Store, now time.Time) error {
	if err := store.Create(ctx, now.UTC().Format(lookedFolder+time.DateOnly), state.Empty()); err != nil {
		return fmt.Errorf("record the look for unfinished plans: %w", err)
	}
	return nil
}
