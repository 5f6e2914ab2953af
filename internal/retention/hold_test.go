package retention_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

func holdOf(id, target string, until time.Time) retention.Hold {
	return retention.Hold{ID: id, Target: target, Until: until, Reason: "trial", By: "ops@host", At: asOf.Add(-time.Hour)}
}

func holdsOf(t testing.TB, list ...retention.Hold) *retention.Holds {
	t.Helper()
	holds, err := retention.NewHolds(list)
	if err != nil {
		t.Fatal(err)
	}
	return holds
}

// A hold keeps exactly the media that its target names, until it ends, whatever else the record and
// the policy say; the last to end of several decides.
func TestHolds(t *testing.T) {
	p := parse(t, "version: 1\nprotect: [{name: legal, match: {tags: [legal-hold]}}]\nexpire: [{name: rest, after: 180d}]\n")
	day := 24 * time.Hour
	tests := map[string]struct {
		holds []retention.Hold
		edit  func(*media.Medium)
		want  string
	}{
		"no hold":                    {nil, nil, "expired rest"},
		"by ID":                      {[]retention.Hold{holdOf("1", "id1", time.Time{})}, nil, "protected hold:1"},
		"another ID":                 {[]retention.Hold{holdOf("1", "ID1", time.Time{})}, nil, "expired rest"},
		"by object":                  {[]retention.Hold{holdOf("1", "oss://media-in/a/b.mp4", time.Time{})}, nil, "protected hold:1"},
		"an object above":            {[]retention.Hold{holdOf("1", "oss://media-in/a/b.mp", time.Time{})}, nil, "expired rest"},
		"another bucket":             {[]retention.Hold{holdOf("1", "oss://media-out/**", time.Time{})}, nil, "expired rest"},
		"by a glob":                  {[]retention.Hold{holdOf("1", "oss://media-in/a/**", time.Time{})}, nil, "protected hold:1"},
		"by the whole bucket":        {[]retention.Hold{holdOf("1", "oss://media-in/**", time.Time{})}, nil, "protected hold:1"},
		"by a glob without a start":  {[]retention.Hold{holdOf("1", "oss://media-in/**/b.mp4", time.Time{})}, nil, "protected hold:1"},
		"a star crosses no slash":    {[]retention.Hold{holdOf("1", "oss://media-in/*.mp4", time.Time{})}, nil, "expired rest"},
		"a longer start":             {[]retention.Hold{holdOf("1", "oss://media-in/a/b.mp4/and/more/**", time.Time{})}, nil, "expired rest"},
		"it has ended":               {[]retention.Hold{holdOf("1", "id1", asOf)}, nil, "expired rest"},
		"it ends in a moment":        {[]retention.Hold{holdOf("1", "id1", asOf.Add(1))}, nil, "protected hold:1"},
		"one of two has ended":       {[]retention.Hold{holdOf("1", "id1", asOf.Add(-day)), holdOf("2", "oss://media-in/a/*", asOf.Add(day))}, nil, "protected hold:2"},
		"the longest":                {[]retention.Hold{holdOf("1", "id1", asOf.Add(day)), holdOf("2", "id1", time.Time{}), holdOf("3", "oss://media-in/**", asOf.Add(9*day))}, nil, "protected hold:2"},
		"the first of equal ones":    {[]retention.Hold{holdOf("1", "oss://media-in/a/b.mp4", asOf.Add(day)), holdOf("2", "oss://media-in/a/b.mp4", asOf.Add(day))}, nil, "protected hold:1"},
		"before a protect rule":      {[]retention.Hold{holdOf("1", "id1", time.Time{})}, func(m *media.Medium) { m.Tags = []string{"legal-hold"} }, "protected hold:1"},
		"without a CreationTime":     {[]retention.Hold{holdOf("1", "id1", time.Time{})}, func(m *media.Medium) { m.Created = time.Time{} }, "protected hold:1"},
		"deleted":                    {[]retention.Hold{holdOf("1", "id1", time.Time{})}, func(m *media.Medium) { m.State = media.StateDeleted }, "absent "},
		"in doubt":                   {[]retention.Hold{holdOf("1", "id1", time.Time{})}, func(m *media.Medium) { m.Doubt = "doubt" }, "unknown "},
		"in a list":                  {[]retention.Hold{{ID: "1", Media: []string{"id0", "id1", "id2"}}}, nil, "protected hold:1"},
		"not in a list":              {[]retention.Hold{{ID: "1", Media: []string{"id0", "id2"}}}, nil, "expired rest"},
		"a list, unknown object":     {[]retention.Hold{{ID: "1", Media: []string{"id0"}}}, func(m *media.Medium) { m.Object = media.Object{} }, "expired rest"},
		"an unknown object":          {[]retention.Hold{holdOf("1", "oss://media-in/x/**", time.Time{})}, func(m *media.Medium) { m.Object = media.Object{} }, "unknown hold:1"},
		"an unknown object, tagged":  {[]retention.Hold{holdOf("1", "oss://media-in/x/**", time.Time{})}, func(m *media.Medium) { m.Object, m.Tags = media.Object{}, []string{"legal-hold"} }, "protected legal"},
		"an unknown object, no more": {[]retention.Hold{holdOf("1", "oss://media-in/x/**", asOf)}, func(m *media.Medium) { m.Object = media.Object{} }, "expired rest"},
		"an unknown object, by ID":   {[]retention.Hold{holdOf("1", "id2", time.Time{})}, func(m *media.Medium) { m.Object = media.Object{} }, "expired rest"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := media.Medium{ID: "id1", State: media.StatePublished, Object: media.Object{Bucket: "media-in", Key: "a/b.mp4"}, Created: asOf.AddDate(-1, 0, 0)}
			if test.edit != nil {
				test.edit(&m)
			}
			d := retention.Decide(p, &m, retention.Facts{AsOf: asOf, Mark: holdsOf(t, test.holds...).Mark(&m, retention.Mark{})})
			if got := d.Verdict.String() + " " + d.RuleName(); got != test.want {
				t.Errorf("%s (%s), want %s", got, d.Reason(), test.want)
			}
		})
	}
}

