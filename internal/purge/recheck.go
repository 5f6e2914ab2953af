package purge

import (
	"errors"
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
	"github.com/mediasweep/mediasweep/internal/retention"
)

// maxAge is the age after which a decision is stale. Media are read and decided on again before they
// are deleted, so that a new hold takes effect.
const maxAge = time.Hour

// isStale reports whether a batch has stale decisions.
func isStale(batch []plan.Line, now time.Time) bool {
	return slices.ContainsFunc(batch, func(l plan.Line) bool { return now.Sub(time.Unix(l.ReadAt, 0)) > maxAge })
}

// unheld returns the media that no hold keeps. It reports the outcomes of the others.
func (w *worker) unheld(batch []plan.Line) (free []plan.Line) {
	var outcomes []Outcome
	for _, l := range batch {
		if err := l.Parse(); err != nil {
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Failed, Cause: err})
		} else if now, held := w.Judge.Mark(l.Medium).Held(w.Judge.AsOf); held {
			outcomes = append(outcomes, Outcome{Line: l, Now: now})
		} else {
			free = append(free, l)
		}
	}
	w.report(outcomes...)
	return free
}

// unreadable returns the outcome of a medium that could not be read.
func unreadable(l plan.Line, err error) Outcome {
	isFinal := mps.Is(err, mps.Rejected) || errors.Is(err, lookup.ErrUnanswered)
	return Outcome{Line: l, Became: journal.Failed, Cause: err, Unread: !isFinal}
}

// recheck reads a batch and decides on it again. It returns the media that are still expired with the record of the
// plan. Media that could not be read in time stay pending. It reports the outcomes of the others. With FindOnly it decides on
// none, and returns none.
func (w *worker) recheck(batch []plan.Line) (still []plan.Line) {
	found, failed := w.look(batch)
	var outcomes []Outcome
	readAt := w.Now().Unix()
	for _, l := range batch {
		m, err := found[l.MediaID], failed[l.MediaID]
		isDeleted, hidden := showsDeletion(l, m)
		switch {
		case err != nil && deadline.Passed(err):
		case err != nil:
			outcomes = append(outcomes, unreadable(l, err))
		case m == nil, w.Interrupted && isDeleted:
			outcomes = append(outcomes, Outcome{Line: l, Became: journal.Gone, Tombstone: hidden})
		case w.FindOnly:
		case !w.Judge.Origin.Names(m):
			outcomes = append(outcomes, Outcome{Line: l, Unnamed: true})
		default:
			now, err := w.decide(l, m)
			if now.Verdict != retention.Expired {
				outcomes = append(outcomes, Outcome{Line: l, Now: now, Cause: err})
				continue
			}
			l.ReadAt = readAt
			still = append(still, l)
		}
	}
	w.report(outcomes...)
	return still
}

// look reads a batch. It returns the media by ID, and the errors of those that could not be read.
func (w *worker) look(batch []plan.Line) (found map[string]*media.Medium, failed map[string]error) {
	found, failed = map[string]*media.Medium{}, map[string]error{}
	for _, result := range w.read(ids(batch)) {
		for _, candidate := range result.Candidates {
			failed[candidate.MediaID] = result.Err
		}
		for i := range result.Answer.Found {
			m := &result.Answer.Found[i].Medium
			found[m.ID] = m
		}
	}
	return found, failed
}

func (w *worker) read(ids []string) []lookup.Result {
	batch := lookup.Batch{}
	for _, id := range ids {
		batch.Candidates = append(batch.Candidates, inventory.Candidate{MediaID: id})
	}
	return lookup.Run(w.ctx, w.ctx, w.Library, batch)
}

// decide decides again on a medium of the plan. A changed record is in no plan: its medium stays, and
// the next sweep decides. An error means that the source object could not be checked: its
// medium stays too.
func (w *worker) decide(l plan.Line, m *media.Medium) (now retention.Decision, err error) {
	facts := retention.Facts{AsOf: w.Judge.AsOf, NotLatest: true, Mark: w.Judge.Mark(m)}
	if w.Judge.Policy.TakesOrphans(l.Rule) {
		exists, existsErr := w.Judge.Sources.Exists(w.ctx, m.Object)
		facts.Mark.SourceRemoved, err = existsErr == nil && !exists, existsErr
	}
	c := retention.NewCase(w.Judge.Policy, m)
	if !l.Outranked {
		rank := c.Rank(facts)
		facts.NotLatest = len(rank.Groups) > 0 && w.isOutranked(rank)
	}
	now = c.Decide(facts)
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
func (w *worker) isOutranked(rank retention.Rank) bool {
	ranker := retention.NewRanker(w.Judge.Policy, w.Judge.AsOf)
	newest := slices.Compact(slices.Sorted(slices.Values(w.Judge.Origin.Newest(rank))))
	unread := w.newest.add(ranker, newest)
	for some := range slices.Chunk(unread, mps.MaxBatch) {
		ranks := map[string]retention.Rank{}
		for _, id := range some {
			ranks[id] = retention.Rank{}
		}
		for _, result := range w.read(some) {
			for i := range result.Answer.Found {
				if m := &result.Answer.Found[i].Medium; w.Judge.Origin.Names(m) {
					facts := retention.Facts{AsOf: w.Judge.AsOf, NotLatest: true, Mark: w.Judge.Mark(m)}
					ranks[m.ID] = retention.NewCase(w.Judge.Policy, m).Rank(facts)
				}
			}
		}
		w.newest.put(ranks)
	}
	w.newest.add(ranker, unread)
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

func (n *newestMedia) put(ranks map[string]retention.Rank) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.ranks, ranks)
}
