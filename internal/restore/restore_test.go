package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/segments"
)

// A medium is added once, after the record of its hold. The history then has it.
func TestRestore(t *testing.T) {
	w, of := newWorld(t, 12)
	w.onAdd = func(_ int, of media.Object) (string, error) {
		if len(w.records("marks/")) == 0 {
			t.Errorf("%s is added before its hold is recorded", of)
		}
		return w.put(of), nil
	}
	results, err := w.run(t.Context(), t.Context(), of)
	if err != nil || len(results) != 12 || len(w.added) != 12 {
		t.Fatalf("%d results, %d added: %v", len(results), len(w.added), err)
	}
	if one := results["m0003"]; one.Result != report.Restored || one.NewID != "new-clips-3" || one.Object != "oss://media-in/clips/3" {
		t.Errorf("%+v", one)
	}
	if len(w.records("history/new/")) == 0 {
		t.Error("the history has none of them")
	}
	again, err := w.run(t.Context(), t.Context(), of)
	if one := again["m0003"]; err != nil || one.Result != report.Skipped || !strings.Contains(one.Reason, "has a medium: new-clips-3") || len(w.added) != 12 {
		t.Errorf("a second restore: %+v, %d added: %v", one, len(w.added), err)
	}
}

// A run restores what it deleted or may have deleted. What another run has settled has that run's outcome.
func TestWhoDeletedAMedium(t *testing.T) {
	for became, want := range map[journal.Became][2]string{ // the reasons for the run that began the plan, and for the one that finished it
		journal.Deleted: {"the run did not delete it: run second did", ""}, journal.Unverified: {"the run did not delete it: run second did", ""}, journal.Lost: {"", ""},
		journal.Gone: {"the run did not delete it: gone", "the run did not delete it: gone"}, journal.Failed: {"the run did not delete it: failed", "the run did not delete it: failed"},
	} {
		for i, run := range []string{"run", "second"} {
			w, of := newWorld(t, 1)
			m := testMedium("a", "clips/9", "Published")
			of.Run, of.Plan = run, w.plan(region, m)
			if _, err := journal.AddOutcomes(t.Context(), w.Store, "run", 1, []journal.Outcome{{MediaID: m.ID, Became: became, Plan: of.Plan, Runs: []string{"run", "second"}}}); err != nil {
				t.Fatal(err)
			}
			results, err := w.run(t.Context(), t.Context(), of)
			if one := results["a"]; err != nil || one.Reason != want[i] || (one.Result == report.Restored) != (want[i] == "") {
				t.Errorf("%s, restore of %s: %+v, %v", became, run, one, err)
			}
		}
	}
}

// Two deleted media of one object come back as one.
func TestTwoMediaOfOneObject(t *testing.T) {
	w, _ := newWorld(t, 1)
	list := []media.Medium{testMedium("a", "x", "Published"), testMedium("b", "x", "Published"), testMedium("c", "y", "Published")}
	results, err := w.run(t.Context(), t.Context(), Deletion{Run: "other", Plan: w.plan(region, list...), Outcomes: "other", Interrupted: true})
	if err != nil || len(w.added) != 2 || results["a"].Result != report.Restored || results["b"].Result != report.Skipped || !strings.HasSuffix(results["b"].Reason, "another medium: a") || results["c"].Result != report.Restored {
		t.Errorf("%+v, %d added: %v", results, len(w.added), err)
	}
}

// Media are restored by the thousand. A dry run counts what the restore then brings back.
func TestADryRunOfTwoMediaOfOneObject(t *testing.T) {
	w, _ := newWorld(t, 1)
	list := []media.Medium{testMedium("a", "x", "Published")}
	for i := range segments.MaxLines {
		list = append(list, testMedium(fmt.Sprintf("m%04d", i), fmt.Sprintf("clips/%d", i), "Published"))
	}
	list = append(list, testMedium("z", "x", "Published"))
	of := Deletion{Run: "other", Plan: w.plan(region, list...), Outcomes: "other", Interrupted: true}
	for _, w.DryRun = range []bool{true, false} {
		restored := 0
		results, err := w.run(t.Context(), t.Context(), of)
		for _, one := range results {
			if one.Result == report.Restored {
				restored++
			}
		}
		if err != nil || restored != segments.MaxLines+1 || results["z"].Result != report.Skipped {
			t.Errorf("dry run %t: %d restored, %+v: %v", w.DryRun, restored, results["z"], err)
		}
	}
}

