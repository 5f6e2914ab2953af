package scan

import (
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Candidates of a look-up that failed are failures of the report, and the scan is not whole.
func TestLookUpsThatFail(t *testing.T) {
	c := newCloud(t)
	for _, key := range []string{"a", "b", "c"} {
		c.listed = append(c.listed, key)
		c.add(testMedium("m"+key, key, 400))
	}
	c.before = func(int) error {
		return &mps.Error{Op: mps.QueryMediaListByURL, Kind: mps.Throttled, Code: "Throttling.User"}
	}
	got := c.scan(t.Context(), c.scanner(testPolicy), daily)
	if got.found.End() != nil || !got.found.Missing || len(got.found.Failures) != 3 || got.found.Failures[0].Code != "Throttling.User" || len(got.ids) != 0 {
		t.Errorf("%v, missing %v, %+v, %d lines", got.found.End(), got.found.Missing, got.found.Failures, len(got.ids))
	}
}

// A row of a list whose media ID and object are not of one medium is not used: the medium stays, and the run is partial.
// Where a checkpoint comes between the row and its look-up does not matter.
func TestRowsThatContradictMPS(t *testing.T) {
	t.Parallel()
	library := func() *resumable {
		r := newResumable(t, 0)
		r.list += "agrees,oss://media-in/b\nalone,\ncontradicts,oss://media-in/x\nnone,oss://media-in/x\nprotected,oss://media-in/x\ntwice,oss://media-in/b\ntwice,oss://media-in/x\n"
		for _, id := range []string{"agrees", "alone", "contradicts", "twice"} {
			r.add(testMedium(id, "b", 400))
		}
		r.add(testMedium("protected", "b", 400, "legal-hold"))
		none := testMedium("none", "", 400)
		none.Object = media.Object{}
		r.add(none)
		return r
	}
	check := func(got outcome) {
		t.Helper()
		if !slices.Equal(got.ids, []string{"agrees", "alone"}) || got.counts.Unknown != 4 || got.counts.Protected != 0 || !got.found.Missing || len(got.found.Failures) != 4 {
			t.Errorf("%q, %+v, missing %v, %+v", got.ids, got.counts, got.found.Missing, got.found.Failures)
		}
	}
	whole := library()
	got := whole.scan(0, false)
	check(got)
	if f := got.found.Failures[0]; f.MediaID != "contradicts" || f.Message != `a manifest names another object beside this media ID than MPS, which has "oss://media-in/b": the row is not used` {
		t.Errorf("%+v", f)
	}
	if want := `"kept as unknown" mediaId=contradicts reason="a manifest names another object`; !strings.Contains(whole.log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, &whole.log)
	}
	r := library()
	if cut := r.scan(1, false); len(cut.found.checkpoints.left()) == 0 {
		t.Fatalf("nothing is pending: %v", cut.found.End())
	}
	check(r.scan(0, false))
	surveyed := 0
	s := library()
	s.scanner.Survey(t.Context(), Request{Request: &trigger.Request{Inventory: true}, AsOf: now}, func(media.Medium) { surveyed++ }).Close()
	if surveyed != 2 {
		t.Errorf("a survey has %d media", surveyed)
	}
}

// Such a row counts although an object of the sources names its medium too.
func TestRowsThatContradictAnObject(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{"listed": "", "in the list before": ",oss://media-in/a\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newResumable(t, 0)
			for key, age := range map[string]int{"a": 400, "kept": 1, "agrees": 400} {
				r.add(testMedium("m"+key, key, age))
				if name == "listed" || key != "a" {
					r.listed = append(r.listed, key)
				}
			}
			slices.Sort(r.listed)
			r.list += row + "ma,oss://media-in/x\nmkept,oss://media-in/x\nmagrees,oss://media-in/agrees\n"
			got := r.scan(0, false)
			if !slices.Equal(got.ids, []string{"magrees"}) || got.counts.Looked != 3 || got.counts.Unknown != 2 || !got.found.Missing || len(got.found.Failures) != 2 {
				t.Errorf("%q, %+v, missing %v, %+v", got.ids, got.counts, got.found.Missing, got.found.Failures)
			}
		})
	}
}
