package purge

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// maxAge is the age after which a decision is stale. Media are read and decided on again before they
// are deleted, so that a new hold takes effect.
const maxAge = time.Hour

// isStale reports whether a batch has stale decisions.
func isStale(batch []plan.Line, now time.Time) bool {
	return slices.ContainsFunc(batch, func(l plan.Line) bool { return now.Sub(time.Unix(l.ReadAt, 0)) > maxAge })
}

// Origin is the scan that made the plan.
type Origin interface {
	// Names reports whether the scan's sources name a medium.
	Names(m *media.Medium) bool
	// Newest returns the newest media of a medium's groups, according to a checkpoint.
	Newest(rank retention.Rank) []string
}

// Sources checks whether source objects exist.
type Sources interface {
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// Judge holds the inputs of decisions.
type Judge struct {
	Policy *policy.Policy
	AsOf   time.Time
	Mark   func(*media.Medium) retention.Mark
	Now    func() time.Time
}

// Recheck reads media of a plan again and decides on them once more. It is safe for
// concurrent use.
type Recheck struct {
	Judge   Judge
	Region  string
	Library lookup.Library
	Sources Sources
	Origin  Origin
	// Interrupted is true if an earlier run may have deleted media of the plan without recording
	// an outcome.
	Interrupted bool
	// Account is true if the purge only finds media that are gone. It decides on no medium, and deletes none.
	Account bool

	newest newestMedia
}

// run returns the media that are still expired with the record of the plan, and the outcomes of the
// others. Media that could not be read in time are in neither list.
func (r *Recheck) run(ctx context.Context, batch []plan.Line) (still []plan.Line, outcomes []Outcome) {
	found, failed := map[string]*media.Medium{}, map[string]error{}
	for _, result := range r.read(ctx, ids(batch)) {
		for _, candidate := range result.Candidates {
			failed[candidate.MediaID] = result.Err
		}
		for i := range result.Answer.Found {
			m := &result.Answer.Found[i].Medium
			found[m.ID] = m
		}
	}
	readAt := r.Judge.Now().Unix()
	for _, l := range batch {
		m, err := found[l.MediaID], failed[l.MediaID]
		switch {
		case err != nil && (r.Account || deadline.Passed(err)):
		case err != nil:
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Failed, Cause: err})
		case m == nil, r.Interrupted && m.Doubt == "" && m.State == media.StateDeleted:
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Gone})
		case r.Interrupted && m.Doubt == "" && m.State == media.StateInitiated && l.State != media.StateInitiated:
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Gone, Tombstone: true})
		case r.Account:
		case !r.Origin.Names(m):
			outcomes = append(outcomes, Outcome{Line: l})
		default:
			now, err := r.decide(ctx, l, m)
			if now.Verdict != retention.Expired {
				outcomes = append(outcomes, Outcome{Line: l, Now: now, Cause: err})
				continue
			}
			l.ReadAt = readAt
			still = append(still, l)
		}
	}
	return still, outcomes
}

func (r *Recheck) read(ctx context.Context, ids []string) []lookup.Result {
	batch := lookup.Batch{}
	for _, id := range ids {
		batch.Candidates = append(batch.Candidates, inventory.Candidate{MediaID: id})
	}
	return lookup.Run(ctx, ctx, r.Library, batch, r.Region)
}

// decide decides again on a medium of the plan. A changed record is in no plan: its medium stays, and
// the next sweep decides. An error means that the source object could not be checked: its
// medium stays too.
func (r *Recheck) decide(ctx context.Context, l plan.Line, m *media.Medium) (now retention.Decision, err error) {
	facts := retention.Facts{AsOf: r.Judge.AsOf, ReadAt: r.Judge.Now(), NotLatest: true, Mark: r.Judge.Mark(m)}
	if r.Judge.Policy.TakesOrphans(l.Rule) {
		exists, existsErr := r.Sources.Exists(ctx, m.Object)
		facts.SourceRemoved, err = existsErr == nil && !exists, existsErr
	}
	if !l.Outranked {
		rank := retention.RankOf(r.Judge.Policy, m, facts)
		facts.NotLatest = len(rank.Groups) > 0 && r.isOutranked(ctx, rank)
	}
	now = retention.Decide(r.Judge.Policy, m, facts)
	if now.Verdict == retention.Expired && (err != nil || !plan.HasRecord(l.Text, m.Record)) {
		now.Verdict = retention.Keep
	}
	return now, err
}

// newestMedia caches ranks of the newest media in a checkpoint, as they were read again.
type newestMedia struct {
	mu    sync.Mutex
	ranks map[string]retention.Rank // by media ID; zero for a medium that could not be read
}

// isOutranked reports whether enough newer media of a medium's groups were read in this run. A
// medium that cannot be read outranks nothing.
func (r *Recheck) isOutranked(ctx context.Context, rank retention.Rank) bool {
	ranker := retention.NewRanker(r.Judge.Policy, r.Judge.AsOf)
	newest := slices.Compact(slices.Sorted(slices.Values(r.Origin.Newest(rank))))
	unread := r.newest.add(ranker, newest)
	for some := range slices.Chunk(unread, mps.MaxBatch) {
		ranks := map[string]retention.Rank{}
		for _, id := range some {
			ranks[id] = retention.Rank{}
		}
		for _, result := range r.read(ctx, some) {
			for i := range result.Answer.Found {
				if m := &result.Answer.Found[i].Medium; r.Origin.Names(m) {
					facts := retention.Facts{AsOf: r.Judge.AsOf, NotLatest: true, Mark: r.Judge.Mark(m)}
					ranks[m.ID] = retention.RankOf(r.Judge.Policy, m, facts)
				}
			}
		}
		r.newest.take(ranks)
	}
	r.newest.add(ranker, unread)
	return !ranker.IsLatest(rank)
}

// add adds media to a ranker. It returns the media that have not been read.
func (n *newestMedia) add(ranker *retention.Ranker, ids []string) (unread []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		rank, ok := n.ranks[id]
		if !ok {
			unread = append(unread, id)
		}
		ranker.Add(id, rank)
	}
	return unread
}

func (n *newestMedia) take(ranks map[string]retention.Rank) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ranks == nil {
		n.ranks = map[string]retention.Rank{}
	}
	maps.Copy(n.ranks, ranks)
}