// What makes a restore fail, or leave out a medium, before it changes anything.
func TestWhatIsNotRestored(t *testing.T) {
	for name, test := range map[string]struct {
		set    func(w *world, of *Deletion)
		err    string
		result report.Restoration // of the medium of object(1)
		reason string
	}{
		"without the record of a hold": {func(w *world, _ *Deletion) { w.down = "marks/" }, "hold the restored media", "", ""},
		"a plan of another region": {func(w *world, of *Deletion) {
			of.Plan = w.plan("cn-beijing", testMedium("m1", "clips/1", "Published"))
			of.Outcomes = "none"
			of.Interrupted = true
		}, "of region", "", ""},
		"a look-up that fails":         {func(w *world, _ *Deletion) { w.looks = errDown }, errDown.Error(), "", ""},
		"a source that is gone":        {func(w *world, _ *Deletion) { w.gone[object(1)] = true }, "", report.Skipped, "is gone"},
		"a source that is not checked": {func(w *world, _ *Deletion) { w.exists = errDown }, "", report.NotRestored, errDown.Error()},
		"a live medium":                {func(w *world, _ *Deletion) { w.live[object(1)] = testMedium("x", "clips/1", "Published") }, "", report.Skipped, "has a medium: x"},
		"a live medium that escaped slashes find": {func(w *world, _ *Deletion) {
			w.live[object(1)], w.escaped[object(1)] = testMedium("x", "clips/1", "Published"), true
		}, "", report.Skipped, "has a medium: x"},
		"a medium that another run deleted": {func(w *world, of *Deletion) { of.Run = "another" }, "", report.Skipped, "the run did not delete it"},
		"a dry run":                         {func(w *world, _ *Deletion) { w.DryRun = true }, "", report.Restored, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, of := newWorld(t, 3)
			test.set(w, &of)
			results, err := w.run(t.Context(), t.Context(), of)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if one := results["m0001"]; one.Result != test.result || !strings.Contains(one.Reason, test.reason) {
				t.Errorf("%+v, want %s with %q", one, test.result, test.reason)
			}
			for _, of := range w.added {
				if test.result != report.Skipped || of == object(1) {
					t.Errorf("%s is added", of)
				}
			}
			if w.DryRun && len(w.records("marks/"))+len(w.records("history/")) > 0 {
				t.Error("a dry run leaves records")
			}
		})
	}
}

// AddMedia takes tags as one list with commas. A medium with a tag that it would change fails before any call, unless its
// object is gone or has a medium: then nobody has to add it.
func TestTagsThatAddMediaWouldChange(t *testing.T) {
	for tags, want := range map[string]report.Restoration{
		`{"Tag":["a","b c"]}`: report.Restored, `{"Tag":[]}`: report.Restored, `{}`: report.Restored, `""`: report.Restored, `[]`: report.Restored, `null`: report.Restored,
		`{"Tag":["a","b,c"]}`: report.NotRestored, `{"Tag":[" a"]}`: report.NotRestored, `{"Tag":"a,b"}`: report.NotRestored, `["a"]`: report.NotRestored,
	} {
		for name, set := range map[string]func(w *world){
			"": func(*world) {}, "its object is gone": func(w *world) { w.gone[object(1)] = true },
			"its object has a medium": func(w *world) { w.live[object(1)] = testMedium("x", "clips/1", "Published") },
		} {
			w, _ := newWorld(t, 1)
			set(w)
			m := testMedium("a", "clips/1", "Published")
			m.Record = slices.Concat(m.Record[:len(m.Record)-1], []byte(`,"Tags":`+tags+`}`))
			results, err := w.run(t.Context(), t.Context(), Deletion{Run: "other", Plan: w.plan(region, m), Outcomes: "other", Interrupted: true})
			one, want := results["a"], want
			if name != "" {
				want = report.Skipped
			}
			if err != nil || one.Result != want || !strings.HasPrefix(one.Reason, name) || (want == report.Restored) != (len(w.added) == 1) {
				t.Errorf("%s, %s: %+v, %d added: %v", tags, name, one, len(w.added), err)
			}
			if want == report.NotRestored && !strings.Contains(one.Reason, "comma") {
				t.Errorf("%s: %s", tags, one.Reason)
			}
		}
	}
}

