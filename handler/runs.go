package handler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/restore"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// refusedError says that a request cannot be carried out as things are, and that
// nothing was tried.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// IsRefusal reports whether an error is about what was asked for, and not about
// what was met.
func IsRefusal(err error) bool {
	var refusal refusedError
	return errors.As(err, &refusal)
}

// prepare sees to it that a run can begin: that the state store is one in which
// nothing is overwritten, and a plan one that may be applied. When the platform
// sends a request again that has been answered, that answer is returned.
func (f *Function) prepare(ctx context.Context, call Call, request *trigger.Request, r *report.Report) (*report.Report, error) {
	store := f.store(call)
	if bucket, ok := store.(state.Bucket); ok && !f.checked.Load() {
		switch err := bucket.Check(ctx); {
		case errors.Is(err, state.ErrVersioned):
			return nil, refusedError{err}
		case err != nil:
			// Plans are named by their content and no safety rests on the lease, so a
			// role that may not ask is no reason to stand still.
			f.log.Warn("nobody knows whether the state bucket has versioning", "error", err.Error())
		}
		f.checked.Store(true)
	}
	if call.RequestID != "" {
		earlier, err := f.answered(ctx, call, r)
		if err != nil || earlier != nil {
			return earlier, err
		}
	}
	if err := f.marks.Refresh(ctx, store); err != nil {
		return nil, err
	}
	if request.Plan == "" {
		return nil, nil
	}
	contents, err := journal.ReadPlan(ctx, store, request.Plan)
	switch age := r.AsOf.Sub(contents.Head.AsOf); {
	case errors.Is(err, state.ErrNotFound):
		return nil, refusedError{fmt.Errorf("there is no plan %s in the state store", request.Plan)}
	case err != nil:
		return nil, err
	case request.Anyway:
	case isFuture(contents.Head.AsOf, r.AsOf):
		return nil, refusedError{fmt.Errorf("the plan was made at %s, which has not come: check the clocks, and make a new plan", contents.Head.AsOf.Format(time.RFC3339))}
	case contents.Head.Policy != f.policy.Digest():
		return nil, refusedError{fmt.Errorf("the plan was made under another policy (%s, and now it is %s): make a new one, or say that it is to be applied anyway", contents.Head.Policy, f.policy.Digest())}
	case r.AsOf.After(f.policy.Guard.PlanMaxAge.After(contents.Head.AsOf, f.policy.Timezone)):
		return nil, refusedError{fmt.Errorf("the plan is %s old and guard.planMaxAge is %s: make a new one, or say that it is to be applied anyway", age.Round(time.Minute), f.policy.Guard.PlanMaxAge)}
	}
	return nil, nil
}

// answered returns the report with which the request of a report was answered before, or
// nil. A request whose ID came with another request before gets a run of its own: the
// ID with the request's digest, so that it is known again too.
func (f *Function) answered(ctx context.Context, call Call, r *report.Report) (*report.Report, error) {
	_, digest, _ := strings.Cut(r.Asked, ":")
	for _, id := range []string{r.Run, r.Run + "-" + digest[:12]} {
		earlier, err := f.Run(ctx, call, id)
		switch {
		case errors.Is(err, state.ErrDamaged): // it is answered anew
			f.log.Error("a record is damaged", "run", id, "error", err.Error())
		case errors.Is(err, state.ErrNotFound):
		case err != nil:
			return nil, err
		case earlier.Asked != r.Asked:
			f.log.Warn("the request ID came with another request before", "run", id)
			continue
		case earlier.Status == report.Done || earlier.Status == report.Partial || earlier.Status == report.Blocked:
			f.log.Info("answered before", "run", earlier.Run, "status", earlier.Status)
			return earlier, nil
		}
		r.Run = id
		return nil, nil
	}
	r.Run = newRunID()
	return nil, nil
}

// finishOpen finishes the plans that earlier scheduled runs were cut off from, each
// in a run of its own: every medium of which nothing is known is read again, and
// deleted if it has still expired. It returns how many it finished; an error says that
// there is more to finish.
func (f *Function) finishOpen(ctx context.Context, budget deadline.Budget, call Call) (finished int, err error) {
	store := f.store(call)
	work, cancel := budget.Work(ctx)
	defer cancel()
	plans, damaged, err := journal.Unfinished(work, store)
	if err != nil {
		return 0, err
	}
	for _, err := range damaged {
		f.log.Error("record damaged", "error", err.Error())
	}
	for _, open := range plans {
		r := report.New(newRunID(), trigger.Timer, f.policy, f.now())
		r.Mode, r.Ledger = policy.Enforce, open.Run
		f.log.Info("finishing a plan that was cut off", "run", r.Run, "of", open.Run, "plan", open.Plan)
		if open.Policy != f.policy.Digest() || isFuture(open.AsOf, r.AsOf) || r.AsOf.After(f.policy.Guard.PlanMaxAge.After(open.AsOf, f.policy.Timezone)) {
			f.log.Info("the plan is old, or of other rules: a new one is made", "plan", open.Plan)
			r.Finish(report.Done, f.now())
		} else {
			f.run(ctx, budget, call, &trigger.Request{Trigger: trigger.Timer, Plan: open.Plan, Resume: open.Run}, r)
		}
		f.keep(ctx, budget, call, r)
		f.logFinished(r)
		switch r.Status {
		case report.Failed: // the sweep that follows finds what is left of it
			continue
		case report.Incomplete, report.Busy:
			return finished, fmt.Errorf("the plan of run %s is not finished yet: %s", text.Quote(open.Run), r.Error)
		case report.Done, report.Partial, report.Blocked: // what a guard holds is for a person to apply
		}
		if err := f.closeOpen(ctx, budget, store, open); err != nil {
			return finished, err
		}
		finished++
	}
	if len(plans) == 0 {
		return 0, nil
	}
	return finished, f.marks.Refresh(work, store) // those that these runs left
}

