package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// hiding is an archive that refuses to say that an object is missing.
type hiding struct{ *archive }

func (h hiding) Open(ctx context.Context, object media.Object, version string) (io.ReadCloser, string, error) {
	body, is, err := h.archive.Open(ctx, object, version)
	if errors.Is(err, objects.ErrNotFound) {
		err = &objects.Error{Op: "GetObject", Code: "AccessDenied"}
	}
	return body, is, err
}

// A checksum may come after its report. OSS may refuse to say that it is missing.
func TestAChecksumThatComesLate(t *testing.T) {
	for tries, found := range map[int]string{1: "[media-in/x]", 5: "[media-in/x]", 6: "[]"} {
		synctest.Test(t, func(t *testing.T) {
			s := &archive{contents: map[string]string{}}
			inventoryReport(s, "media-in,x\n")
			checksum := s.contents["manifest.checksum"]
			delete(s.contents, "manifest.checksum")
			s.before = func(opened int) {
				if opened == tries+1 {
					s.contents["manifest.checksum"] = checksum
				}
			}
			if names, errs := named(hiding{s}, "manifest.json"); fmt.Sprint(names) != found || (len(errs) > 0) != (found == "[]") {
				t.Errorf("there at try %d: %v, %v", tries, names, errs)
			}
		})
	}
}