// Random holds and media: the set finds what a look at every hold finds.
func TestHoldsAgainstAModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "a/b", "*", "**", "/", "ab", "*b", "a*", "**/a", "a/**"}
	key := func(stars bool) string {
		var b strings.Builder
		b.WriteString("k")
		for range rng.IntN(4) {
			part := parts[rng.IntN(len(parts))]
			if !stars {
				part = strings.ReplaceAll(part, "*", "c")
			}
			b.WriteString(part)
		}
		return strings.TrimRight(b.String(), "/")
	}
	for range 300 {
		var list []retention.Hold
		for i := range rng.IntN(30) {
			target := fmt.Sprint("id", rng.IntN(20))
			if rng.IntN(3) > 0 {
				target = fmt.Sprintf("oss://bucket%d/%s", rng.IntN(2), key(rng.IntN(2) == 0))
			}
			h := holdOf(fmt.Sprint(i+1), target, asOf.Add(time.Duration(rng.IntN(5))*time.Hour))
			if rng.IntN(4) == 0 {
				h.Until = time.Time{}
			}
			list = append(list, h)
		}
		holds := holdsOf(t, list...)
		for range 30 {
			m := media.Medium{ID: fmt.Sprint("id", rng.IntN(20)), Object: media.Object{Bucket: fmt.Sprint("bucket", rng.IntN(2)), Key: key(false)}}
			at := asOf.Add(time.Duration(rng.IntN(6)-1) * time.Hour)
			want := false
			for _, h := range list {
				id, glob, _ := retention.ParseTarget(h.Target)
				want = want || (id == m.ID || id == "" && glob.Match(&m.Object)) && (h.Until.IsZero() || at.Before(h.Until))
			}
			if _, got := holds.Mark(&m, retention.Mark{}).Held(at); got != want {
				t.Fatalf("medium %s %s as of %s: held %t, want %t by %+v", m.ID, m.Object, at, got, want, list)
			}
		}
	}
}

