package service

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
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
	j := s.newJob(ctx, call, request)
	list := []*retention.Explanation{} // not nil: JSON has [] for none
	if err := j.readPolicy(ctx); err != nil {
		return list, j.stop(err)
	}
	found := map[string]media.Medium{}
	r := j.survey(ctx, request, j.policy, func(m media.Medium) { found[m.ID] = m })
	if r.Status == report.Failed {
		return list, r
	}
	j.report = r
	if r.Status == report.Done {
		for _, name := range absent(request, found) {
			e := retention.ExplainAbsent(name, j.report.AsOf)
			j.addDeletion(ctx, e)
			list = append(list, e)
		}
	}
	work, cancel := j.budget.Work(ctx)
	defer cancel()
	announced, err := j.announced(work)
	if err != nil {
		return []*retention.Explanation{}, j.stop(err)
	}
	defer announced.Close()
	sources, err := j.removedSources(work, announced, j.policy)
	if err != nil {
		return []*retention.Explanation{}, j.stop(err)
	}
	worst := r
	for _, id := range slices.Sorted(maps.Keys(found)) {
		m := found[id]
		e, others, err := j.explain(work, &m, announced, sources)
		if err != nil {
			return []*retention.Explanation{}, j.stop(err)
		}
		if isWorse(others.Status, worst.Status) {
			worst = others
		}
		list = append(list, e)
	}
	return list, worst
}

// explain explains the decision on one medium. It also returns the report of the survey of its groups.
func (j *job) explain(ctx context.Context, m *media.Medium, announced *announce.Reader, sources *removedSources) (*retention.Explanation, *report.Report, error) {
	facts, others := j.factsOf(ctx, m, sources.mark)
	of, err := announced.Of(ctx, m.ID)
	if err = cmp.Or(err, sources.err); err != nil {
		return nil, nil, err
	}
	facts.Announced = of.Since(m)
	e := retention.Explain(j.policy, m, facts)
	e.Holds = j.marks.Latest().Of(m)
	if !of.HasLead && !j.policy.Inventory.Names(m) {
		e.Notes = append(e.Notes, "the policy's inventory does not name its object: only a request or an event can lead to it")
	}
	if others.Status != report.Done {
		e.Notes = append(e.Notes, "not all of its group could be looked at: "+others.Problem())
	}
	e.Notes = append(e.Notes, noteNotice(j.policy, e)...)
	if e.Verdict == retention.Absent {
		j.addDeletion(ctx, e)
	}
	return e, others, nil
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
func (j *job) factsOf(ctx context.Context, m *media.Medium, mark func(*media.Medium) retention.Mark) (retention.Facts, *report.Report) {
	others := &report.Report{Status: report.Done}
	forecaster := retention.NewForecaster(j.policy, j.report.AsOf, mark)
	if group := scan.ForGroups(j.policy, forecaster.Rank(m)); !group.Inventory.IsEmpty() {
		others = j.survey(ctx, &trigger.Request{Trigger: j.request.Trigger, Inventory: true}, group, func(other media.Medium) {
			if other.ID != m.ID {
				forecaster.Rank(&other)
			}
		})
	}
	return forecaster.Facts(m), others
}

// isWorse reports whether a survey of one status found less than one of another.
func isWorse(a, b report.Status) bool {
	order := []report.Status{report.Done, report.Partial, report.Incomplete, report.Busy, report.Failed}
	return slices.Index(order, a) > slices.Index(order, b)
}

// announced opens the announcements that a sweep of the inventory would read. The marks must have been read: a hold that has ended
// ends some.
func (j *job) announced(ctx context.Context) (*announce.Reader, error) {
	return announce.Open(ctx, j.store(), announce.Query{Policy: j.policy, Region: j.account.Region, Placed: j.marks.Latest().All(), AsOf: j.asOf(), Now: j.now(), Sweep: true})
}

// noteNotice says what the policy's notice means for a medium that is due.
func noteNotice(p *policy.Policy, e *retention.Explanation) []string {
	switch {
	case p.Notice.IsZero() || e.DueAt.IsZero():
		return nil
	case !e.AnnouncedAt.IsZero():
		return []string{fmt.Sprintf("announced at %s: a sweep deletes it from %s on", e.AnnouncedAt.Format(time.RFC3339), e.DueAt.Format(time.RFC3339))}
	}
	return []string{fmt.Sprintf("not announced yet: the sweep that finds it expired announces it, and one at least %s later deletes it", p.Notice)}
}
