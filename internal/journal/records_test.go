package journal

import (
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// No tombstone ends another one, whatever the order and the times of their records.
func TestTombstonesOnlyKeep(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	m := media.Medium{ID: "a", Created: now.AddDate(-1, 0, 0), Object: media.Object{Bucket: "media-in", Key: "a"}}
	recent, odd := now.Add(-time.Hour), []time.Time{{}, time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), now.AddDate(-5, 0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	for _, at := range odd {
		for _, records := range [][]time.Time{{recent, at}, {at, recent}} {
			restored, unverified := NewTombstones(), NewTombstones()
			for _, at := range records {
				restored.add(tombstoneRecord{At: at, Restored: []string{m.Object.String()}})
				unverified.add(tombstoneRecord{At: at, Unverified: []Tombstone{{m.ID, m.Created.Unix()}}})
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
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		if o, err := decodeIntent(data); err == nil && (o.Run == "" || !strings.HasPrefix(o.Plan, "sha256:")) {
			t.Errorf("%+v", o)
		}
		if record, err := decodeTombstones(data); err == nil {
			tombstones := NewTombstones()
			tombstones.add(record)
			tombstones.Of(&media.Medium{ID: "a"})
		}
		if l, err := decodeOutcome(data); err == nil && media.CheckID(l.MediaID) != nil {
			t.Errorf("%+v", l)
		}
	})
}