// What falls due falls due when its last hold ends; never, if that lasts forever.
func TestDueAfterAHold(t *testing.T) {
	p := parse(t, "version: 1\nexpire: [{name: rest, after: 180d}]\n")
	m := media.Medium{ID: "id1", State: media.StatePublished, Object: media.Object{Bucket: "media-in", Key: "a"}, Created: asOf.AddDate(-1, 0, 0)}
	until := asOf.AddDate(0, 0, 9)
	facts := retention.Facts{AsOf: asOf, Mark: holdsOf(t, holdOf("1", "id1", asOf.AddDate(0, 0, 2)), holdOf("2", "id1", until)).Mark(&m, retention.Mark{})}
	if due, then, ok := retention.NewCase(p, &m).Due(facts); !ok || !due.Equal(until) || then.RuleName() != "rest" {
		t.Errorf("due %s by %s, %t: want %s", due, then.RuleName(), ok, until)
	}
	forecast := retention.NewForecast(p, asOf, 30, func(*media.Medium) retention.Mark { return facts.Mark })
	addAll(forecast, []media.Medium{m})
	if forecast.Days[9].Media != 1 || forecast.Total.Media != 1 {
		t.Errorf("the forecast has %+v", forecast.Total)
	}
	facts.Mark = holdsOf(t, holdOf("1", "oss://media-in/*", time.Time{})).Mark(&m, retention.Mark{})
	if due, _, ok := retention.NewCase(p, &m).Due(facts); ok {
		t.Errorf("held forever, and due %s", due)
	}
	e := retention.Explain(p, &m, facts)
	if e.Reason != "held by hold:1 until its release, by ops@host: trial" || len(e.Changes) != 1 || e.Changes[0].What != "all its holds are released" || e.Changes[0].Verdict != retention.Expired {
		t.Errorf("explained as %+v", e)
	}
}

func TestHoldEnd(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 30, 15, 0, 0, 0, time.UTC) // 23:00 in Shanghai
	for day, want := range map[string]string{
		"2026-06-30": "2026-06-30T16:00:00Z", "2027-01-31": "2027-01-31T16:00:00Z", "9999-12-31": "9999-12-31T16:00:00Z", "forever": "0001-01-01T00:00:00Z",
		"2026-06-29": "", "2026-6-30": "", "2026-02-30": "", "+2027-01-01": "", "99999-01-01": "", "2027-01-31T00:00:00Z": "", "": "", "Forever": "", "0x7eb": "",
	} {
		end, err := retention.HoldEnd(day, shanghai, now)
		if (err == nil) != (want != "") || err == nil && end.Format(time.RFC3339) != want {
			t.Errorf("until %q: %s, %v, want %q", day, end.Format(time.RFC3339), err, want)
		}
	}
}

func TestCheckOfAHold(t *testing.T) {
	good := holdOf("1", "oss://media-in/a/**", time.Time{})
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*retention.Hold){
		"no target":      func(h *retention.Hold) { h.Target = "" },
		"a folder":       func(h *retention.Hold) { h.Target = "oss://media-in/a/" },
		"a bucket":       func(h *retention.Hold) { h.Target = "oss://media-in" },
		"two IDs":        func(h *retention.Hold) { h.Target = "id1,id2" },
		"a glob of IDs":  func(h *retention.Hold) { h.Target = "id*" },
		"no reason":      func(h *retention.Hold) { h.Reason = " " },
		"a long reason":  func(h *retention.Hold) { h.Reason = strings.Repeat("x", retention.MaxHoldReason+1) },
		"two lines":      func(h *retention.Hold) { h.Reason = "a\nb" },
		"an escape":      func(h *retention.Hold) { h.Reason = "\x1b[31m" },
		"by nobody":      func(h *retention.Hold) { h.By = "" },
		"at no time":     func(h *retention.Hold) { h.At = time.Time{} },
		"not UTF-8":      func(h *retention.Hold) { h.Reason = "\xff" },
		"a long caller":  func(h *retention.Hold) { h.By = strings.Repeat("x", retention.MaxHoldReason+1) },
		"an odd bucket":  func(h *retention.Hold) { h.Target = "oss://Media/**" },
		"a relative key": func(h *retention.Hold) { h.Target = "media-in/a" },
	} {
		h := good
		if edit(&h); h.Check() == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// Ten thousand holds of all kinds, and a medium that none of them names.
func BenchmarkTenThousandHolds(b *testing.B) {
	var list []retention.Hold
	for i := range 10_000 {
		target := fmt.Sprintf("%032x", i)
		switch i % 3 {
		case 1:
			target = fmt.Sprintf("oss://media-in/clips/%d/%d.mp4", i%100, i)
		case 2:
			target = fmt.Sprintf("oss://media-in/series/%d/**", i)
		}
		list = append(list, holdOf(fmt.Sprint(i), target, time.Time{}))
	}
	holds := holdsOf(b, list...)
	m := media.Medium{ID: "0319dd3b9680d28a4e16ae79898c1d24", Object: media.Object{Bucket: "media-in", Key: "series/x/episode-17.mp4"}}
	b.ReportAllocs()
	for b.Loop() {
		if mark := holds.Mark(&m, retention.Mark{}); mark.Hold != nil {
			b.Fatal("held")
		}
	}
}
