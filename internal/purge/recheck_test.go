package purge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
)

var errForbidden = errors.New("OSS: Forbidden")

// Media that were decided on too long ago are read and decided on once more. What has not
// expired by the record in the plan is not sent.
func TestStaleDecisions(t *testing.T) {
	const id = "m000"
	published := func(key string, days int, tags ...string) media.Medium {
		return testMedium(id, key, media.StatePublished, days, tags...)
	}
	newest := func(l *library) {
		for _, other := range []string{"n1", "n2"} {
			l.media[other] = testMedium(other, "series/a/"+other, media.StatePublished, 1)
		}
	}
	unverified := func(id string) func(*media.Medium) retention.Mark {
		return func(m *media.Medium) (mark retention.Mark) {
			if m.ID == id {
				mark = retention.Mark{Kind: retention.Unverified, Until: asOf.AddDate(0, 0, -1)}
			}
			return mark
		}
	}
	for name, test := range map[string]struct {
		planned media.Medium
		rule    string
		change  func(l *library, p *Purger)
		origin  origin
		became  journal.Became // empty for one that stays
		verdict retention.Verdict
		cause   error
		sent    bool
	}{
		"unchanged":                         {planned: published("a", 400), became: journal.Deleted, sent: true},
		"held":                              {planned: published("a", 400), change: func(l *library, _ *Purger) { l.media[id] = published("a", 400, "legal-hold") }, verdict: retention.Protected},
		"young":                             {planned: published("a", 400), change: func(l *library, _ *Purger) { l.media[id] = published("a", 3) }, verdict: retention.Keep},
		"a changed record that has expired": {planned: published("a", 400), change: func(l *library, _ *Purger) { l.media[id] = published("a", 401) }, verdict: retention.Keep},
		"the same record, its keys in another order": {planned: published("a", 400), became: journal.Deleted, sent: true, change: func(l *library, _ *Purger) {
			m := published("a", 400)
			tags := `"Tags":{"Tag":[]}`
			record := strings.Replace(string(m.Record), ","+tags, "", 1)
			m, _ = media.Parse(json.RawMessage("{" + tags + "," + record[1:]))
			l.media[id] = m
		}},
		"in doubt": {planned: published("a", 400), verdict: retention.Unknown, change: func(l *library, _ *Purger) {
			m := published("a", 400)
			m.State, m.Doubt = "", "MPS returned it twice with different records"
			l.media[id] = m
		}},
		"shown as Deleted":   {planned: published("a", 400), change: func(l *library, _ *Purger) { l.show(id, media.StateDeleted) }, verdict: retention.Absent},
		"shown as Initiated": {planned: published("a", 400), change: func(l *library, _ *Purger) { l.media[id] = testMedium(id, "a", media.StateInitiated, 400) }, verdict: retention.Keep},
		"shown as Initiated, interrupted": {planned: published("a", 400), became: journal.Gone, change: func(l *library, p *Purger) {
			p.Interrupted = true
			l.media[id] = testMedium(id, "a", media.StateInitiated, 400)
		}},
		"shown as Deleted, interrupted": {planned: published("a", 400), became: journal.Gone, change: func(l *library, p *Purger) {
			p.Interrupted = true
			l.show(id, media.StateDeleted)
		}},
		"shown as Deleted in doubt, interrupted": {planned: published("a", 400), verdict: retention.Unknown, change: func(l *library, p *Purger) {
			p.Interrupted = true
			m := published("a", 400)
			m.State, m.Doubt = media.StateDeleted, "MPS returned it twice with different records"
			l.media[id] = m
		}},
		"planned as Initiated, interrupted": {planned: testMedium(id, "a", media.StateInitiated, 400), became: journal.Deleted, sent: true, change: func(_ *library, p *Purger) { p.Interrupted = true }},
		"vanished":                          {planned: published("a", 400), became: journal.Gone, change: func(l *library, _ *Purger) { delete(l.media, id) }},
		"not named":                         {planned: published("a", 400), origin: origin{unnamed: []string{id}}, verdict: retention.Keep},
		"restored meanwhile": {planned: published("a", 400), verdict: retention.Keep, change: func(_ *library, p *Purger) {
			p.Judge.Mark = func(*media.Medium) retention.Mark {
				return retention.Mark{Kind: retention.Restored, Until: asOf.AddDate(0, 1, 0)}
			}
		}},
		"cannot be read": {planned: published("a", 400), became: journal.Failed, cause: errDenied, change: func(l *library, _ *Purger) {
			l.onRead = func(probe bool, _ []string) error {
				if probe {
					return nil
				}
				return errDenied
			}
		}},
		"an orphan":                         {planned: published("orphans/a", 3), rule: "orphans", became: journal.Deleted, sent: true, change: func(l *library, _ *Purger) { l.exists = func(media.Object) (bool, error) { return false, nil } }},
		"an orphan that has a source again": {planned: published("orphans/a", 3), rule: "orphans", verdict: retention.Keep},
		"an orphan of which nobody knows": {planned: published("orphans/a", 3), rule: "orphans", verdict: retention.Keep, cause: errForbidden, change: func(l *library, _ *Purger) {
			l.exists = func(media.Object) (bool, error) { return false, errForbidden }
		}},
		"an old orphan of which nobody knows": {planned: published("orphans/a", 400), rule: "orphans", verdict: retention.Keep, cause: errForbidden, change: func(l *library, _ *Purger) {
			l.exists = func(media.Object) (bool, error) { return false, errForbidden }
		}},
		"outranked": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, became: journal.Deleted, sent: true, change: func(l *library, _ *Purger) { newest(l) }},
		"outranked, and unverified for long": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, became: journal.Deleted, sent: true, change: func(l *library, p *Purger) {
			newest(l)
			p.Judge.Mark = unverified(id)
		}},
		"outranked by one that is unverified": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, verdict: retention.Keep, change: func(l *library, p *Purger) {
			newest(l)
			p.Judge.Mark = unverified("n1")
		}},
		"outranked by nothing":       {planned: published("series/a/x", 90), rule: "series", verdict: retention.Keep},
		"outranked by one that went": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, verdict: retention.Keep, change: func(l *library, _ *Purger) { newest(l); delete(l.media, "n1") }},
		"outranked by one not named": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}, unnamed: []string{"n2"}}, verdict: retention.Keep, change: func(l *library, _ *Purger) { newest(l) }},
		"outranked by itself":        {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{id, id, "n1"}}, verdict: retention.Keep, change: func(l *library, _ *Purger) { newest(l) }},
		"outranked by other folders": {planned: published("series/b/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, verdict: retention.Keep, change: func(l *library, _ *Purger) { newest(l) }},
		"outranked by what is unread": {planned: published("series/a/x", 90), rule: "series", origin: origin{newest: []string{"n1", "n2"}}, verdict: retention.Keep, change: func(l *library, _ *Purger) {
			newest(l)
			l.onRead = func(_ bool, ids []string) error {
				if slices.Contains(ids, "n1") {
					return errDenied
				}
				return nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t)
				l.media[id] = test.planned
				p := l.purger(asOf, test.origin)
				if test.rule == "" {
					test.rule = "rest"
				}
				line := lineOf(test.planned, test.rule, time.Unix(plan.Unread, 0))
				if test.change != nil {
					test.change(l, p)
				}
				got, err := l.purge(t.Context(), t.Context(), p, []plan.Line{line})
				o, ok := got[id]
				if err != nil || !ok || o.Became != test.became || !errors.Is(o.Cause, test.cause) || (len(l.sent) > 0) != test.sent {
					t.Fatalf("%q because of %v, sent %v, %v; want %q because of %v", o.Became, o.Cause, l.sent, err, test.became, test.cause)
				}
				if permits := strings.Count(fmt.Sprint(l.asked), string(mps.DeleteMedia)); permits > len(l.sent) {
					t.Errorf("%d permits for %d deletions", permits, len(l.sent))
				}
				if o.Became == "" && o.Now.Verdict != test.verdict {
					t.Errorf("it stays as %s, want %s", o.Now.Verdict, test.verdict)
				}
			})
		})
	}
}

