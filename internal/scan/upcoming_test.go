package scan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const upcomingPolicy = `
version: 1
mode: enforce
timezone: America/Santiago
inventory: [{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]
protect:
  - {name: legal, match: {tags: [legal-hold]}}
  - {name: promised, until: {tag: "keep-until:"}}
expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: shows, match: {object: ["oss://media-in/shows/**"]}, after: 30d, keepLatest: {count: 1, per: "tag:show:"}}
  - {name: rest, after: 180d}
`

// addLibrary adds media of all ages, by object, by ID, and by both. It returns them.
func addLibrary(c *cloud, rng *rand.Rand, size int) (library []media.Medium) {
	c.list = "mediaId,object\n"
	for i := range size {
		id := fmt.Sprintf("m%03d", i)
		key := []string{"clips/", "series/a/", "series/b/", "shows/"}[rng.IntN(4)] + id
		age := rng.IntN(60) - 20
		if i%2 == 0 {
			age = 70 + rng.IntN(140)
		}
		day := now.AddDate(0, 0, rng.IntN(120)-10).Format(time.DateOnly)
		tags := [][]string{{"keep-until:" + day}, {"expire:" + day}, {"legal-hold"}, {"show:x"}, {"show:x", "show:y"}, {"expire:soon"}, nil, nil, nil}[rng.IntN(9)]
		m := testMedium(id, key, age, tags...)
		library = append(library, m)
		c.add(m)
		named := rng.IntN(4)
		if named < 3 {
			c.listed = append(c.listed, key)
		}
		if named > 1 {
			c.list += id + ",\n"
		}
	}
	return library
}

// forecastOf returns the days of a forecast as a report has them.
func forecastOf(s *Scanner, asOf time.Time, library []media.Medium) []report.Due {
	f := retention.NewForecast(s.Policy, asOf, retention.UpcomingDays, s.Mark)
	for _, m := range library {
		f.Rank(m)
	}
	for _, m := range library {
		f.Add(m, time.Time{})
	}
	f.Finish()
	days := []report.Due{}
	for _, day := range f.Days {
		if day.Media > 0 {
			days = append(days, report.Due{Day: day.Date, Media: day.Media})
		}
	}
	return days
}

// someHeld holds some media by the names by which the index knows them.
func someHeld(t *testing.T, c *cloud, library []media.Medium) *retention.Holds {
	t.Helper()
	var list []retention.Hold
	for i, m := range library {
		until := []time.Time{{}, now.AddDate(0, 0, 3), now.AddDate(0, 0, 40)}[i%3]
		target := m.ID
		if slices.Contains(c.listed, m.Object.Key) {
			target = m.Object.String()
		}
		if i%4 == 0 {
			list = append(list, retention.Hold{ID: fmt.Sprint(i), Target: target, Until: until, Reason: "trial", By: "ops@host", At: now})
		}
	}
	holds, err := retention.NewHolds(list)
	if err != nil {
		t.Fatal(err)
	}
	return holds
}

// A sweep counts the same due media as a forecast of the same library. This holds for the first scan, for scans
// that skip media by the index, and after a list has named skipped media.
func TestDueAgreesWithForecasts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		c, rng := newCloud(t), rand.New(rand.NewPCG(seed, 21))
		s := c.scanner(upcomingPolicy)
		library := addLibrary(c, rng, 60)
		if seed%2 == 1 { // at first no list names an ID
			library = slices.DeleteFunc(library, func(m media.Medium) bool { return !slices.Contains(c.listed, m.Object.Key) })
			c.list = "mediaId,object\n"
			c.listed = append(c.listed, "clips/vacant")
		}
		holds, _ := retention.NewHolds(nil)
		s.Mark = func(m *media.Medium) (mark retention.Mark) {
			if strings.HasSuffix(m.ID, "7") {
				mark = retention.Mark{Kind: retention.Restored, Until: now.AddDate(0, 0, 30)}
			}
			return holds.Mark(m, mark)
		}
		due := 0
		for day := range 6 {
			asOf := now.AddDate(0, 0, day).Add(time.Duration(rng.IntN(24)) * time.Hour)
			s.Now = func() time.Time { return asOf }
			if day == 2 {
				holds = someHeld(t, c, library)
			}
			if day == 4 {
				if seed%2 == 1 { // the objects of ranked media are removed, and another one has got a medium
					for _, m := range library {
						if strings.HasPrefix(m.Object.Key, "series/") && len(m.Tags) == 0 {
							c.listed = slices.DeleteFunc(c.listed, func(key string) bool { return key == m.Object.Key })
						}
					}
					m := testMedium("vacant", "clips/vacant", 175)
					c.add(m)
					library = append(library, m)
				}
				for _, m := range library {
					c.list += m.ID + ",\n"
				}
			}
			want := forecastOf(s, asOf, library)
			got := c.scan(t.Context(), s, daily, fmt.Sprint("run-", day))
			if diff := cmp.Diff(want, got.found.Due); diff != "" {
				t.Errorf("seed %d, day %d, %d skipped: due (-forecast +sweep)\n%s", seed, day, got.found.Skipped, diff)
			}
			if day > 0 && got.found.Skipped == 0 {
				t.Errorf("seed %d, day %d: the index skips nothing", seed, day)
			}
			for _, one := range got.found.Due {
				due += one.Media
			}
		}
		if due < 40 {
			t.Errorf("seed %d: only %d media are due", seed, due)
		}
	}
}

