package scan

import (
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Draft holds the findings of a scan, sorted by MediaId, so that each medium counts once and
// contradictions are found. It needs a constant amount of memory. The zero value is empty. It is
// not safe for concurrent use.
type Draft struct {
	findings extsort.Sorter
	ranker   *retention.Ranker
	// resumed says that some findings come from a checkpoint. These are hints: a medium that
	// they may outrank is read again with the newest of its groups.
	resumed bool
}

// add adds a finding. Its error is extsort.ErrFile.
func (d *Draft) add(key string, encoded []byte) error { return d.findings.Add(key, encoded) }

// Close frees the memory and the temporary file.
func (d *Draft) Close() { d.findings.Close() }

// merged yields one finding for each medium and for each object without a medium.
func (d *Draft) merged() iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		var last *finding
		var lastKey string
		for record, err := range d.findings.All() {
			var f *finding
			if err == nil {
				f, err = decode(record.Name, record.Rest)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if last != nil && lastKey == record.Name {
				last.merge(f)
				continue
			}
			if last != nil && !yield(last, nil) {
				return
			}
			last, lastKey = f, record.Name
		}
		if last != nil {
			yield(last, nil)
		}
	}
}

// findings yields the merged findings. It fails the scan if they cannot be read.
func (c *scan) findings() iter.Seq[*finding] {
	return func(yield func(*finding) bool) {
		for f, err := range c.Draft.merged() {
			if err != nil {
				c.fail(err)
				return
			}
			if !yield(f) {
				return
			}
		}
	}
}

// found yields the IDs of all media that candidates named, with the names of these.
func (d *Draft) found() iter.Seq2[extsort.Record, error] {
	return func(yield func(extsort.Record, error) bool) {
		for f, err := range d.merged() {
			switch {
			case err != nil:
				yield(extsort.Record{}, err)
				return
			case f.mediaID == "":
				return
			case f.isStray():
			case !yield(extsort.Record{Name: f.mediaID, Rest: []byte(f.name)}, nil):
				return
			}
		}
	}
}

func (d *Draft) rank(p *policy.Policy, asOf time.Time) error {
	d.ranker = retention.NewRanker(p, asOf)
	if !p.KeepsLatest() {
		return nil
	}
	for f, err := range d.merged() {
		if err != nil {
			return err
		}
		d.ranker.Add(f.mediaID, f.rank)
	}
	return nil
}

// ranked yields the findings of a ranked draft with their final verdicts.
func (d *Draft) ranked() iter.Seq2[*finding, error] {
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

// Lines yields the expired media in the order of their MediaIds. It may be called several times.
func (d *Draft) Lines() iter.Seq2[plan.Line, error] {
	return func(yield func(plan.Line, error) bool) {
		for l, err := range d.Media(true) {
			if (err != nil || l.Text != nil) && !yield(l, err) {
				return
			}
		}
	}
}

// Media yields all media in the order of their MediaIds. Only lines of expired media have a text. latest is false for a scan that
// may have seen too few of a group: then media are left out that would have expired without it.
func (d *Draft) Media(latest bool) iter.Seq2[plan.Line, error] {
	return func(yield func(plan.Line, error) bool) {
		for f, err := range d.ranked() {
			if err != nil {
				yield(plan.Line{}, err)
				return
			}
			if f.mediaID == "" {
				return // objects without a medium come last
			}
			hasExpired := f.verdict == retention.Expired
			if f.uncounted || !latest && !hasExpired && len(f.line.Text) > 0 {
				continue
			}
			l := plan.Line{MediaID: f.mediaID}
			if hasExpired {
				l = d.lineOf(f)
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (d *Draft) lineOf(f *finding) plan.Line {
	l := f.line
	l.MediaID, l.Rule, l.Outranked = f.mediaID, f.rule, len(f.rank.Groups) > 0 && l.ReadAt != plan.Unread
	if d.resumed && l.Outranked {
		l.ReadAt, l.Outranked = plan.Unread, false
	}
	return l
}
