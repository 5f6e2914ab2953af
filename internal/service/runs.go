package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Run returns the latest report of a run, or an error with state.ErrNotFound. Eight characters of its ID are enough if no
// other run's ID starts so.
func (s *Service) Run(ctx context.Context, call Call, id string) (*report.Report, error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, err
	}
	return runlog.Find(ctx, store, id)
}

// RunFilter selects runs, as a person wrote it. Empty fields select all.
type RunFilter struct {
	Trigger trigger.Kind
	Status  report.Status
	// Since is the earliest end of a run: a day, a time, or how long ago.
	Since string
	// Before is the Next of an earlier page, or names a run.
	Before string
	Limit  int // 1 to MaxRuns
}

// A page has DefaultRuns runs, and at most MaxRuns.
const (
	DefaultRuns = 100
	MaxRuns     = runlog.MaxRuns
)

// RunList is a page of runs, newest first, with notes on the timezone and on records that it skipped.
type RunList struct {
	Reports []*report.Report
	Notes   []string
	Next    string // RunFilter.Before for the next page; empty on the last one
}

// Runs returns a page of the reports of runs.
func (s *Service) Runs(ctx context.Context, call Call, f RunFilter) (RunList, error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return RunList{}, err
	}
	q := runlog.Query{Trigger: f.Trigger, Status: f.Status, Before: f.Before, Limit: f.Limit}
	err = errors.Join(known("trigger", q.Trigger, trigger.Kinds()), known("status", q.Status, report.Statuses()))
	if f.Limit < 1 || f.Limit > MaxRuns {
		err = errors.Join(err, fmt.Errorf("limit %d: a page has 1 to %d runs", f.Limit, MaxRuns))
	}
	if err != nil {
		return RunList{}, refusedError{err}
	}
	var notes []string
	if f.Since != "" {
		var zone *time.Location
		zone, notes = s.Zone(ctx, call)
		if q.Since, err = s.since(f.Since, zone); err != nil {
			return RunList{}, err
		}
	}
	if f.Before != "" && !runlog.IsCursor(f.Before) {
		r, err := runlog.Find(ctx, store, f.Before)
		if errors.Is(err, state.ErrNotFound) {
			err = refusedError{fmt.Errorf("before %s: there is no such run: take the value that the page before gives", text.Quote(f.Before))}
		}
		if err != nil {
			return RunList{}, err
		}
		q.Before = runlog.Cursor(r)
	}
	page, err := runlog.List(ctx, store, q)
	return RunList{page.Reports, append(notes, s.noteSkipped(page.Skipped)...), page.Next}, err
}

// known refuses a value that is none of those allowed.
func known[T ~string](name string, value T, allowed []T) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %s is none of %s", name, text.Quote(string(value)), strings.Join(text.Strings(allowed), ", "))
}

// since reads a day such as 2026-11-25, a time such as 2026-11-25T19:00:00Z, or a period until now
// such as 24h or 7d. A day begins in the zone.
func (s *Service) since(written string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, written); err == nil {
		return at.UTC(), nil
	}
	if day, err := time.Parse(time.DateOnly, written); err == nil {
		return retention.StartOf(day, zone).UTC(), nil
	}
	period, err := policy.ParsePeriod(written)
	if err != nil {
		return time.Time{}, refusedError{fmt.Errorf("since %s: write a day such as 2026-11-25, a time such as 2026-11-25T19:00:00Z, or a period such as 24h or 7d", text.Quote(written))}
	}
	return period.Began(s.now().UTC().Truncate(time.Second), zone), nil
}

// Zone returns the timezone of the policy. If the policy cannot be read, it returns UTC and a note.
func (s *Service) Zone(ctx context.Context, call Call) (zone *time.Location, notes []string) {
	p, err := s.policies.ofFile(ctx)
	if err == nil && p == nil {
		p, err = s.Policy(ctx, call)
	}
	if err != nil {
		return time.UTC, []string{text.Bound("policy not read: days and months are those of UTC: " + err.Error())}
	}
	return p.Timezone, nil
}

// noteSkipped logs the records that a list lacks, and returns its notes.
func (s *Service) noteSkipped(records []state.Skipped) []string {
	var notes []string
	for _, one := range records {
		s.log.Warn("record skipped", "record", one.Record, "error", one.Problem)
		notes = append(notes, one.String())
	}
	return text.First(notes, "records skipped")
}