// A decision that becomes too old while its batch waits for a permit is made again.
func TestABatchThatWaitsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(10)
		first := true
		l.permits = func() error {
			if first {
				first = false
				time.Sleep(maxAge + time.Second)
				l.media["m003"] = testMedium("m003", "m003", media.StatePublished, 400, "legal-hold")
			}
			return nil
		}
		got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
		if err != nil || len(l.sent) != 1 || slices.Contains(l.sent[0], "m003") || len(l.sent[0]) != 9 || got["m003"].Now.Verdict != retention.Protected {
			t.Errorf("sent %v, %+v, %v", l.sent, got["m003"], err)
		}
	})
}

// Media with a stale decision are read again, ten a call. Others are not.
func TestOnlyStaleMediaAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(40)
		for i := range lines {
			if lines[i].ReadAt -= int64(time.Hour / time.Second); i%4 == 1 {
				lines[i].ReadAt--
			}
		}
		var read [][]string
		l.onRead = func(probe bool, ids []string) error {
			if !probe {
				read = append(read, slices.Clone(ids))
			}
			return nil
		}
		got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
		if err != nil || len(got) != 40 || len(read) != 1 || len(read[0]) != 10 || read[0][0] != "m001" || read[0][9] != "m037" {
			t.Errorf("%d outcomes, read again %v, %v", len(got), read, err)
		}
	})
}

