package handler_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// history asks the route of a medium's history, and expects a status.
func (w *world) history(name string, want int) history.History {
	w.t.Helper()
	status, answer := w.ask("GET", "/v1/media/"+url.PathEscape(name)+"/history", "")
	var found history.History
	if err := json.Unmarshal([]byte(answer), &found); err != nil || status != want {
		w.t.Fatalf("history of %s: status %d, want %d: %s", name, status, want, answer)
	}
	return found
}

// outcomes lists the outcomes of a history, the newest first.
func outcomes(found history.History) (list []journal.Became) {
	for _, d := range found.Decisions {
		list = append(list, d.Outcome)
	}
	return list
}

// Sweeps, events and requests appear in the history of each medium, with state in a folder and in OSS.
func TestHistoryAgreesWithTheRuns(t *testing.T) {
	for name, stored := range map[string]string{"folder": "", "OSS": "oss://ops/state/"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
			if stored != "" {
				w.env["MEDIASWEEP_STATE"] = stored
				w.setPolicy(enforcing)
			}
			for i := range 4 {
				w.add(fmt.Sprintf("clips/%d, 50%%.mp4", i), 300)
				w.e.PutObject("media-in", fmt.Sprintf("clips/%d, 50%%.mp4", i), nil, time.Now())
			}
			runs := map[string]report.Report{}
			for i := range 3 {
				key := fmt.Sprintf("clips/event %d.mp4", i)
				w.add(key, 300)
				r := w.mustInvoke(string(ossEvent(key)), report.Done)
				runs[r.Run] = r
			}
			kept := w.add("clips/young.mp4", 3)
			for range 2 {
				r := w.mustInvoke(everything, report.Done)
				runs[r.Run] = r
			}
			for _, m := range w.e.Media() {
				want := []journal.Became{journal.Deleted}
				if m.ID == kept.ID {
					want = nil
				}
				object := fmt.Sprintf("oss://%s/%s", m.Bucket, m.Key)
				for _, name := range []string{m.ID, object} {
					found := w.history(name, http.StatusOK)
					if got := outcomes(found); !slices.Equal(got, want) {
						t.Fatalf("history of %s: %v, want %v", name, got, want)
					}
					for _, d := range found.Decisions {
						run := runs[d.Run]
						if d.MediaID != m.ID || d.Object != object || d.Title != m.Title || d.Plan != run.Plan || d.Policy != run.Policy || d.Rule != "everything-else" || !strings.Contains(d.Reason, "expired since") {
							t.Errorf("history of %s: %+v, of run %+v", name, d, run)
						}
					}
				}
				if m.ID == kept.ID {
					continue
				}
				e := w.explain(&trigger.Request{MediaIDs: []string{m.ID}})
				if e.Verdict != retention.Absent || e.Deleted == nil || e.Deleted.Run != w.history(m.ID, http.StatusOK).Decisions[0].Run || !strings.Contains(e.Deleted.Next, m.ID) {
					t.Errorf("explanation of a deleted medium: %+v", e)
				}
			}
			deleted := w.history("oss://media-in/clips/0, 50%.mp4", http.StatusOK).Decisions[0]
			back := w.restore(deleted.Run, deleted.MediaID)
			for _, name := range []string{deleted.MediaID, deleted.Object, back.Restore.Media[0].NewID} {
				found := w.history(name, http.StatusOK)
				if d := found.Decisions[0]; d.Outcome != history.Restored || d.NewID != back.Restore.Media[0].NewID || d.Run != deleted.Run || found.Next != "" {
					t.Errorf("history of restored %s: %+v", name, found)
				}
			}
			if e := w.explain(&trigger.Request{MediaIDs: []string{deleted.MediaID}}); e.Deleted == nil || e.Deleted.Next != "it was restored as "+back.Restore.Media[0].NewID {
				t.Errorf("explanation of a restored medium: %+v", e)
			}
			w.history("no,id", http.StatusBadRequest)
			w.history("oss://b", http.StatusBadRequest)
		})
	}
}

// A run whose history cannot be written deletes all the same, and says so.
func TestHistoryNotWritten(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.add("clips/old.mp4", 300)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "history"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.mustInvoke(everything, report.Done)
	if r.Counts.Deleted != 1 || !strings.Contains(strings.Join(r.Notes, " "), "history lacks 1 media") {
		t.Errorf("%+v", r)
	}
}

// The next scheduled run adds to the history what an earlier version left, which had none.
func TestHistoryOfAnEarlierVersion(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
	for i := range 12 {
		w.add(fmt.Sprintf("clips/%d.mp4", i), 300)
		w.e.PutObject("media-in", fmt.Sprintf("clips/%d.mp4", i), nil, time.Now())
	}
	w.mustInvoke(string(ossEvent("clips/3.mp4")), report.Done)
	w.mustInvoke(everything, report.Done)
	want := map[string]history.History{}
	for _, m := range w.e.Media() {
		want[m.ID] = w.history(m.ID, http.StatusOK)
	}
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := os.RemoveAll(filepath.Join(folder, "history")); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().AddDate(0, 0, -1).Truncate(time.Second)
	records, err := filepath.Glob(filepath.Join(folder, "ledger/*/*"))
	if err != nil || len(records) != 2 {
		t.Fatal(records, err)
	}
	for _, record := range records {
		if err := os.Chtimes(record, yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	id := w.e.Media()[0].ID
	if found := w.history(id, http.StatusOK); len(found.Decisions) > 0 || !strings.Contains(strings.Join(found.Notes, " "), "earlier version") {
		t.Errorf("before the run: %+v", found)
	}
	fresh := w.add("clips/new.mp4", 300)
	w.mustInvoke(everything, report.Done)
	for id, want := range want {
		found := w.history(id, http.StatusOK)
		for i := range want.Decisions {
			want.Decisions[i].At = yesterday.UTC()
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("history of %s (-want +got):\n%s", id, diff)
		}
	}
	if found := w.history(fresh.ID, http.StatusOK); len(found.Decisions) != 1 {
		t.Errorf("history of a medium that the run deleted: %+v", found)
	}
	if e := w.explain(&trigger.Request{MediaIDs: []string{id}}); e.Deleted == nil || e.Deleted.Run != want[id].Decisions[0].Run {
		t.Errorf("explanation: %+v", e)
	}
}
