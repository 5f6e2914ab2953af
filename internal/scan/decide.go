package scan

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/text"
)

type decider struct {
	policy   *policy.Policy
	asOf     time.Time
	mark     func(*media.Medium) retention.Mark
	now      func() time.Time
	surveys  bool // it decides nothing, and needs none of these
	ranks    bool // the media only rank others
	indexes  bool // findings need the time of the next look-up
	upcoming *upcoming
}

func (c *scan) newDecider() decider {
	return decider{policy: c.Policy, asOf: c.Head.AsOf, mark: c.Mark, now: c.Now, indexes: c.skips.finds != nil}
}

// decide decides on a medium. The source object of an orphan is gone. reason says why a medium is kept as unknown. If a list
// contradicts the medium, or the medium does not fit into a plan, it does not expire, and err says why.
func (d *decider) decide(of lookup.Found) (f *finding, reason string, err error) {
	f, err = findingOf(of), checkBeside(of)
	if d.surveys {
		f.survey(&of.Medium, err != nil)
		return f, "", err
	}
	f.uncounted = d.ranks
	m := &of.Medium
	facts := retention.Facts{AsOf: d.asOf, NotLatest: true, Mark: d.mark(m)}
	facts.Mark.SourceRemoved = of.Candidate.Orphan
	c := retention.NewCase(d.policy, m)
	decision := c.Decide(facts)
	var l plan.Line
	if err == nil && decision.Verdict == retention.Expired {
		entry := plan.Entry{MediaID: m.ID, Rule: decision.RuleName(), Reason: decision.Reason(), ExpiresAt: decision.ExpiresAt, State: m.State, Record: m.Record}
		l, err = plan.LineOf(entry, m.Created, d.now())
	}
	if err != nil && decision.Verdict != retention.Absent {
		f.verdict = retention.Unknown // it ranks no others, is not due, and is looked up again
		return f, err.Error(), err
	}
	if decision.Verdict == retention.Unknown {
		reason = decision.Reason()
	}
	f.verdict, f.rule, f.rank, f.line = decision.Verdict, decision.RuleName(), d.rankOf(c, facts), l
	f.due = d.dueOf(c, facts, decision.Verdict)
	isForeign := of.Candidate.Lead && !of.Candidate.Named // no later sweep may look at it
	f.rank.Leaving = f.rank.Leaving || isForeign
	if d.upcoming != nil && !isForeign {
		if due, _, ok := c.Due(facts); ok {
			f.expires = due.Unix()
		}
	}
	return f, reason, err
}

// findingOf returns the finding of a medium before a decision. The digest covers the doubt: a
// record in doubt contradicts the same record without doubt.
func findingOf(of lookup.Found) *finding {
	m := &of.Medium
	digest := sha256.Sum256(append(m.Record[:len(m.Record):len(m.Record)], m.Doubt...))
	f := &finding{mediaID: m.ID, name: of.Candidate.Name(), modified: of.Candidate.Modified, digest: binary.LittleEndian.Uint64(digest[:])}
	if media.CheckID(m.ID) != nil { // two such records are not of one medium
		f.mediaID = fmt.Sprintf("\x00%x", f.digest)
	}
	return f
}

// checkBeside returns an error if a list names another object beside the ID of a medium.
func checkBeside(of lookup.Found) error {
	object := of.Medium.Object
	if !of.Candidate.Contradicts(object) {
		return nil
	}
	has := "none"
	if !object.IsZero() {
		has = text.Quote(object.String())
	}
	return errors.New("a manifest names another object beside this media ID than MPS, which has " + has + ": the row is not used")
}

// youth is the age up to which an object without a medium may soon get one.
const youth = 24 * time.Hour

// dueWithoutMedium returns when an object without a medium is looked up again.
func dueWithoutMedium(candidate inventory.Candidate, asOf time.Time) int64 {
	if candidate.Modified == 0 || asOf.Unix()-candidate.Modified < int64(youth.Seconds()) {
		return 0
	}
	return index.Never
}

// dueOf returns when a medium is looked up again, for the index.
func (d *decider) dueOf(c *retention.Case, facts retention.Facts, verdict retention.Verdict) int64 {
	if !d.indexes {
		return 0
	}
	if facts.Mark.Hold != nil || facts.Mark.MayHold != nil { // a release is no reason to look, so that a hold must not count
		facts.Mark = facts.Mark.Unheld()
		verdict = c.Decide(facts).Verdict
	}
	isRanked := c.Rank(facts.WhenKnown(c.Medium)).Rule != "" // one with a future CreationTime is ranked from then on
	switch due, _, ok := c.Due(facts); {
	case verdict == retention.Unknown: // the record may be complete the next time
		return 0
	case isRanked, facts.Mark.Kind == retention.Unverified, facts.Mark.Kind == retention.Restored:
		return 0 // its verdict depends on others, or on a hold that ends
	case ok:
		return due.Unix()
	}
	return index.Never
}
