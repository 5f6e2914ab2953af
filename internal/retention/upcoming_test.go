package retention_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/retention"
)

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
		want   map[string]int
	}{
		"now":                          {due: []string{"2026-06-30T12:00:00Z", "2026-06-29T00:00:00Z"}},
		"in a second":                  {due: []string{"2026-06-30T12:00:01Z"}, want: map[string]int{"2026-06-30": 1}},
		"around a midnight":            {due: []string{"2026-06-30T15:59:59Z", "2026-06-30T16:00:00Z", "2026-07-01T15:59:59Z"}, want: map[string]int{"2026-06-30": 1, "2026-07-01": 2}},
		"the last day":                 {due: []string{"2026-09-27T15:59:59Z", "2026-09-27T16:00:00Z"}, want: map[string]int{"2026-09-27": 1}},
		"years ahead":                  {due: []string{"2030-01-01T00:00:00Z"}},
		"with a notice":                {notice: "notice: 7d\n", due: []string{"2026-06-30T12:00:01Z"}, want: map[string]int{"2026-07-07": 1}},
		"with a notice beyond the end": {notice: "notice: 7d\n", due: []string{"2026-09-20T15:59:59Z", "2026-09-20T16:00:00Z"}, want: map[string]int{"2026-09-27": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			u := retention.NewUpcoming(parse(t, "version: 1\ntimezone: Asia/Shanghai\n"+test.notice), now)
			for _, due := range test.due {
				u.Add(at(due))
			}
			var got map[string]int
			for day, media := range u.Days() {
				if got == nil {
					got = map[string]int{}
				}
				got[day] = media
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("days (-want +got):\n%s", diff)
			}
			if last := time.Date(2026, 9, 27, 16, 0, 0, 0, time.UTC); u.Ends().Before(last) {
				t.Errorf("it ends at %s", u.Ends())
			}
		})
	}
}
