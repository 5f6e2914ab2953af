package scan

import (
	"cmp"
	"context"
	"errors"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
)

func (c *scan) receive(results []checked) {
	for _, one := range results {
		if one.Err != nil {
			c.missed(one.Candidates, one.Err)
			continue
		}
		c.answered(one)
	}
	c.maybeCheckpoint()
}

func (c *scan) answered(one checked) {
	answer := one.Answer
	for _, found := range answer.Found {
		if found.Candidate.MediaID != "" && c.sources.mayName(found.Medium.Object) {
			if err := c.skips.rediscover(&found.Medium); err != nil {
				c.fail(err)
			}
		}
		c.decide(found, &one)
	}
	if one.isOdd() {
		for i := range answer.Again {
			answer.Again[i].Modified = 0 // the index knows no object of unknown time
		}
	}
	if !c.decider.ranks { // what was not found outranks nothing
		c.addUnfound(&one)
	}
	c.again = append(c.again, answer.Again...)
	c.checkpoints.account(one.Candidates, answer.Again)
	c.Progress(c.checkpoints.accounted)
}

// isOdd reports whether an answer has media that nobody asked for. No scan may skip its candidates: it would not see what such a
// medium contradicts.
func (one *checked) isOdd() bool { return len(one.Answer.Strays)+len(one.Answer.Unasked) > 0 }

// due returns when a candidate is looked up again.
func (one *checked) due(usually int64) int64 {
	if one.isOdd() {
		return 0
	}
	return usually
}

// addUnfound adds what an answer says beside the media that it found.
func (c *scan) addUnfound(one *checked) {
	answer := &one.Answer
	for _, absent := range answer.Absent {
		c.add(&finding{mediaID: absent.MediaID, name: absent.Name(), modified: absent.Modified, verdict: retention.Absent, due: one.due(index.Never)})
	}
	for _, vacant := range answer.Vacant {
		c.add(&finding{name: vacant.Name(), modified: vacant.Modified, due: one.due(dueWithoutMedium(vacant, c.Head.AsOf))})
		c.sources.literals.miss(vacant.Object)
	}
	for _, m := range answer.Strays {
		c.add(strayOf(m))
		c.warnUnknown(m.ID, "its File.URL is none of the objects that MPS returned it for")
	}
	for _, m := range answer.Unasked {
		f := strayOf(m)
		f.uncounted = true
		c.add(f)
	}
}

// missed accounts for candidates that could not be looked up. It fails the scan if no other
// look-up can succeed.
func (c *scan) missed(candidates []inventory.Candidate, err error) {
	if deadline.Passed(err) {
		c.stop(cmp.Or(context.Cause(c.admit), err))
		return // they stay pending
	}
	_, panicked := errors.AsType[*task.Panic](err)
	if panicked || mps.Is(err, mps.Unauthorized) || mps.Is(err, mps.Ambiguous) && !c.Library.Answered() {
		c.fail(err)
	}
	failure := report.Failure{Code: mps.CodeOf(err), Message: err.Error()}
	for _, candidate := range candidates {
		failure.MediaID, failure.Object = candidate.MediaID, ""
		if candidate.MediaID == "" {
			failure.Object = candidate.Object.String()
		}
		c.miss(failure)
	}
	c.checkpoints.account(candidates, nil)
}

// decide decides on a medium that was found. What it cannot decide is missing, or kept as unknown. A medium that stays because
// its source object could not be checked is missing: an announcement of an orphan must not end by that.
func (c *scan) decide(of lookup.Found, one *checked) {
	f, reason, err := c.decider.decide(of)
	f.due = one.due(f.due)
	if err != nil {
		c.miss(report.Failure{MediaID: of.Medium.ID, Message: err.Error()})
	}
	if unchecked := one.unchecked[of.Medium.ID]; unchecked != nil {
		c.miss(report.Failure{Object: of.Medium.Object.String(), Message: unchecked.Error()})
		if f.verdict == retention.Keep {
			return
		}
	}
	if reason != "" {
		c.warnUnknown(of.Medium.ID, reason)
	}
	c.add(f)
}

// add adds a finding to the draft and to the next checkpoint.
func (c *scan) add(f *finding) {
	key, encoded := f.key(), f.encode()
	if err := c.Draft.add(key, encoded); err != nil {
		c.fail(err)
		return
	}
	c.checkpoints.series.Add(key, encoded)
}

// strayOf returns the finding of a medium that nobody asked for. It contradicts an answer that has another record of
// the medium.
func strayOf(m media.Medium) *finding {
	f := findingOf(lookup.Found{Medium: m})
	f.name, f.verdict = "", retention.Unknown
	return f
}
