package sweep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Outcomes that could not be written are written with the next ones.
func TestOutcomesAreWrittenAgain(t *testing.T) {
	w := newWorld(t, "")
	w.fail("create", "ledger/")
	r := w.newRun("r", &trigger.Request{}, policy.Enforce)
	l := r.newLedger("p", "")
	r.settle(t.Context(), []purge.Outcome{{Line: plan.Line{MediaID: "a", Rule: "rest"}, Became: journal.Deleted}}, l)
	if err, _ := l.flush(t.Context()); !errors.Is(err, errStore) {
		t.Fatal(err)
	}
	w.fail("", "")
	r.settle(t.Context(), []purge.Outcome{{Line: plan.Line{MediaID: "b", Rule: "rest"}, Became: journal.Gone}}, l)
	if err, _ := l.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, _, err := journal.Outcomes(t.Context(), w.store, "r", "r")
	if err != nil || len(all) != 2 || all["a"].Became != journal.Deleted || all["b"].Became != journal.Gone {
		t.Errorf("%+v: %v", all, err)
	}
}

// Media that MPS still shows have tombstones before they have outcomes: a medium with an outcome is not read again.
func TestTombstonesComeBeforeOutcomes(t *testing.T) {
	w := newWorld(t, "")
	r := w.newRun("r", &trigger.Request{}, policy.Enforce)
	l := r.newLedger("p", "")
	r.settle(t.Context(), []purge.Outcome{
		{Line: plan.Line{MediaID: "a", Rule: "rest"}, Became: journal.Deleted, Tombstone: true}, {Line: plan.Line{MediaID: "b", Rule: "rest"}, Became: journal.Unverified, Tombstone: true},
	}, l)
	w.fail("create", "marks/")
	if err, _ := l.flush(t.Context()); !errors.Is(err, errStore) || len(w.store.Names("ledger/")) > 0 {
		t.Errorf("%v, outcomes %v", err, w.store.Names("ledger/"))
	}
	w.fail("", "")
	for range 2 {
		if err, _ := l.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if marks, outcomes := w.store.Names("marks/"), w.store.Names("ledger/"); len(marks) != 1 || len(outcomes) != 1 {
		t.Errorf("records %v and %v", marks, outcomes)
	}
}

// slow writes the records of a folder late.
type slow struct {
	state.Store
	folder string
	late   time.Duration
}

func (s slow) Create(ctx context.Context, name string, data []byte) error {
	if strings.HasPrefix(name, s.folder) {
		select {
		case <-time.After(s.late):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Store.Create(ctx, name, data)
}

// A run may be killed between two records: no other run adds a medium with an outcome to the history. A history that hangs
// costs no outcome.
func TestTheHistoryComesBeforeOutcomes(t *testing.T) {
	for late, want := range map[time.Duration]string{time.Second: "history/ ledger/", time.Hour: "ledger/"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "")
			w.sweep.Store = slow{w.store, "history/", late}
			r := w.newRun("r", &trigger.Request{}, policy.Enforce)
			l := r.newLedger("p", "")
			r.settle(t.Context(), []purge.Outcome{{Line: plan.Line{MediaID: "a", Rule: "rest"}, Became: journal.Deleted}}, l)
			ctx, cancel := context.WithTimeout(t.Context(), deadline.MaxRecord)
			defer cancel()
			err, gap := l.flush(ctx)
			var folders []string
			for _, name := range w.store.Created {
				folders = append(folders, name[:strings.Index(name, "/")+1])
			}
			if got := strings.Join(folders, " "); err != nil || (gap != nil) != (late > deadline.MaxRecord) || got != want {
				t.Errorf("history after %v: %v, %v, records %s", late, err, gap, got)
			}
		})
	}
}

// Outcomes wait for the history for half of the time left. With little time they do not wait, so that a plan ends.
func TestWaitFor(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{time.Hour: deadline.MaxRecord / 2, deadline.MaxRecord: deadline.MaxRecord / 2, inTurn: inTurn / 2, inTurn - 1: 0, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			if got := waitFor(ctx); got != want {
				t.Errorf("with %v left: %v", left, got)
			}
		})
	}
	if got := waitFor(t.Context()); got != deadline.MaxRecord/2 {
		t.Errorf("without a limit: %v", got)
	}
}

