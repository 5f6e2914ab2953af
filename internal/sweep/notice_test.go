package sweep

import (
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/announce"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

var noticeNow = time.Date(2026, time.June, 30, 2, 0, 0, 0, time.UTC)

// noticed returns a sweep of the inventory by a policy with a notice of seven days.
func noticed(t *testing.T) *run {
	t.Helper()
	p, err := policy.Parse("p", []byte("version: 1\nmode: enforce\nnotice: 7d\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: all, after: 1d}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := report.New("r", trigger.Timer, p, noticeNow)
	r.Mode = policy.Enforce
	s := &Sweep{Policy: p, Cloud: scan.Cloud{Region: "cn-shanghai"}, Store: state.Folder(t.TempDir()), Marks: journal.NewMarks(), Now: func() time.Time { return noticeNow }, Log: slog.New(slog.DiscardHandler)}
	return &run{Sweep: s, request: &trigger.Request{Trigger: trigger.Timer, Inventory: true}, report: r}
}

// announced returns the announcements of the latest generation.
func (r *run) announced(t *testing.T) *announce.Reader {
	t.Helper()
	a, err := r.openAnnouncements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// announce writes a generation.
func (r *run) announce(t *testing.T, list ...announce.Entry) {
	t.Helper()
	next := r.announced(t).Update()
	for _, one := range list {
		if err := next.Keep(t.Context(), one, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.Commit(t.Context(), noticeNow); err != nil {
		t.Fatal(err)
	}
}

// latest returns the only announcement of the latest generation, or none.
func (r *run) latest(t *testing.T) (latest announce.Entry) {
	t.Helper()
	for one, err := range r.announced(t).Rest(t.Context()) {
		if err != nil || latest.MediaID != "" {
			t.Fatal(one, err)
		}
		latest = one
	}
	return latest
}

// A medium is due if it was announced at least the notice ago. A time ahead counts from now on.
func TestWhenAnAnnouncementIsDue(t *testing.T) {
	line, err := plan.LineOf(plan.Entry{MediaID: "m", Rule: "all", Record: []byte(`{"MediaId":"m"}`)}, noticeNow, noticeNow)
	if err != nil {
		t.Fatal(err)
	}
	now, week := noticeNow.Unix(), int64(7*24*3600)
	for name, test := range map[string]struct {
		at   int64
		due  bool
		next int64
		of   uint64 // the difference to the digest of the record
	}{
		"seven days ago":     {now - week, true, now - week, 0},
		"of another record":  {now - week, false, now, 1},
		"a second less":      {now - week + 1, false, now - week + 1, 0},
		"now":                {now, false, now, 0},
		"in a second":        {now + 1, false, now, 0},
		"in a year":          {now + 52*week, false, now, 0},
		"at the end of time": {math.MaxInt64, false, now, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := noticed(t)
			r.announce(t, announce.Entry{MediaID: "m", Digest: plan.LineDigest(line.Text) + test.of, At: test.at})
			n, err := r.split(t.Context(), &scan.Found{}, &announce.Reader{}) // of nothing
			if err != nil {
				t.Fatal(err)
			}
			n.announced = r.announced(t)
			n.update = n.announced.Update()
			days := newCalendar(n.policy)
			if err := n.decide(t.Context(), line, days); err != nil {
				t.Fatal(err)
			}
			if err := n.record(t.Context(), r.Now()); err != nil {
				t.Fatal(err)
			}
			if due := n.due[0]; due != test.due || days.media == 1 == due {
				t.Errorf("due: %v, %d announced", due, days.media)
			}
			if got := r.latest(t).At; got != test.next {
				t.Errorf("the next generation has it announced at %d, want %d (now is %d)", got, test.next, now)
			}
		})
	}
}

// A complete sweep drops the announcement of a medium that it did not see. It keeps that of a lead, for a time.
func TestAnnouncedMediaThatASweepDidNotSee(t *testing.T) {
	day := int64(24 * 3600)
	for name, test := range map[string]struct {
		lead, missing bool
		age           int64
		kept          bool
		more          int
	}{
		"a complete sweep":          {age: day},
		"some could not be read":    {missing: true, age: day, kept: true},
		"a lead":                    {lead: true, age: day, kept: true},
		"a lead that is due":        {lead: true, age: 30 * day, kept: true},
		"a lead for the last time":  {lead: true, age: 38 * day, kept: true},
		"a lead that is long due":   {lead: true, age: 38*day + 1},
		"all of several":            {missing: true, age: day, kept: true, more: 3},
		"long due, and some unread": {missing: true, age: 39 * day},
	} {
		t.Run(name, func(t *testing.T) {
			r := noticed(t)
			list := []announce.Entry{{MediaID: "m", Digest: 1, At: noticeNow.Unix() - test.age, Lead: test.lead}}
			for i := range test.more {
				list = append(list, announce.Entry{MediaID: fmt.Sprint("m", i), Digest: 1, At: noticeNow.Unix() - test.age})
			}
			r.announce(t, list...)
			found := &scan.Found{}
			found.Missing = test.missing
			n, err := r.split(t.Context(), found, r.announced(t))
			if err == nil {
				err = n.record(t.Context(), r.Now())
			}
			kept := 0
			for _, err := range r.announced(t).Rest(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				kept++
			}
			if want := map[bool]int{true: 1 + test.more}[test.kept]; err != nil || kept != want {
				t.Errorf("%d are kept, want %d; %v", kept, want, err)
			}
		})
	}
}
