package journal

import (
	"errors"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/state"
)

// FuzzReport decodes reports: one that no run has written is damaged, and its error names it.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"format":1,"report":{"run":"a","status":"done","counts":{"looked":1,"kept":1}},"ledger":"b"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"format":1,"report":{"asOf":"10000-01-01T00:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeReport("runs/a/000001.json", data)
		if (err == nil) != (r != nil) || err != nil && (!errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "runs/a/000001.json")) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
