package journal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// Refunds never exceed what their run spent.
func TestEventBudget(t *testing.T) {
	const at = "spent/20260101T000000.000000000Z-"
	for name, test := range map[string]struct {
		records []string
		want    int // -1 for an error
	}{
		"nothing":                  {nil, 0},
		"two runs":                 {[]string{"5-A", "7-B"}, 12},
		"some given back":          {[]string{"5-A", "-2-A"}, 3},
		"all given back":           {[]string{"5-A", "7-B", "-5-A"}, 7},
		"more given back":          {[]string{"5-A", "-6-A"}, 5},
		"given back twice":         {[]string{"5-A", "-5-A", "-5-A"}, 0},
		"of another":               {[]string{"5-A", "-2-B"}, 5},
		"a million":                {[]string{"2-A", "-1000000-X"}, 2},
		"before it is spent":       {[]string{"-5-A", "5-A"}, 5},
		"no number":                {[]string{"x-A"}, -1},
		"no run":                   {[]string{"5-"}, -1},
		"nothing of it":            {[]string{"0-A"}, -1},
		"a number that overflows":  {[]string{"9223372036854775808-A"}, -1},
		"numbers that would":       {[]string{"9223372036854775807-A", "9223372036854775807-B"}, -1},
		"much":                     {[]string{"2147483648-A", "2147483648-B", "5-C"}, maxSpent},
		"another form of a number": {[]string{"0x5-A"}, -1},
	} {
		b := spentByRun{}
		var err error
		for _, record := range test.records {
			if err != nil {
				break
			}
			switch err = b.take(at + record); {
			case errors.Is(err, errUncovered):
				err = nil
			case err != nil && !strings.Contains(err.Error(), record):
				t.Errorf("%s: %v names no record", name, err)
			}
		}
		if got := b.sum(); (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%s: %d, %v, want %d", name, got, err, test.want)
		}
	}
}

// No tombstone ends another one, whatever the order and the times of their records.
func TestTombstonesOnlyKeep(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	m := media.Medium{ID: "a", Created: now.AddDate(-1, 0, 0), Object: media.Object{Bucket: "media-in", Key: "a"}}
	recent, odd := now.Add(-time.Hour), []time.Time{{}, time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), now.AddDate(-5, 0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	for _, at := range odd {
		for _, records := range [][]time.Time{{recent, at}, {at, recent}} {
			restored, unverified := NewTombstones(), NewTombstones()
			for _, at := range records {
				restored.take(tombstoneRecord{At: at, Restored: []string{m.Object.String()}})
				unverified.take(tombstoneRecord{At: at, Unverified: []Tombstone{{m.ID, m.Created.Unix()}}})
			}
			if got := restored.Of(&m); got.Kind != retention.Restored || !got.Until.After(now) {
				t.Errorf("restored at %v: %v", records, got)
			}
			if got := unverified.Of(&m); got.Kind != retention.Unverified || !got.Until.After(now) {
				t.Errorf("unverified at %v: %v", records, got)
			}
		}
	}
}

// Decoders refuse records that no run writes.
func TestDecodersRefuse(t *testing.T) {
	huge := strings.Repeat(" ", maxTombstoneBytes) + "{}"
	for _, text := range []string{"", "{", "{}", "null", "[]", "0", `"x"`, "\x00\xff\xfe", `{"format":1}`, `{"format":-1}`, `{"format":99999999999999999999}`, `{"format":1,"at":"10000-01-01T00:00:00Z","asOf":"10000-01-01T00:00:00Z"}`,
		`{"format":1,"run":"r","plan":"../../lease"}`, `{"format":1,"run":"r","plan":"` + planID("1") + `","trigger":"../x"}`, `{"format":1,"run":"r","plan":"` + planID("1") + `","applied":"../x"}`, `{"format":1,"at":"2026-01-01T00:00:00Z","restored":{}}`, strings.Repeat("[", 100_000), huge} {
		if o, err := decodeIntent([]byte(text)); err == nil {
			t.Errorf("an intent of %.40q: %+v", text, o)
		}
		if record, err := decodeTombstones([]byte(text)); err == nil {
			t.Errorf("tombstones of %.40q: %+v", text, record)
		}
		if l, err := decodeOutcome([]byte(text)); err == nil {
			t.Errorf("an outcome of %.40q: %+v", text, l)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"format":1,"run":"r","plan":"sha256:` + strings.Repeat("0", 64) + `","policy":"p","asOf":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"format":1,"at":"2026-01-01T00:00:00Z","deleted":[{"mediaId":"a","created":1}],"restored":["oss://b/k"]}`))
	f.Add([]byte(`{"mediaId":"a","outcome":"deleted","plan":"sha256:` + strings.Repeat("0", 64) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := decodeIntent(data); err == nil && (o.Run == "" || !strings.HasPrefix(o.Plan, "sha256:")) {
			t.Errorf("%+v", o)
		}
		if record, err := decodeTombstones(data); err == nil {
			tombstones := NewTombstones()
			tombstones.take(record)
			tombstones.Of(&media.Medium{ID: "a"})
		}
		if l, err := decodeOutcome(data); err == nil && media.CheckID(l.MediaID) != nil {
			t.Errorf("%+v", l)
		}
	})
}

func FuzzEventBudget(f *testing.F) {
	f.Add("spent/20260101T000000.000000000Z-5-A", "spent/20260101T000000.000000000Z--5-A")
	f.Fuzz(func(t *testing.T, first, second string) {
		b := spentByRun{}
		for _, name := range []string{first, second} {
			before := b.sum()
			err := b.take(name)
			if after := b.sum(); after < 0 || err != nil && after != before {
				t.Errorf("%q after %q: %d", second, first, after)
			}
		}
	})
}