// A field that is no text costs the field, and not the medium: rules that need none of them may have deleted it.
func TestFieldsOfAnotherType(t *testing.T) {
	sound := mps.Texts{Title: "t", Description: "d", CoverURL: "c", Category: "83"}
	without := func(drop func(texts *mps.Texts)) mps.Texts {
		texts := sound
		drop(&texts)
		return texts
	}
	for fields, want := range map[string]mps.Texts{
		`"Title":"t","Description":"d","CoverURL":"c","CateId":83`:               sound,
		`"Title":"t","Description":"d","CoverURL":"c","CateId":"83"`:             sound,
		`"Title":"t","Description":"d","CoverURL":"c","CateId":""`:               without(func(texts *mps.Texts) { texts.Category = "" }),
		`"Title":"t","Description":"d","CoverURL":"c","CateId":-1`:               without(func(texts *mps.Texts) { texts.Category = "" }),
		`"Title":"t","Description":"d","CoverURL":"c","CateId":{}`:               without(func(texts *mps.Texts) { texts.Category = "" }),
		`"Title":"t","Description":"d","CoverURL":"c","CateId":null`:             without(func(texts *mps.Texts) { texts.Category = "" }),
		`"Title":5,"Description":"d","CoverURL":"c","CateId":83`:                 without(func(texts *mps.Texts) { texts.Title = "" }),
		`"Title":"t","Description":["d"],"CoverURL":"c","CateId":83`:             without(func(texts *mps.Texts) { texts.Description = "" }),
		`"Title":"t","Description":"d","CoverURL":false,"CateId":83`:             without(func(texts *mps.Texts) { texts.CoverURL = "" }),
		`"Title":null,"Description":null,"CoverURL":null,"CateId":null`:          {},
		`"Description":"d \u00e9 \"q\"","CoverURL":"","CateId":"0083","Size":{}`: {Description: "d é \"q\""},
	} {
		w, _ := newWorld(t, 1)
		m := media.Medium{ID: "a", State: "Published", Record: []byte(`{"MediaId":"a","PublishState":"Published","CreationTime":"2025-06-30T00:00:00Z",` +
			`"File":{"URL":"http://media-in.oss-cn-shanghai.aliyuncs.com/clips/1"},` + fields + `}`)}
		results, err := w.run(t.Context(), t.Context(), Deletion{Run: "other", Plan: w.plan(region, m), Outcomes: "other", Interrupted: true})
		if one := results["a"]; err != nil || one.Result != report.Restored {
			t.Errorf("%s: %+v, %v", fields, one, err)
		}
		if diff := cmp.Diff(want, w.texts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fields, diff)
		}
	}
}

// A medium that is deleted, or has a tombstone, does not keep its object from being restored.
func TestDeletedMediaAreInNoWay(t *testing.T) {
	w, of := newWorld(t, 2)
	w.live[object(0)] = testMedium("m0000", "clips/0", media.StateDeleted)
	w.live[object(1)] = testMedium("m0001", "clips/1", media.StateInitiated)
	deleted := []journal.Tombstone{{MediaID: "m0001", Created: w.live[object(1)].Created.Unix()}}
	if err := errors.Join(journal.AddTombstones(t.Context(), w.Store, w.Now(), deleted, nil), w.Marks.Refresh(t.Context(), w.Store)); err != nil {
		t.Fatal(err)
	}
	results, err := w.run(t.Context(), t.Context(), of)
	if err != nil || results["m0000"].Result != report.Restored || results["m0001"].Result != report.Restored {
		t.Errorf("%+v: %v", results, err)
	}
}