// clockSkew is the accepted lead of another machine's clock.
const clockSkew = time.Hour

// isFuture reports whether a record was made at a time that has not come: its age means
// nothing then.
func isFuture(made, now time.Time) bool { return made.After(now.Add(clockSkew)) }

// closeOpen notes that a plan is done, also when the time for the work is up: else every
// run would find out so again.
func (f *Function) closeOpen(ctx context.Context, budget deadline.Budget, store state.Store, open journal.Intent) error {
	ctx, cancel := budget.Record(ctx)
	defer cancel()
	return open.Close(ctx, store)
}

// runRecord is how a report is kept.
type runRecord struct {
	Format int            `json:"format"`
	Report *report.Report `json:"report"`
	Ledger string         `json:"ledger,omitempty"` // see report.Report
	Asked  string         `json:"asked,omitempty"`  // see report.Report
}

// runFormat is the version of runRecord. A reader refuses others.
const runFormat = 1

// runName is where a report of a run is kept: there is one for each time that its
// request came.
func runName(id string, number int) string {
	return fmt.Sprintf("runs/%s/%06d.json", state.SafeName(id), number)
}

// keep writes a report to the state store. A report that cannot be kept is still
// the answer: what it tells has happened.
func (f *Function) keep(ctx context.Context, budget deadline.Budget, call Call, r *report.Report) {
	record, err := json.Marshal(runRecord{runFormat, r, r.Ledger, r.Asked})
	if err == nil && len(record) > maxRun {
		err = fmt.Errorf("it has %d bytes, and the limit is %d", len(record), maxRun)
	}
	if err == nil {
		// The run's time may be up, and this must be done all the same.
		ctx, cancel := budget.Record(ctx)
		defer cancel()
		store := f.store(call)
		err = state.ErrExists
		for number := 1; errors.Is(err, state.ErrExists); number++ {
			err = store.Create(ctx, runName(r.Run, number), record)
		}
	}
	if err != nil {
		f.log.Error("the report could not be kept", "run", r.Run, "error", err.Error())
	}
}

// Run returns the latest report of a run, or an error with state.ErrNotFound.
func (f *Function) Run(ctx context.Context, call Call, id string) (*report.Report, error) {
	if f.broken != nil {
		return nil, refusedError{f.broken}
	}
	store := f.store(call)
	var latest []byte
	for number := 1; ; number++ {
		data, err := store.Read(ctx, runName(id, number))
		if errors.Is(err, state.ErrNotFound) && latest != nil {
			return parseRun(id, latest)
		}
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", text.Quote(id), err)
		}
		latest = data
	}
}

// maxRun bounds in bytes what is read of a report: its hundred failures take at most some
// two kilobytes each.
const maxRun = 4 << 20

func parseRun(id string, data []byte) (*report.Report, error) {
	var record runRecord
	switch err := state.Decode(data, maxRun, &record); {
	case err != nil:
		return nil, fmt.Errorf("report of run %s: %w: %w", text.Quote(id), state.ErrDamaged, err)
	case record.Format != runFormat || record.Report == nil:
		return nil, fmt.Errorf("report of run %s: %w: format %d: this program reads format %d", text.Quote(id), state.ErrDamaged, record.Format, runFormat)
	}
	record.Report.Ledger, record.Report.Asked = record.Ledger, record.Asked
	return record.Report, nil
}

// MaxListed is how many runs or plans a list has at most: the latest.
const MaxListed = 100

// Runs returns the latest runs, newest first, and which records were skipped.
func (f *Function) Runs(ctx context.Context, call Call) (list []*report.Report, skipped []string, err error) {
	list = []*report.Report{}
	skipped, err = f.latest(ctx, call, "runs/", ".json", func(name string, data []byte) error {
		r, err := parseRun(name, data)
		if err == nil {
			list = append(list, r)
		}
		return err
	})
	return list, skipped, err
}

