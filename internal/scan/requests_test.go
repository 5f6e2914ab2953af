package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

var listObject = media.Object{Bucket: "ops", Key: "list.csv"}

// newRequested returns a library whose manifest has enough media IDs to be cut off in the middle.
func newRequested(t *testing.T, request *trigger.Request) *resumable {
	r := newResumable(t, 150)
	r.request = request
	for i := range 60 {
		m := testMedium(fmt.Sprintf("k%05d", i), fmt.Sprintf("others/%05d", i), 20*i)
		m.Object.Bucket = "elsewhere"
		r.add(m)
		r.list += m.ID + ",\n"
	}
	return r
}

// The same request resumes its scan, whatever its run is called, and finds what one in one go finds.
func TestARequestResumesItsScan(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]*trigger.Request{
		"inventory over HTTP": {Trigger: trigger.HTTP, Inventory: true},
		"inventory by invoke": {Trigger: trigger.Invoke, Inventory: true},
		"manifest":            {Trigger: trigger.HTTP, Manifests: []media.Object{listObject}},
	} {
		whole := newRequested(t, request)
		want := whole.scan(0, false)
		if want.counts.Expired < 10 || len(whole.store.Names("")) != 0 {
			t.Fatalf("%s: %+v, records %q", name, want.counts, whole.store.Names(""))
		}
		for call := 2; call <= whole.calls; call += 3 {
			r := newRequested(t, request)
			cut := r.scan(call, false)
			if !cut.found.Resumes || !strings.HasSuffix(cut.found.Stopped.Error(), "the same request resumes it") {
				t.Fatalf("%s: suspended %v, %v", name, cut.found.Resumes, cut.found.End())
			}
			got := r.scan(0, false)
			r.same(fmt.Sprintf("%s: cut off before call %d", name, call), got, want)
			if !got.found.Origin.isHint || r.calls > whole.calls-call+2 || !strings.Contains(strings.Join(got.found.Notes, " "), "as of 2026-06-30T00:01:00Z") {
				t.Errorf("%s: cut off before call %d: resumed %v, %d calls of %d, notes %q", name, call, got.found.Origin.isHint, r.calls, whole.calls, got.found.Notes)
			}
			if again := r.scan(0, false); again.found.Origin.isHint {
				t.Errorf("%s: a scan that was finished is resumed", name)
			}
		}
	}
}

// A scan resumes only checkpoints of its own request, and of the same list.
func TestCheckpointsOfOtherRequests(t *testing.T) {
	t.Parallel()
	manifest := &trigger.Request{Trigger: trigger.HTTP, Manifests: []media.Object{listObject}}
	inventory := &trigger.Request{Trigger: trigger.HTTP, Inventory: true}
	for name, test := range map[string]struct {
		cut, next *trigger.Request
		change    func(r *resumable)
		resumed   bool
	}{
		"the same manifest":                 {cut: manifest, next: manifest, resumed: true},
		"25 hours later":                    {cut: manifest, next: manifest, change: func(r *resumable) { r.later(checkpointAge - 2*time.Minute) }, resumed: true},
		"too old":                           {cut: manifest, next: manifest, change: func(r *resumable) { r.later(checkpointAge) }},
		"the list has changed":              {cut: manifest, next: manifest, change: func(r *resumable) { r.list += "m00004,\n" }},
		"another mode":                      {cut: manifest, next: &trigger.Request{Trigger: trigger.HTTP, Mode: policy.Enforce, Manifests: manifest.Manifests}},
		"another list":                      {cut: manifest, next: &trigger.Request{Trigger: trigger.HTTP, Manifests: []media.Object{{Bucket: "ops", Key: "other.csv"}}}},
		"another trigger":                   {cut: inventory, next: &trigger.Request{Trigger: trigger.Invoke, Inventory: true}},
		"a timer after a request":           {cut: inventory, next: daily},
		"a request after a timer":           {cut: daily, next: inventory},
		"candidates that the index skipped": {cut: inventory, next: inventory, change: func(r *resumable) { r.forge(`"segments"`, `"passed":1,"segments"`) }},
		"live media that the index skipped": {cut: inventory, next: inventory, change: func(r *resumable) { r.forge(`"segments"`, `"known":1,"segments"`) }},
	} {
		r := newRequested(t, test.cut)
		if cut := r.scan(5, false); !cut.found.Resumes {
			t.Fatalf("%s: %v", name, cut.found.End())
		}
		if r.request = test.next; test.change != nil {
			test.change(r)
		}
		whole := newRequested(t, test.next)
		whole.list = r.list
		got := r.scan(0, false)
		if got.found.Origin.isHint != test.resumed {
			t.Errorf("%s: resumed %v", name, got.found.Origin.isHint)
		}
		whole.scanner.Now = func() time.Time { return got.found.Head.AsOf }
		r.same(name, got, whole.scan(0, false))
	}
}

// A resumed manifest names its own media, and none of the policy's inventory.
func TestNamesOfAResumedManifest(t *testing.T) {
	r := newRequested(t, &trigger.Request{Trigger: trigger.HTTP, Manifests: []media.Object{listObject}})
	r.scan(5, false)
	next := r.resume()
	defer next.close()
	got := r.scan(0, false)
	for id, want := range map[string]bool{"k00000": true, "x": false} {
		m := testMedium(id, "clips/x", 400)
		if names := got.found.Origin.Names(&m); names != want || !got.found.Origin.isHint {
			t.Errorf("%s: named %v, resumed %v", id, names, got.found.Origin.isHint)
		}
	}
	next.Counts = got.counts
	next.Counts.Looked += 1000
	next.stages()
	next.Origin.claim.live = 1000
	if live, most, err := next.countLive(t.Context()); err != nil || live > 200 || most < 1000 {
		t.Errorf("a checkpoint that claims 1,000 media: %d to %d live, %v", live, most, err)
	}
}

// A scan of given names, of the command line or of an event leaves no checkpoint, nor does one whose list cannot be read.
func TestSuspendWithoutACheckpoint(t *testing.T) {
	for name, request := range map[string]*trigger.Request{
		"command line": {Trigger: trigger.CLI, Inventory: true},
		"given IDs":    {Trigger: trigger.HTTP, MediaIDs: []string{"m00001", "m00002"}},
		"event":        {Trigger: trigger.OSS, Manifests: []media.Object{listObject}},
	} {
		r := newRequested(t, request)
		ctx, cancel := context.WithCancel(t.Context())
		r.before = func(int) error {
			cancel()
			return nil
		}
		got := r.cloud.scan(ctx, r.scanner, request)
		if !errors.Is(got.found.Stopped, context.Canceled) || got.found.Resumes || len(r.store.Names("")) != 0 {
			t.Errorf("%s: %v, suspended %v, records %q", name, got.found.Stopped, got.found.Resumes, r.store.Names(""))
		}
	}
}
