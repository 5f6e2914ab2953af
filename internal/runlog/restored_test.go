package runlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

func TestRestored(t *testing.T) {
	const media = 2*segments.MaxLines + 1
	results := make([]report.RestoredMedium, media)
	for i := range results {
		results[i] = report.RestoredMedium{MediaID: fmt.Sprintf("m%06d", i), NewID: "n", Result: report.Restored}
	}
	name := func(n int) string { return fmt.Sprintf("%s%06d.jsonl.gz", RestoredFolder("r"), n) }
	tests := []struct {
		name  string
		alter func(m *statetest.Memory)
		want  int
		fails string
	}{
		{"whole", func(*statetest.Memory) {}, media, ""},
		{"more than the report says", func(m *statetest.Memory) {
			_, err := segments.Append(t.Context(), m, RestoredFolder("r"), 3, results[:5])
			no(t, err)
		}, media + 5, ""},
		{"a record is missing", func(m *statetest.Memory) { delete(m.Records, name(2)) }, media - segments.MaxLines, "1000 are missing"},
		{"a record is damaged", func(m *statetest.Memory) { m.Put(name(2), []byte("no gzip")) }, segments.MaxLines, name(2)},
		{"a record of another kind", func(m *statetest.Memory) {
			_, err := journal.AddOutcomes(t.Context(), m, "o", 0, []journal.Outcome{{MediaID: "m", Became: journal.Deleted}})
			no(t, err)
			m.Put(name(3), m.Records["ledger/o/000001.jsonl.gz"])
		}, 2 * segments.MaxLines, name(3)},
		{"a store that is down", func(m *statetest.Memory) { m.Down, m.Of = "read", "restored/" }, 0, statetest.ErrDown.Error()},
		{"a store that lists nothing", func(m *statetest.Memory) { m.Down, m.Of = "list", "restored/" }, media, statetest.ErrDown.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store := statetest.New()
			_, err := segments.Append(t.Context(), store, RestoredFolder("r"), 0, results)
			no(t, err)
			test.alter(store)
			got := 0
			err = nil
			for m, problem := range Restored(t.Context(), store, "r", media) {
				if err = problem; err == nil {
					got++
				}
				if err == nil && m.Result != report.Restored {
					t.Errorf("%+v", m)
				}
			}
			if got != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%d results, %v; want %d, %q", got, err, test.want, test.fails)
			}
		})
	}
}