// The history has the rule, the object and the reason of a deletion, and whether it can be undone. What could not be
// written is written with the next decisions.
func TestDecisionsOfTheHistory(t *testing.T) {
	w := newWorld(t, "")
	ids := append(w.add(400, "a/b.mp4"), w.add(1, "orphans/c.mp4")...)
	r := w.newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce)
	l := r.newLedger("sha256:own", "sha256:approved")
	for i, rule := range []string{"rest", "orphans"} {
		m := w.media[ids[i]]
		line, err := plan.LineOf(plan.Entry{MediaID: m.ID, Rule: rule, Reason: "why", State: m.State, Record: m.Record}, m.Created, w.now)
		if err != nil {
			t.Fatal(err)
		}
		r.settle(t.Context(), []purge.Outcome{{Line: line, Became: journal.Deleted}}, l)
	}
	r.settle(t.Context(), []purge.Outcome{{Line: plan.Line{MediaID: "odd", Rule: "rest"}, Became: journal.Failed}}, l)
	w.fail("create", "history/")
	if err := r.closeLedger(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if len(l.decisions) != 3 || len(r.report.Notes) != 1 || !strings.Contains(r.report.Notes[0], "history lacks 3 media") {
		t.Errorf("%d unwritten, notes %q", len(l.decisions), r.report.Notes)
	}
	w.fail("", "")
	if err := r.closeLedger(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if len(l.decisions) != 0 || len(r.report.Notes) != 1 {
		t.Errorf("%d unwritten, notes %q", len(l.decisions), r.report.Notes)
	}
	for i, id := range append(ids, "odd") {
		found, err := history.Of(t.Context(), w.store, w.now, id)
		if err != nil || len(found.Decisions) != 1 {
			t.Fatal(id, found, err)
		}
		one := found.Decisions[0]
		if one.Orphan != (i == 1) || one.Plan != "sha256:approved" || (one.Object == "") != (i == 2) || (one.Reason == "") != (i == 2) {
			t.Errorf("%+v", one)
		}
	}
}

// hanging is a store whose writes wait for the end of their context.
type hanging struct{ state.Store }

func (hanging) Create(ctx context.Context, _ string, _ []byte) error { <-ctx.Done(); return ctx.Err() }

// Outcomes are written by the thousand. After a failure they are written with the next thousand.
func TestOutcomesAreWrittenByTheThousand(t *testing.T) {
	w := newWorld(t, "")
	l := w.newRun("r", &trigger.Request{Trigger: trigger.Timer}, policy.Enforce).newLedger("p", "")
	add := func(n int) {
		for i := range n {
			l.outcomes = append(l.outcomes, journal.Outcome{MediaID: fmt.Sprint("m", i), Became: journal.Deleted})
		}
		l.maybeFlush(t.Context())
	}
	for _, step := range []struct {
		add          int
		fails        bool
		want, tried  int
		unwrittenNow int
	}{
		{999, false, 0, 0, 999}, {1, false, 1, 0, 0}, {1000, true, 1, 1000, 1000}, {999, false, 1, 1000, 1999}, {1, false, 3, 0, 0},
	} {
		if w.fail("", ""); step.fails {
			w.fail("create", "ledger/")
		}
		add(step.add)
		records := len(w.store.Names("ledger/"))
		if records != step.want || l.tried != step.tried || len(l.outcomes) != step.unwrittenNow {
			t.Errorf("%+v: %d records, tried %d, %d unwritten", step, records, l.tried, len(l.outcomes))
		}
	}
}

// A store that hangs holds the purge up for five seconds.
func TestAStoreThatHangsWhileMediaAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.sweep.Store = hanging{w.store}
		l := (&run{Sweep: w.sweep, request: &trigger.Request{}, report: &report.Report{}}).newLedger("p", "")
		for i := range segments.MaxLines {
			l.outcomes = append(l.outcomes, journal.Outcome{MediaID: fmt.Sprint("m", i), Became: journal.Deleted})
		}
		start := time.Now()
		if l.maybeFlush(t.Context()); time.Since(start) != 5*time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}