// A scan that cannot know what falls due says nothing about it. A whole scan says that nothing does.
func TestDueIsLeftOut(t *testing.T) {
	events := &trigger.Request{Trigger: trigger.OSS, Objects: []media.Object{objectOf("clips/m000")}}
	c := newCloud(t)
	s := c.scanner(upcomingPolicy)
	addLibrary(c, rand.New(rand.NewPCG(5, 6)), 60)
	if got := c.scan(t.Context(), s, events).found; got.Due != nil || got.Counts.Looked == 0 {
		t.Errorf("an event: %v, %+v", got.Due, got.Counts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.before = func(int) error { cancel(); return nil }
	cut := c.scan(ctx, s, daily, "cut")
	c.before = nil
	if cut.found.Stopped == nil || cut.found.Due != nil {
		t.Errorf("a scan that was cut off: %v, %v", cut.found.End(), cut.found.Due)
	}
	if again := c.scan(t.Context(), s, daily, "again"); !again.found.Origin.isHint || again.found.Due != nil {
		t.Errorf("a resumed scan: %v, %v", again.found.Origin.isHint, again.found.Due)
	}
	if whole := c.scan(t.Context(), s, daily, "whole"); len(whole.found.Due) == 0 {
		t.Error("a whole scan counts nothing")
	}
	empty := newCloud(t)
	if got := empty.scan(t.Context(), empty.scanner(upcomingPolicy), daily).found; got.Due == nil || len(got.Due) > 0 {
		t.Errorf("an empty library: %#v", got.Due)
	}
}

// Thousands of media that are dated ahead make the count unknown, and not the program large.
func TestDueWithManyMediaAhead(t *testing.T) {
	c := newCloud(t)
	s := c.scanner(upcomingPolicy)
	for i := range 10_001 {
		m := testMedium(fmt.Sprintf("m%05d", i), fmt.Sprintf("series/a/%05d", i), -1-i%60)
		c.add(m)
		c.listed = append(c.listed, m.Object.Key)
	}
	slices.Sort(c.listed)
	if got := c.scan(t.Context(), s, daily); got.found.Due != nil || got.counts.Unknown != 10_001 {
		t.Errorf("%v, %+v", got.found.Due, got.counts)
	}
}

// A quiet scan counts each medium that the index skips without an allocation.
func TestCountSkippedAllocations(t *testing.T) {
	p, problems := policy.Parse("policy", []byte(upcomingPolicy))
	if problems != nil {
		t.Fatal(problems)
	}
	u := newUpcoming(p, now, func(*media.Medium) retention.Mark { return retention.Mark{} })
	candidate := inventory.Candidate{Object: media.Object{Bucket: "media-in", Key: "a.mp4"}}
	due := now.AddDate(0, 0, 7).Unix()
	if allocations := testing.AllocsPerRun(100, func() { u.countSkipped(&candidate, due) }); allocations > 0 {
		t.Errorf("%v allocations for a medium", allocations)
	}
}

// Media are counted on the day on which they fall due, from the next second to the ninetieth day of the policy's timezone.
func TestUpcoming(t *testing.T) {
	at := func(text string) int64 {
		instant, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return instant.Unix()
	}
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC) // 20:00 in Shanghai
	for name, test := range map[string]struct {
		notice string
		due    []string
		want   []report.Due
	}{
		"now":                          {due: []string{"2026-06-30T12:00:00Z", "2026-06-29T00:00:00Z"}, want: []report.Due{}},
		"in a second":                  {due: []string{"2026-06-30T12:00:01Z"}, want: []report.Due{{Day: "2026-06-30", Media: 1}}},
		"around a midnight":            {due: []string{"2026-06-30T15:59:59Z", "2026-06-30T16:00:00Z", "2026-07-01T15:59:59Z"}, want: []report.Due{{Day: "2026-06-30", Media: 1}, {Day: "2026-07-01", Media: 2}}},
		"the last day":                 {due: []string{"2026-09-27T15:59:59Z", "2026-09-27T16:00:00Z"}, want: []report.Due{{Day: "2026-09-27", Media: 1}}},
		"years ahead":                  {due: []string{"2030-01-01T00:00:00Z"}, want: []report.Due{}},
		"with a notice":                {notice: "notice: 7d\n", due: []string{"2026-06-30T12:00:01Z"}, want: []report.Due{{Day: "2026-07-07", Media: 1}}},
		"with a notice beyond the end": {notice: "notice: 7d\n", due: []string{"2026-09-20T15:59:59Z", "2026-09-20T16:00:00Z"}, want: []report.Due{{Day: "2026-09-27", Media: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := policy.Parse("policy", []byte("version: 1\ntimezone: Asia/Shanghai\n"+test.notice))
			if problems != nil {
				t.Fatal(problems)
			}
			u := newUpcoming(p, now, nil)
			for _, due := range test.due {
				u.add(at(due))
			}
			if diff := cmp.Diff(test.want, u.due()); diff != "" {
				t.Errorf("days (-want +got):\n%s", diff)
			}
			if last := time.Date(2026, 9, 27, 16, 0, 0, 0, time.UTC); u.ends.Before(last) {
				t.Errorf("it ends at %s", u.ends)
			}
		})
	}
}
