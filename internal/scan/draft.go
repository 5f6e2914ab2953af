package scan

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Draft has all that a scan found, sorted by MediaId, so that each medium counts once and
// answers that contradict each other meet. Its memory does not grow. Its zero value is
// empty. One goroutine owns it.
type Draft struct {
	findings extsort.Spool
	ranker   *retention.Ranker
}

// add takes a finding. Its error is an *extsort.Error.
func (d *Draft) add(key string, encoded []byte) error { return d.findings.Add(key, encoded) }

// Close lets everything go.
func (d *Draft) Close() { d.findings.Close() }

// merged yields the findings, one of each medium and of each object without one.
func (d *Draft) merged() iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		var last *finding
		for record, err := range d.findings.All() {
			var f *finding
			if err == nil {
				f, err = decode(record.Name, record.Rest)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if last != nil && last.key() == f.key() {
				last.merge(f)
				continue
			}
			if last != nil && !yield(last, nil) {
				return
			}
			last = f
		}
		if last != nil {
			yield(last, nil)
		}
	}
}

// mediaIDs yields the IDs of the media that count.
func (d *Draft) mediaIDs() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for f, err := range d.merged() {
			switch {
			case err != nil:
				yield("", err)
				return
			case f.mediaID == "":
				return
			case f.uncounted:
			case !yield(f.mediaID, nil):
				return
			}
		}
	}
}

// settle ranks all media, and yields each finding with its final verdict.
func (d *Draft) settle(p *policy.Policy) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		d.ranker = retention.NewRanker(p)
		for f, err := range d.merged() {
			if err != nil {
				yield(nil, err)
				return
			}
			d.ranker.Add(f.rank)
		}
		for f, err := range d.settled() {
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// settled yields the findings of a draft that has been ranked.
func (d *Draft) settled() iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		for f, err := range d.merged() {
			if err == nil && f.verdict == retention.Expired && d.ranker.IsLatest(f.rank) {
				f.verdict = retention.Keep
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Lines yields what has expired in the order of the MediaIds, as often as it is asked.
func (d *Draft) Lines() iter.Seq2[plan.Line, error] {
	return func(yield func(plan.Line, error) bool) {
		for f, err := range d.settled() {
			if err != nil {
				yield(plan.Line{}, err)
				return
			}
			if f.verdict != retention.Expired || f.uncounted {
				continue
			}
			l := plan.Line{MediaID: f.mediaID, Rule: f.rule, State: f.state, Created: f.created, ReadAt: f.readAt,
				Outranked: len(f.rank.Groups) > 0 && f.readAt != plan.Unread, Text: f.line}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// count counts a finding in a report.
func (f *finding) count(in *report.Report) {
	switch {
	case f.uncounted:
	case f.mediaID == "":
		in.Counts.ObjectsWithoutMedia++
	default:
		in.Counts.Looked++
		in.Count(f.verdict, f.rule, 1)
	}
}