// Plans returns the latest plans that have media, newest first, and which records were
// skipped.
func (f *Function) Plans(ctx context.Context, call Call) (list []plan.Contents, skipped []string, err error) {
	list = []plan.Contents{}
	skipped, err = f.latest(ctx, call, "plans/", "/plan.json", func(name string, data []byte) error {
		contents, err := plan.ParseContents(data)
		if err == nil && plan.Name(contents.ID) != name {
			err = fmt.Errorf("it is the record of %s", text.Quote(contents.ID))
		}
		if err == nil {
			list = append(list, contents)
		}
		return err
	})
	return list, skipped, err
}

// latest reads the records of a folder that were written last. One that has vanished
// or cannot be read is skipped: the others are worth seeing. If none can be read, that
// is an error.
func (f *Function) latest(ctx context.Context, call Call, folder, suffix string, take func(name string, data []byte) error) (skipped []string, err error) {
	if f.broken != nil {
		return nil, refusedError{f.broken}
	}
	store := f.store(call)
	var records []state.Record
	newestFirst := func(a, b state.Record) int {
		return cmp.Or(b.Written.Compare(a.Written), strings.Compare(b.Name, a.Name))
	}
	for record, err := range store.List(ctx, folder, "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(record.Name, suffix) {
			continue
		}
		if records = append(records, record); len(records) == 4*MaxListed {
			slices.SortFunc(records, newestFirst)
			records = records[:MaxListed]
		}
	}
	slices.SortFunc(records, newestFirst)
	records = records[:min(len(records), MaxListed)]
	unread := 0
	for _, record := range records {
		data, err := store.Read(ctx, record.Name)
		switch {
		case err == nil:
			err = take(record.Name, data)
		case ctx.Err() != nil:
			return nil, err
		case !errors.Is(err, state.ErrNotFound):
			if unread++; unread == len(records) {
				return nil, err
			}
		}
		if err != nil {
			problem := text.Bound(err.Error())
			f.log.Warn("record skipped", "record", record.Name, "error", problem)
			skipped = append(skipped, fmt.Sprintf("record %s skipped: %s", record.Name, problem))
		}
	}
	return text.First(skipped, "records skipped"), nil
}

// Entries returns a kept plan and yields its entries; see sweep.Entries.
func (f *Function) Entries(ctx context.Context, call Call, id string) (plan.Contents, iter.Seq2[plan.Entry, error], error) {
	if f.broken != nil {
		return plan.Contents{}, nil, refusedError{f.broken}
	}
	if !trigger.IsPlanID(id) {
		return plan.Contents{}, nil, refusedError{fmt.Errorf("%s is no ID of a plan, such as sha256:0f3a…", text.Quote(id))}
	}
	store := f.store(call)
	contents, err := journal.ReadPlan(ctx, store, id)
	return contents, journal.Entries(ctx, store, contents), err
}

// Restore brings back the media that a run deleted, or only some of them, from the
// records of its plan. A run that was killed left no report: what of its plan has gone is
// brought back, whoever deleted it, as of a plan whose ID is given. What it did is told
// also when an error ended it.
func (f *Function) Restore(ctx context.Context, call Call, run string, only []string) (*restore.Report, error) {
	if f.broken != nil {
		return nil, refusedError{f.broken}
	}
	of, err := f.deletionOf(ctx, call, run)
	if err != nil {
		return nil, err
	}
	store := f.store(call)
	lease, err := state.Acquire(ctx, store, state.RestoreLease, run)
	if err != nil {
		return nil, err
	}
	defer f.release(ctx, lease, deadline.Budget{})
	ctx = lease.Hold(ctx)
	if err := f.marks.Refresh(ctx, store); err != nil {
		return nil, err
	}
	library, oss := f.library.Session(f.credentials(call)), f.oss.Session(f.credentials(call))
	s := restore.Restorer{Library: library, Sources: oss, Store: store, Marks: f.marks, Region: f.account.Region, Now: f.now}
	return s.Run(ctx, of, only)
}

// deletionOf tells what a run deleted, or what has gone of a plan.
func (f *Function) deletionOf(ctx context.Context, call Call, run string) (restore.Deletion, error) {
	of := restore.Deletion{Run: run, Plan: run, Ledger: run, CutOff: true}
	if trigger.IsPlanID(run) {
		return of, nil
	}
	r, err := f.Run(ctx, call, run)
	switch {
	case errors.Is(err, state.ErrNotFound):
		begun, err := journal.LatestIntent(ctx, f.store(call), run)
		if errors.Is(err, state.ErrNotFound) {
			err = fmt.Errorf("%w: of a run that was killed while it deleted given media, give the ID of its plan", err)
		}
		of.Plan = begun.Plan
		return of, err
	case err != nil:
		return of, err
	case r.Mode != policy.Enforce || r.Plan == "":
		return of, refusedError{fmt.Errorf("run %s has deleted nothing: mode %s, status %s", run, r.Mode, r.Status)}
	}
	c := r.Counts
	of.Plan, of.Ledger, of.CutOff, of.Ended = r.Plan, cmp.Or(r.Ledger, run), r.Status == report.Incomplete, c.Deleted+c.Gone+c.Failed+c.Unverified
	return of, nil
}
