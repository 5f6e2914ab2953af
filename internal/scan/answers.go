package scan

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// receive handles the results of a batch.
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
		if err := one.unchecked[found.Medium.Object]; err != nil {
			c.Missing = true
			c.listFailure(report.Failure{Object: found.Medium.Object.String(), Message: err.Error()})
		}
		if found.Candidate.MediaID != "" && c.sources.names(found.Medium.Object) {
			c.rediscover(&found.Medium)
		}
		c.take(found, one.gone[found.Medium.Object])
	}
	for _, absent := range answer.Absent {
		c.add(&finding{mediaID: absent.MediaID, name: absent.Name(), modified: absent.Modified, verdict: retention.Absent, due: index.Never})
	}
	for _, vacant := range answer.Vacant {
		f := &finding{name: vacant.Name(), modified: vacant.Modified, due: c.dueWithoutMedium(vacant)}
		if len(answer.Strays) > 0 {
			f.due = 0
		}
		c.add(f)
		c.literals.miss(vacant.Object)
	}
	for i := range answer.Strays {
		c.addStray(&answer.Strays[i])
	}
	for i := range answer.Unasked {
		c.addUnasked(&answer.Unasked[i])
	}
	c.again = append(c.again, answer.Again...)
	c.cursor.account(one.Candidates, answer.Again)
	c.progress(c.cursor.accounted)
}

// missed accounts for candidates that could not be looked up. It fails the scan if no other
// look-up can succeed.
func (c *scan) missed(candidates []inventory.Candidate, err error) {
	if deadline.Passed(err) {
		c.stop(cmp.Or(context.Cause(c.admit), err))
		return // they stay pending
	}
	var failed *mps.Error
	if errors.As(err, &failed) && (failed.Kind == mps.Unauthorized || failed.Kind == mps.Ambiguous && !c.Library.Answered()) || isPanic(err) {
		c.fail(err)
	}
	c.Missing = true
	failure := report.Failure{Code: mps.CodeOf(err), Message: err.Error()}
	for _, candidate := range candidates {
		failure.MediaID, failure.Object = candidate.MediaID, ""
		if candidate.MediaID == "" {
			failure.Object = candidate.Object.String()
		}
		c.listFailure(failure)
	}
	c.cursor.account(candidates, nil)
}

func isPanic(err error) bool {
	var mistake *task.Panic
	return errors.As(err, &mistake)
}

// add adds a finding to the draft and to the next checkpoint.
func (c *scan) add(f *finding) {
	key, encoded := f.key(), f.encode()
	if err := c.Draft.add(key, encoded); err != nil {
		c.fail(err)
		return
	}
	c.checkpoint.add(key, encoded)
}

// findingOf returns the finding of a medium before a decision. The digest covers the doubt: a
// record in doubt contradicts the same record without doubt.
func findingOf(of lookup.Found) *finding {
	m := &of.Medium
	digest := sha256.Sum256(slices.Concat(m.Record, []byte(m.Doubt)))
	f := &finding{mediaID: m.ID, name: of.Candidate.Name(), modified: of.Candidate.Modified, state: m.State, digest: binary.LittleEndian.Uint64(digest[:])}
	if media.CheckID(m.ID) != nil { // two such records are not of one medium
		f.mediaID = fmt.Sprintf("\x00%x", f.digest)
	}
	if !m.Created.IsZero() {
		f.created = m.Created.Unix()
	}
	return f
}

// decide decides on a medium. A medium that does not fit into a plan is unknown.
func (c *scan) decide(of lookup.Found, gone bool) *finding {
	f, m := findingOf(of), &of.Medium
	facts := retention.Facts{AsOf: c.report.AsOf, ReadAt: c.Now(), SourceRemoved: gone, NotLatest: true, Mark: c.Mark(m)}
	d := retention.Decide(c.Policy, m, facts)
	f.readAt = facts.ReadAt.Unix()
	if c.contradicts(of) && (d.Verdict == retention.Expired || d.Verdict == retention.Keep) {
		d = retention.Decision{Verdict: retention.Unknown}
	}
	if d.Verdict == retention.Expired {
		l, err := plan.LineOf(plan.Entry{MediaID: m.ID, Rule: d.RuleName(), Reason: d.Reason(), ExpiresAt: d.ExpiresAt, State: m.State, Record: m.Record}, m.Created, facts.ReadAt)
		if err != nil {
			c.Missing = true
			c.listFailure(report.Failure{MediaID: m.ID, Message: err.Error()})
			d = retention.Decision{Verdict: retention.Unknown}
		}
		f.line = l.Text
	}
	f.verdict, f.rule, f.rank = d.Verdict, d.RuleName(), c.rankOf(m, facts)
	f.due, f.expires = c.dueOf(m, facts, d.Verdict), c.expiryOf(m, facts)
	if of.Candidate.Lead {
		f.expires = 0 // the inventory may not name it
	}
	if d.Verdict == retention.Unknown {
		c.warnUnknown(m.ID, d.Reason())
	}
	return f
}

// contradicts reports whether a list names another object beside the ID of a medium. It adds the failure to the report.
func (c *scan) contradicts(of lookup.Found) bool {
	object := of.Medium.Object
	if !of.Candidate.Contradicts(object) {
		return false
	}
	has := "none"
	if !object.IsZero() {
		has = text.Quote(object.String())
	}
	c.Missing = true
	c.listFailure(report.Failure{MediaID: of.Medium.ID, Message: "a manifest names another object beside this media ID than MPS, which has " + has + ": the row is not used"})
	return true
}

// addStray adds a medium that MPS returned and whose object was not asked for.
func (c *scan) addStray(m *media.Medium) {
	c.add(strayOf(m))
	c.warnUnknown(m.ID, "its File.URL is none of the objects that MPS returned it for")
}

// addUnasked adds a medium that MPS returned and whose ID was not asked for. It is not counted.
// It contradicts an answer that has another record of the medium.
func (c *scan) addUnasked(m *media.Medium) {
	f := strayOf(m)
	f.uncounted = true
	c.add(f)
}

func strayOf(m *media.Medium) *finding {
	f := findingOf(lookup.Found{Medium: *m})
	f.name, f.verdict = "", retention.Unknown
	return f
}

// maxUnknownLines bounds the log lines about media that are kept as unknown.
const maxUnknownLines = 100

func (c *scan) warnUnknown(id, reason string) {
	if c.unknown++; c.unknown <= maxUnknownLines {
		c.Log.Warn("kept as unknown", "mediaId", text.Bound(id), "reason", reason)
	}
}