// A purge that only accounts finds out which media are gone, although they were read just now, and which cannot be read. It
// decides nothing, and sends nothing.
func TestAccountOnly(t *testing.T) {
	l := newLibrary(t)
	lines := l.fill(30)
	delete(l.media, "m001")
	l.show("m002", media.StateDeleted)
	l.show("m003", media.StateInitiated)
	l.media["m004"] = testMedium("m004", "m004", media.StatePublished, 400, "legal-hold")
	l.onRead = func(_ bool, ids []string) error {
		if slices.Contains(ids, "m011") {
			return errLost
		}
		return nil
	}
	p := l.purger(asOf, origin{unnamed: []string{"m005"}})
	p.Interrupted, p.FindOnly = true, true
	got, err := l.purge(t.Context(), t.Context(), p, lines)
	if want := (became{"gone": 3, "failed": 10, "pending": 17}); err != nil || !maps.Equal(got.count(30), want) || len(l.sent) > 0 || !got["m011"].Unread {
		t.Errorf("%v, sent %v, %v", got.count(30), l.sent, err)
	}
}

// An empty batch is not sent, and does not delay the last one.
func TestNothingOfABatchIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		lines := l.fill(13)
		for i := range 10 {
			lines[i].ReadAt = plan.Unread
			delete(l.media, lines[i].MediaID)
		}
		got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
		if want := (became{"gone": 10, "deleted": 3}); err != nil || !maps.Equal(got.count(13), want) || len(l.sent) != 1 {
			t.Errorf("%v, %d calls, %v", got.count(13), len(l.sent), err)
		}
	})
}

// Media that cannot be read again in time stay pending. Others have failed.
func TestMediaThatCannotBeReadAgain(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want became
	}{
		"the time is up":  {&mps.Error{Kind: mps.Ambiguous, Cause: context.DeadlineExceeded}, became{"pending": 10}},
		"no answer":       {&mps.Error{Kind: mps.Ambiguous, Message: "no answer"}, became{"failed": 10}},
		"one is rejected": {nil, became{"failed": 1, "deleted": 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			lines := l.fill(10)
			for i := range lines {
				lines[i].ReadAt = plan.Unread
			}
			l.onRead = func(_ bool, ids []string) error {
				if test.err == nil && slices.Contains(ids, "m004") {
					return errRejected
				}
				return test.err
			}
			got, err := l.purge(t.Context(), t.Context(), l.purger(asOf, origin{}), lines)
			if err != nil || !maps.Equal(got.count(10), test.want) {
				t.Errorf("%s: %v, %v, sent %v", name, got.count(10), err, l.sent)
			}
			if mayBeRead := got["m004"].Unread; mayBeRead != (name == "no answer") {
				t.Errorf("%s: a later run may read it: %v", name, mayBeRead)
			}
		})
	}
}
