package objects_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// OSS may hide that an object is missing from a caller that may not list the whole bucket. Then a listing tells what may be
// read, and the check of a source stays open.
func TestMissingObjectsThatAreHidden(t *testing.T) {
	const (
		reads = `{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:ops/state/*"]}`
		lists = `{"Effect":"Allow","Action":["oss:ListObjects"],"Resource":["acs:oss:*:*:ops"]`
		below = `,"Condition":{"StringLike":{"oss:Prefix":["state/*"]}}}`
	)
	missing, there := media.Object{Bucket: "ops", Key: "state/stop"}, media.Object{Bucket: "ops", Key: "state/stop.old"}
	for name, test := range map[string]struct {
		statements    string
		hides         bool
		read, checked bool // whether Read, and Exists, say that the object is missing
	}{
		"may list the bucket":                   {reads + "," + lists + "}", false, true, true},
		"may list the bucket, hidden":           {reads + "," + lists + "}", true, true, true},
		"may list the prefix":                   {reads + "," + lists + below, false, true, true},
		"may list the prefix, hidden":           {reads + "," + lists + below, true, true, false},
		"may list nothing":                      {reads, false, true, true},
		"may list nothing, hidden":              {reads, true, false, false},
		"may list what it may not read, hidden": {lists + "}", true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			allowed, err := emulator.ParseRAMPolicy(fmt.Appendf(nil, `{"Version":"1","Statement":[%s]}`, test.statements))
			if err != nil {
				t.Fatal(err)
			}
			e := start(t, emulator.Config{Permissions: allowed, OSS: emulator.OSSOptions{HidesMissing: test.hides}})
			e.PutObject("ops", there.Key, []byte("x"), time.Now())
			s := session(t, e.Env())
			if _, err := s.Read(t.Context(), missing, 100); errors.Is(err, objects.ErrNotFound) != test.read || objects.Denied(err) == test.read {
				t.Errorf("read: %v", err)
			}
			exists, err := s.Exists(t.Context(), missing)
			if exists || (err == nil) != test.checked {
				t.Errorf("exists: %t, %v", exists, err)
			}
			if err != nil && !strings.Contains(err.Error(), "the object may be missing: grant oss:ListObjects on its bucket") {
				t.Errorf("the error does not say what to do: %v", err)
			}
			readable := strings.Contains(test.statements, "oss:GetObject")
			if body, err := s.Read(t.Context(), there, 100); (string(body) == "x") != readable || objects.Denied(err) == readable {
				t.Errorf("read what is there: %q, %v", body, err)
			}
		})
	}
}
