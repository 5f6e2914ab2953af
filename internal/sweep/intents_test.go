package sweep

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// intents returns how many intents a store has, and how many are closed.
func (w *world) intents() (open, closed int) {
	for _, name := range w.store.Names("open/") {
		if strings.HasSuffix(name, ".done") {
			closed++
		} else {
			open++
		}
	}
	return open, closed
}

// A run leaves an open intent if media are pending, and else a closed one. A plan counts as applied once nothing of it is left.
func TestIntentsOfARun(t *testing.T) {
	for name, test := range map[string]struct {
		request      func(w *world, ids []string) *trigger.Request
		before       func() error // each call
		open, closed int
		applied      bool
		plan         bool
	}{
		"a sweep of names": {request: func(_ *world, ids []string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}
		}, open: 1, closed: 1},
		"names that are left": {request: func(_ *world, ids []string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}
		},
			before: func() error { return context.Canceled }, open: 2, closed: 1},
		"a plan": {request: func(w *world, ids []string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.HTTP, Plan: w.save(plan.Contents{}, "rest", ids...).ID}
		}, open: 1, closed: 1, applied: true, plan: true},
		"a plan that is left": {request: func(w *world, ids []string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.HTTP, Plan: w.save(plan.Contents{}, "rest", ids...).ID}
		}, before: func() error { return context.Canceled }, open: 1, plan: true},
		"a plan of which all fail": {request: func(w *world, ids []string) *trigger.Request {
			return &trigger.Request{Trigger: trigger.HTTP, Plan: w.save(plan.Contents{}, "rest", ids...).ID}
		}, before: func() error { return &mps.Error{Kind: mps.Unauthorized} }, open: 1, closed: 1, plan: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.beforeDelete = test.before
			request := test.request(w, w.fill(7))
			r := w.run("r", request, policy.Enforce)
			if open, closed := w.intents(); open != test.open || closed != test.closed {
				t.Errorf("%d intents, %d closed, want %d and %d: %s %s %+v", open, closed, test.open, test.closed, r.Status, r.Error, r.Counts)
			}
			if request.Plan != "" {
				by, err := journal.AppliedBy(t.Context(), w.store, request.Plan)
				if strings.Contains(w.log.String(), "not marked") {
					t.Errorf("log: %s", w.log.String())
				}
				if (by == "r") != test.applied || err != nil || r.Plan != request.Plan {
					t.Errorf("applied by %q, %v; the report has plan %s", by, err, r.Plan)
				}
			}
		})
	}
}

// The intent of a run without a lease says until when the run may last. Without a time limit that is a day, and a minute for
// clocks. The command line has the longest limit that there is.
func TestUntilWhenAnIntentIsUnderWay(t *testing.T) {
	for name, limit := range map[string]time.Duration{"no limit": 0, "the longest": math.MaxInt64} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(3)
			w.beforeDelete = func() error {
				for after, want := range map[time.Duration]int{0: 0, 24 * time.Hour: 0, 24*time.Hour + 59*time.Second: 0, 24*time.Hour + time.Minute: 1} {
					if list, _, err := journal.Unfinished(t.Context(), w.store, w.now.Add(after)); err != nil || len(list) != want {
						t.Errorf("%v later: %d unfinished, want %d: %v", after, len(list), want, err)
					}
				}
				return nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			if limit > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), limit)
			}
			defer cancel()
			r := report.New("r", trigger.HTTP, w.sweep.Policy, w.now)
			r.Mode = policy.Enforce
			w.sweep.Run(ctx, deadline.New(ctx), &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, r)
			if r.Counts.Deleted != 3 {
				t.Errorf("%s, %+v", r.Status, r.Counts)
			}
		})
	}
}

// Outcomes that could not be recorded leave the plan unfinished, and make the run partial.
func TestOutcomesThatAreNotRecorded(t *testing.T) {
	w := newWorld(t, "")
	ids := w.fill(3)
	w.beforeDelete = func() error { w.fail("create", ""); return nil }
	r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, policy.Enforce)
	if open, closed := w.intents(); r.Status != report.Partial || !r.Unrecorded || r.Counts.Deleted != 3 || open != 1 || closed != 0 {
		t.Errorf("%s, unrecorded %v, %+v, %d intents, %d closed", r.Status, r.Unrecorded, r.Counts, open, closed)
	}
	if !slices.ContainsFunc(r.Failures, func(f report.Failure) bool { return strings.Contains(f.Message, "outcomes not recorded") }) {
		t.Errorf("failures %+v", r.Failures)
	}
}

// The kill switch names itself in the report of the run that it stopped.
func TestAStoppedRun(t *testing.T) {
	for name, before := range map[string]bool{"before": true, "while media are deleted": false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "")
			ids := w.fill(3)
			w.beforeDelete = func() error {
				err := w.store.Create(t.Context(), StopName, nil)
				time.Sleep(1100 * time.Millisecond)
				return errors.Join(err, context.Canceled)
			}
			if before {
				_ = w.beforeDelete()
			}
			r := w.run("r", &trigger.Request{Trigger: trigger.HTTP, MediaIDs: ids}, policy.Enforce)
			if r.Status != report.Incomplete || r.Stopped != "oss://ops/stop" || !strings.Contains(r.Error, "stop") {
				t.Errorf("%s: %s, stopped by %q, %q", name, r.Status, r.Stopped, r.Error)
			}
		})
	}
}

// A plan that a person applied is marked by the run that finishes it, so that its approval counts once.
func TestTheRunThatFinishesAnAppliedPlanMarksIt(t *testing.T) {
	approved := "sha256:" + strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		done, left int
		prepare    func(w *world, ids []string)
		marked     bool
	}{
		"some are left": {done: 2, left: 3, marked: true},
		"none is left":  {done: 2, marked: true},
		"all are left":  {left: 3, marked: true},
		"all are gone":  {left: 3, prepare: func(w *world, _ []string) { clear(w.media) }, marked: true},
		"all are held": {left: 3, prepare: func(w *world, ids []string) {
			for _, id := range ids {
				w.tag(400, strings.TrimPrefix(id, "m-"), "legal-hold")
			}
		}},
		"some could not be deleted": {left: 3, prepare: func(w *world, _ []string) { w.beforeDelete = func() error { return errors.New("not sent") } }},
	} {
		w := newWorld(t, "")
		ids := w.fill(test.done + test.left)
		contents := w.cutOff(plan.Contents{Head: plan.Head{Scope: plan.Scope{Plan: approved}}}, "rest", ids[:test.done], ids[test.done:]...)
		if test.prepare != nil {
			test.prepare(w, ids)
		}
		r := w.resume(contents)
		by, err := journal.AppliedBy(t.Context(), w.store, approved)
		if err != nil || (by == "second") != test.marked || slices.Contains([]report.Status{report.Failed, report.Busy}, r.Status) {
			t.Errorf("%s: %s %s, %+v, applied by %q, %v", name, r.Status, r.Error, r.Counts, by, err)
		}
	}
}
