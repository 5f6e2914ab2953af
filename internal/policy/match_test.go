package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Both bounds of a range belong to it. A missing one bounds nothing.
func TestRangesIncludeTheirBounds(t *testing.T) {
	for _, test := range []struct {
		of   Range[int64]
		want map[int64]Truth
	}{
		{Range[int64]{Min: 10, Max: 20}, map[int64]Truth{0: No, 9: No, 10: Yes, 15: Yes, 20: Yes, 21: No}},
		{Range[int64]{Min: 10}, map[int64]Truth{9: No, 10: Yes, 1 << 60: Yes}},
		{Range[int64]{Max: 20}, map[int64]Truth{0: Yes, 20: Yes, 21: No}},
		{Range[int64]{Min: 10, Max: 10}, map[int64]Truth{9: No, 10: Yes, 11: No}},
	} {
		rule := Rule{Match: Match{Size: test.of, Duration: Range[time.Duration]{Min: time.Duration(test.of.Min), Max: time.Duration(test.of.Max)}}}
		rule.compile("at")
		for value, want := range test.want {
			m := media.Medium{Size: media.Known(value), Duration: media.Known(time.Duration(value))}
			if got, _ := rule.Applies(&m); got != want {
				t.Errorf("%d in %+v: %s, want %s", value, test.of, got, want)
			}
		}
		for i, what := range []string{"Size", "Duration"} {
			var keys []string
			if test.of.Min > 0 {
				keys = append(keys, "min"+what)
			}
			if test.of.Max > 0 {
				keys = append(keys, "max"+what)
			}
			want := strings.Join(keys, " and ")
			if got := rule.Conditions(&media.Medium{})[i]; got.Key != want || got.Holds != Unknown {
				t.Errorf("%+v: %s of %s, want it of %s", test.of, got.Holds, got.Key, want)
			}
		}
	}
}

// The key that was probably meant is the nearest one within a third of the letters and one more, and the first of several.
func TestNearest(t *testing.T) {
	for key, want := range map[string]string{
		"object": "object", "objects": "object", "obj": "", "objectXYZ": "object", "objectWXYZ": "object", "objectVWXYZ": "", "OBJECT": "object", "xyz": "",
		"tagsAl": "tagsAll", "tagsA": "tags", "tagsAlll": "tagsAll", "tag": "tags", "minDurationn": "minDuration", "mxnDuration": "minDuration",
		"maxDurations": "maxDuration", "maDuration": "maxDuration", "mDuration": "minDuration", "": "",
	} {
		fields := []field{{name: "minDuration"}, {name: "maxDuration"}, {name: "tags"}, {name: "tagsAll"}, {name: "object"}}
		if want != "" {
			want = ", did you mean \"" + want + "\"?"
		}
		if got := nearest(key, fields); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

// Many mistakes are listed up to a number. What is left is counted.
func TestErrorsAreListed(t *testing.T) {
	mistakes := make(Errors, text.MaxListed+1)
	for i := range mistakes {
		mistakes[i] = Error{File: "p", Line: i + 1, Column: 1, Message: "m"}
	}
	for n, lines := range map[int]int{1: 1, text.MaxListed: text.MaxListed, text.MaxListed + 1: text.MaxListed + 1} {
		got := strings.Split(mistakes[:n].Error(), "\n")
		if len(got) != lines || (got[len(got)-1] == "p: 1 more mistakes") != (n > text.MaxListed) {
			t.Errorf("%d mistakes in %d lines: %s", n, len(got), got[len(got)-1])
		}
	}
}
