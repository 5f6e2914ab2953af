package service

import (
	"context"
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Explain explains the decision on each medium that a request for media IDs or objects names. For
// a rule that keeps the latest of a group it surveys the group's other media in the inventory.
// It returns the report of its worst survey.
func (s *Service) Explain(ctx context.Context, call Call, request *trigger.Request) ([]*retention.Explanation, *report.Report) {
	budget := deadline.New(ctx)
	list := []*retention.Explanation{}
	p, r := s.begin(ctx, budget, call, request.Trigger)
	if p == nil {
		return list, r
	}
	found := map[string]media.Medium{}
	r = s.survey(ctx, budget, call, request, p, func(m media.Medium) { found[m.ID] = m })
	if r.Status == report.Failed {
		return list, r
	}
	for _, name := range absent(request, found) {
		if r.Status != report.Done {
			break
		}
		if e := s.explainAbsent(ctx, budget, call, name, r.AsOf); e != nil {
			list = append(list, e)
		}
	}
	work, cancel := budget.Work(ctx)
	defer cancel()
	announced, err := s.announcements(work, call, p, false)
	if err != nil {
		s.end(r, report.Failed, err)
		return []*retention.Explanation{}, r
	}
	defer announced.Close()
	worst := r
	for _, id := range slices.Sorted(maps.Keys(found)) {
		m := found[id]
		var notes []string
		if !p.Inventory.Names(&m) {
			notes = append(notes, "the policy's inventory does not name its object: only a request or an event can lead to it")
		}
		facts, others := s.factsOf(ctx, budget, call, p, request.Trigger, &m, r)
		if others.Status != report.Done {
			notes = append(notes, "not all of its group could be looked at: "+others.Problem())
		}
		if isWorse(others.Status, worst.Status) {
			worst = others
		}
		if facts.Announced, err = announced.Since(work, &m); err != nil {
			s.end(r, report.Failed, err)
			return []*retention.Explanation{}, r
		}
		e := retention.Explain(p, &m, facts)
		e.Holds = s.marks.Now().Of(&m)
		e.Notes = append(notes, noteNotice(p, e)...)
		if e.Verdict == retention.Absent {
			s.addDeletion(ctx, budget, call, e)
		}
		list = append(list, e)
	}
	return list, worst
}

// absent returns the IDs and objects of a request that have no medium.
func absent(request *trigger.Request, found map[string]media.Medium) (names []string) {
	objects := map[media.Object]bool{}
	for _, m := range found {
		objects[m.Object] = true
	}
	for _, id := range request.MediaIDs {
		if _, ok := found[id]; !ok {
			names = append(names, id)
		}
	}
	for _, object := range request.Objects {
		if !objects[object] {
			names = append(names, object.String())
		}
	}
	return names
}

// factsOf returns the facts for the decision on a medium, and the report of the survey of
// its groups.
func (s *Service) factsOf(ctx context.Context, budget deadline.Budget, call Call, p *policy.Policy, kind trigger.Kind, m *media.Medium, r *report.Report) (retention.Facts, *report.Report) {
	others := &report.Report{Status: report.Done}
	facts := retention.Facts{AsOf: r.AsOf, NotLatest: true, Mark: s.marks.Of(m)}
	known := facts
	known.AsOf = retention.WhenKnown(m, r.AsOf)
	rank := retention.RankOf(p, m, known)
	if len(rank.Groups) == 0 {
		return facts, others
	}
	forecaster := retention.NewForecaster(p, r.AsOf)
	forecaster.Mark = s.marks.Of
	decided := func(other *media.Medium, _ retention.Decision, its retention.Facts) {
		if other.ID == m.ID {
			facts = its
		}
	}
	forecaster.Add(*m, decided)
	if where := scan.Where(p, rank); len(where) > 0 {
		group := *p
		group.Inventory = policy.Inventory{Prefixes: where}
		others = s.survey(ctx, budget, call, &trigger.Request{Trigger: kind, Inventory: true}, &group, func(other media.Medium) {
			if other.ID != m.ID {
				forecaster.Add(other, decided)
			}
		})
	}
	forecaster.Finish(decided)
	return facts, others
}

// isWorse reports whether a survey of one status found less than one of another.
func isWorse(a, b report.Status) bool {
	order := []report.Status{report.Done, report.Partial, report.Incomplete, report.Busy, report.Failed}
	return slices.Index(order, a) > slices.Index(order, b)
}
