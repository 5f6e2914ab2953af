package sweep

import (
	"errors"
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// What ended a run and what it counted decide on its status and its error.
func TestStatus(t *testing.T) {
	boom := errors.New("boom")
	type counts = report.Counts
	failed := func(r *run) { r.end(report.Failed, boom) }
	cut := func(r *run) { r.end(report.Incomplete, boom) }
	blind := func(r *run) { r.nothingSeen = true }
	for name, test := range map[string]struct {
		prepare []func(*run)
		counts  counts
		dry     bool
		down    bool // no call succeeded
		want    report.Status
		err     string
	}{
		"nothing to do":                {want: report.Done},
		"all deleted":                  {counts: counts{Deleted: 3}, want: report.Done},
		"media left by a dry run":      {counts: counts{Pending: 3}, dry: true, want: report.Done},
		"media left":                   {counts: counts{Deleted: 3, Pending: 1}, want: report.Incomplete, err: "time limit reached, with 1 media still to delete"},
		"media left for a reason":      {prepare: []func(*run){func(r *run) { r.timeUp = boom }}, counts: counts{Pending: 2}, want: report.Incomplete, err: "boom, with 2 media still to delete"},
		"one failed":                   {counts: counts{Deleted: 3, Failed: 1}, want: report.Partial},
		"one is unverified":            {counts: counts{Deleted: 3, Unverified: 1}, want: report.Partial},
		"some could not be read":       {prepare: []func(*run){func(r *run) { r.partial = true }}, want: report.Partial},
		"blocked":                      {prepare: []func(*run){func(r *run) { r.report.Guard.Tripped = true }}, counts: counts{Pending: 3}, want: report.Blocked},
		"failed before any deletion":   {prepare: []func(*run){failed}, counts: counts{Pending: 3}, want: report.Failed, err: "boom"},
		"failed after a deletion":      {prepare: []func(*run){failed}, counts: counts{Deleted: 1, Pending: 1}, want: report.Incomplete, err: "boom, with 1 media still to delete"},
		"failed with one unverified":   {prepare: []func(*run){failed}, counts: counts{Unverified: 1, Pending: 1}, want: report.Incomplete, err: "boom, with 1 media still to delete"},
		"failed after the last one":    {prepare: []func(*run){failed}, counts: counts{Deleted: 1, Failed: 1}, want: report.Partial, err: "boom"},
		"failed, the last unverified":  {prepare: []func(*run){failed}, counts: counts{Unverified: 1}, want: report.Partial, err: "boom"},
		"failed with unequal numbers":  {prepare: []func(*run){failed}, counts: counts{Deleted: 1, Unverified: 1}, want: report.Partial, err: "boom"},
		"all the same, and some left":  {prepare: []func(*run){failed}, counts: counts{Deleted: 1, Unverified: 1, Pending: 2}, want: report.Incomplete, err: "boom, with 2 media still to delete"},
		"cut off":                      {prepare: []func(*run){cut}, want: report.Incomplete, err: "boom"},
		"cut off before any answer":    {prepare: []func(*run){cut}, down: true, want: report.Failed, err: "boom"},
		"resumed, cut off":             {prepare: []func(*run){cut, func(r *run) { r.request.Resume = "first" }}, down: true, want: report.Incomplete, err: "boom"},
		"cut off after skipped media":  {prepare: []func(*run){cut, func(r *run) { r.skipped = 1 }}, down: true, want: report.Incomplete, err: "boom"},
		"stopped before any answer":    {prepare: []func(*run){func(r *run) { r.end(report.Incomplete, ErrStopped) }}, down: true, want: report.Incomplete, err: ErrStopped.Error()},
		"cut off, then failed":         {prepare: []func(*run){cut, func(r *run) { r.end(report.Failed, errStore) }}, want: report.Failed, err: "the store is down"},
		"failed, then cut off":         {prepare: []func(*run){failed, func(r *run) { r.end(report.Incomplete, errStore) }}, want: report.Failed, err: "boom"},
		"failed twice":                 {prepare: []func(*run){failed, func(r *run) { r.end(report.Failed, errStore) }}, want: report.Failed, err: "boom"},
		"cut off twice":                {prepare: []func(*run){cut, func(r *run) { r.end(report.Incomplete, errStore) }}, want: report.Incomplete, err: "boom"},
		"nothing could be read":        {prepare: []func(*run){blind}, down: true, want: report.Failed},
		"nothing, and the reason":      {prepare: []func(*run){blind, func(r *run) { r.report.Fail(report.Failure{Message: "denied"}) }}, down: true, want: report.Failed, err: "no candidate could be read: denied"},
		"nothing, and MPS answered":    {prepare: []func(*run){blind}, want: report.Done},
		"all read, and MPS was silent": {down: true, want: report.Done},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.down = test.down
			mode := policy.Enforce
			if test.dry {
				mode = policy.DryRun
			}
			r := w.newRun("r", &trigger.Request{Trigger: trigger.Timer}, mode)
			r.report.Counts = test.counts
			for _, prepare := range test.prepare {
				prepare(r)
			}
			if status, problem := r.status(); status != test.want || problem != test.err {
				t.Errorf("%s because of %q, want %s because of %q", status, problem, test.want, test.err)
			}
		})
	}
}
