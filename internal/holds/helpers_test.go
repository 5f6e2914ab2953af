package holds

import (
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

var asOf = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// no fails the test on an error.
func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func medium(id string) *media.Medium {
	return &media.Medium{ID: id, Created: asOf.AddDate(-1, 0, 0), Object: media.Object{Bucket: "media-in", Key: id + ".mp4"}}
}
