package scan

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/checkpoint"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// silent is a cloud that has answered no call.
type silent struct{ *cloud }

func (silent) Answered() bool { return false }

// A look-up that fails fails the scan if no other one can succeed. Its failures name what was asked for.
func TestWhichLookUpsFailTheScan(t *testing.T) {
	for name, test := range map[string]struct {
		kind   mps.Kind
		silent bool
		fails  bool
	}{
		"denied": {mps.Unauthorized, false, true}, "denied at first": {mps.Unauthorized, true, true},
		"no answer": {mps.Ambiguous, false, false}, "no answer at first": {mps.Ambiguous, true, true},
		"throttled": {mps.Throttled, false, false}, "throttled at first": {mps.Throttled, true, false},
	} {
		for _, request := range []*trigger.Request{{Trigger: trigger.CLI, MediaIDs: []string{"m"}}, {Trigger: trigger.CLI, Objects: []media.Object{objectOf("m")}}} {
			c := newCloud(t)
			c.before = func(int) error { return &mps.Error{Kind: test.kind, Message: "no"} }
			s := c.scanner(testPolicy)
			if test.silent {
				s.Library = silent{c}
			}
			got := c.scan(t.Context(), s, request)
			if (got.found.Failed != nil) != test.fails || !got.found.Missing || len(got.found.Failures) != 1 {
				t.Errorf("%s: failed with %v, missing %v, %+v", name, got.found.Failed, got.found.Missing, got.found.Failures)
				continue
			}
			if f := got.found.Failures[0]; f.MediaID != strings.Join(request.MediaIDs, "") || (f.Object == "") != (len(request.Objects) == 0) {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// The first hundred media that are kept as unknown are logged, and no other ones. The rest is counted.
func TestUnknownMediaAreLogged(t *testing.T) {
	for unknown, want := range map[int]int{0: 0, 1: 1, 100: 100, 102: 100} {
		c, request := newCloud(t), &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{"held"}}
		c.add(testMedium("held", "held", 400, "legal-hold"))
		for i := range unknown {
			m := testMedium(fmt.Sprint("m", i), fmt.Sprint("m", i), 400)
			m.Created = time.Time{}
			c.add(m)
			request.MediaIDs = append(request.MediaIDs, m.ID)
		}
		got := c.scan(t.Context(), c.scanner(testPolicy), request)
		lines, more := strings.Count(c.log.String(), `msg="kept as unknown"`), strings.Contains(c.log.String(), `"more media kept as unknown" media=2`)
		if got.counts.Unknown != unknown || lines != want || more != (unknown > 100) {
			t.Errorf("%d unknown: %d lines, more %v, %+v", unknown, lines, more, got.counts)
		}
	}
}

// Checkpoints of dry runs stand apart from those of enforcing runs, where earlier versions wrote them.
func TestFoldersOfCheckpoints(t *testing.T) {
	for mode, want := range map[policy.Mode]string{policy.Enforce: "checkpoints/", policy.DryRun: "checkpoints-dry-run/"} {
		if got := checkpointFolder(mode); got != want {
			t.Errorf("%s: %s", mode, got)
		}
	}
}

// A checkpoint is due after a thousand candidates, once ten seconds have passed or much is unsaved.
func TestWhenACheckpointIsDue(t *testing.T) {
	for name, test := range map[string]struct {
		candidates, records int
		after               time.Duration
		partial             bool // some findings are in no segment
		due                 bool
	}{
		"a thousand in ten seconds": {candidates: 1000, after: 10 * time.Second, due: true},
		"a thousand in less":        {candidates: 1000, after: 10*time.Second - 1},
		"less than a thousand":      {candidates: 999, after: time.Minute},
		"many findings":             {candidates: 1000, records: 2000, due: true},
		"not so many findings":      {candidates: 1000, records: 1999},
		"many findings of few":      {candidates: 999, records: 2000},
		"after a failure":           {candidates: 1000, after: time.Minute, partial: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud(t)
				c := cloud.scanner(testPolicy).newScan(t.Context(), t.Context(), Request{Request: daily, AsOf: now}, false)
				series := checkpoint.New(cloud.store, "checkpoints/x/")
				c.checkpoints = newCheckpointer(series, "the next run")
				c.checkpoints.triedAfter, c.checkpoints.accounted = 500, 500+test.candidates
				for range test.records {
					series.Add("m", nil)
				}
				if test.partial {
					series.Add("m", nil)
					cloud.store.fails = func(int, string) error { return errStore }
					if _, err := series.Flush(t.Context()); err == nil {
						t.Error("written to a store that fails")
					}
					cloud.store.fails = nil
				}
				time.Sleep(test.after)
				c.maybeCheckpoint()
				if due := len(cloud.store.Names("checkpoints/")) > 0; due != test.due || series.IsSaved() != due || (c.checkpoints.triedAfter == 500) == due {
					t.Errorf("due %v, saved %v, %d accounted for", due, series.IsSaved(), c.checkpoints.triedAfter)
				}
			})
		})
	}
}

// A medium with far more tags than MPS allows is unknown, and fails no scan.
func TestAMediumWithManyTags(t *testing.T) {
	c := newCloud(t)
	var tags []string
	for i := range 1001 {
		tags = append(tags, fmt.Sprint("show:", i))
	}
	parsed, err := media.Parse(testMedium("x", "shows/x", 400, tags...).Record)
	if err != nil {
		t.Fatal(err)
	}
	c.add(parsed)
	if got := c.scan(t.Context(), c.scanner(upcomingPolicy), &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{"x"}}); got.found.End() != nil || got.counts.Unknown != 1 {
		t.Errorf("%v, %+v", got.found.End(), got.counts)
	}
}

// A medium has at most a thousand groups. A key has a kind and a name.
func TestTheLargestFinding(t *testing.T) {
	for groups, good := range map[int]bool{1000: true, 1001: false} {
		f := &finding{mediaID: "m", name: "n", rank: retention.Rank{Groups: make([]string, groups)}}
		if _, err := decode(f.key(), f.encode()); (err == nil) != good {
			t.Errorf("%d groups: %v", groups, err)
		}
	}
	f := &finding{mediaID: "m", name: "n"}
	if _, err := decode(f.key()[:1], f.encode()); err == nil {
		t.Error("a finding of a medium without an ID")
	}
	if got, err := decode(f.key(), f.encode()); err != nil || got.mediaID != "m" || !bytes.Equal(got.encode(), f.encode()) {
		t.Errorf("%+v, %v", got, err)
	}
}
