package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// History returns all decisions to delete a medium, by its ID, or the media of an object.
func (s *Service) History(ctx context.Context, call Call, name string) (*history.History, error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := trigger.CheckName(name); err != nil {
		return nil, refusedError{err}
	}
	found, err := history.Of(ctx, store, s.now(), name)
	if err != nil {
		return nil, err
	}
	if object, err := media.ParseObject(name); err == nil && len(found.Decisions) == 0 && object.LooksLikePattern() {
		found.Notes = append(found.Notes, text.Quote(name)+" is the name of one object here, not a prefix or a pattern")
	}
	for _, record := range found.Unread {
		s.log.Warn("history incomplete", "of", name, "error", record)
	}
	for _, d := range found.Decisions {
		if _, known := found.Policies[d.Policy]; known || d.Policy == "" || len(found.Policies) == maxPolicies {
			continue
		}
		p, err := journal.ReadPolicy(ctx, store, d.Policy)
		if err != nil {
			found.Notes = append(found.Notes, text.Bound("the text of a policy is unknown: "+err.Error()))
			break
		}
		found.Policies[d.Policy] = string(p.Text())
	}
	return found, nil
}

const maxPolicies = 10

// foldHistory moves what runs recorded into the tables of the history, in the time that a sweep left.
// The caller holds the lease.
func (j *job) foldHistory(ctx context.Context) {
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	admit, cancel := j.budget.Admit(work)
	defer cancel()
	err := task.Do(func() error { return history.Fold(work, admit, j.store(), j.now) })
	switch {
	case deadline.Passed(err):
		j.log.Info("history not folded: the next sweep does it")
	case err != nil:
		j.log.Warn("history not folded: the next sweep tries again", "error", text.Bound(err.Error()))
	}
}

// addDeletion adds to the explanation of an absent medium how it went, if a run deleted it.
func (j *job) addDeletion(ctx context.Context, e *retention.Explanation) {
	ctx, cancel := j.budget.Work(ctx)
	defer cancel()
	found, err := j.History(ctx, j.call, cmp.Or(e.MediaID, e.Object))
	if err != nil {
		e.Notes = append(e.Notes, text.Bound("its history cannot be read: "+err.Error()))
		return
	}
	for _, record := range text.First(found.Unread, "records") {
		e.Notes = append(e.Notes, "its history is incomplete: "+record)
	}
	d := found.Deletion()
	if d == nil {
		if len(found.Decisions) > 0 {
			last, note := found.Decisions[0], ""
			if at := last.At.Format(time.RFC3339); last.Outcome == history.Restored {
				note = fmt.Sprintf("restored as %s at %s, by a restore of %s: see its history", last.NewID, at, last.Run)
			} else {
				note = fmt.Sprintf("run %s: %s at %s: see its history", last.Run, last.Outcome, at)
			}
			e.Notes = append(e.Notes, note)
		}
		e.Notes = append(e.Notes, found.Notes...)
		return
	}
	next := found.Next
	if next == "" {
		back := slices.IndexFunc(found.Decisions, func(d history.Decision) bool { return d.Outcome == history.Restored })
		next = "it was restored as " + found.Decisions[back].NewID
	}
	e.MediaID, e.Object, e.Title = d.MediaID, d.Object, d.Title
	e.Deleted = &retention.Deletion{At: d.At, Outcome: string(d.Outcome), Run: d.Run, Plan: d.Plan, Policy: d.Policy, Rule: d.Rule, Reason: d.Reason, Next: next}
}