// A run of a repeated request has two plans. A medium that both have is restored by the plan of its outcome.
func TestAMediumOfTwoPlans(t *testing.T) {
	w, of := newWorld(t, 3)
	first, second := testMedium("m0001", "clips/1", "Published"), testMedium("m0009", "clips/9", "Published")
	made := w.plan(region, first, second)
	if _, err := journal.AddOutcomes(t.Context(), w.Store, "run", 1, []journal.Outcome{{MediaID: second.ID, Became: journal.Deleted, Plan: made}}); err != nil {
		t.Fatal(err)
	}
	if results, err := w.run(t.Context(), t.Context(), of); err != nil || len(results) != 4 || len(w.added) != 4 {
		t.Errorf("%d results, %d added: %v", len(results), len(w.added), err)
	}
}

// An AddMedia call whose outcome is unknown is repeated, unless its medium is there.
func TestTriesOfAnAddition(t *testing.T) {
	refusal := func(kind mps.Kind) error { return &mps.Error{Op: mps.AddMedia, Kind: kind, Message: "refused"} }
	for name, test := range map[string]struct {
		add    func(w *world, of media.Object) (string, error)
		calls  int
		result report.Restoration
	}{
		"rejected":           {func(*world, media.Object) (string, error) { return "", refusal(mps.Rejected) }, 1, report.NotRestored},
		"lost, and added":    {func(w *world, of media.Object) (string, error) { w.put(of); return "", refusal(mps.Ambiguous) }, 1, report.Restored},
		"lost, and not":      {func(*world, media.Object) (string, error) { return "", refusal(mps.Ambiguous) }, mps.MaxTries, report.NotRestored},
		"no ID, and added":   {func(w *world, of media.Object) (string, error) { w.put(of); return "", nil }, 1, report.Restored},
		"no ID, and nothing": {func(*world, media.Object) (string, error) { return "", nil }, mps.MaxTries, report.NotRestored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, of := newWorld(t, 1)
				w.onAdd = func(_ int, of media.Object) (string, error) { return test.add(w, of) }
				results, err := w.run(t.Context(), t.Context(), of)
				one := results["m0000"]
				if err != nil || len(w.added) != test.calls || one.Result != test.result || (one.NewID != "") != (test.result == report.Restored) {
					t.Errorf("%d calls, want %d: %+v, %v", len(w.added), test.calls, one, err)
				}
			})
		})
	}
}

// After a refused permission no further medium is tried, nor after the end of the time to admit.
func TestARestoreThatEnds(t *testing.T) {
	const many = 10 * adding
	t.Run("without permission", func(t *testing.T) {
		w, of := newWorld(t, many)
		w.onAdd = func(int, media.Object) (string, error) {
			return "", &mps.Error{Op: mps.AddMedia, Kind: mps.Unauthorized, Message: "refused"}
		}
		_, err := w.run(t.Context(), t.Context(), of)
		var refusal *mps.Error
		if !errors.As(err, &refusal) || refusal.Kind != mps.Unauthorized || len(w.added) > 2*adding {
			t.Errorf("%d calls: %v", len(w.added), err)
		}
	})
	t.Run("without time", func(t *testing.T) {
		w, of := newWorld(t, many)
		admit, end := context.WithCancel(t.Context())
		w.onAdd = func(call int, of media.Object) (string, error) {
			if call == adding {
				end()
			}
			return w.put(of), nil
		}
		results, err := w.run(t.Context(), admit, of)
		if !errors.Is(err, context.Canceled) || len(results) != len(w.added) || len(w.added) > 3*adding {
			t.Errorf("%d results, %d added: %v", len(results), len(w.added), err)
		}
	})
}
