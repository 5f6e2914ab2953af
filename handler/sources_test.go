package handler_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// withInventory replaces the inventory of the tests' policy.
func withInventory(entries string, more ...string) string {
	return strings.Replace(enforcing, "inventory: [{bucket: oss://media-in/}]", "inventory: ["+entries+"]", 1) + strings.Join(more, "\n")
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a Buffer takes everything
	_ = w.Close()                // as above
	return b.Bytes()
}

// inventoryReport writes a report of OSS Inventory of a bucket's keys into the ops
// bucket, in several files, and returns the key of its manifest.
func (w *world) inventoryReport(folder string, keys []string, files int) string {
	w.t.Helper()
	var list []map[string]any
	for i := range files {
		var rows strings.Builder
		for j := i; j < len(keys); j += files {
			fmt.Fprintf(&rows, "\"media-in\",\"%s\",\"7\",\"2024-05-18T05:45:43.000Z\"\n", url.PathEscape(keys[j]))
		}
		name, body := fmt.Sprintf("%s/data/%d.csv.gz", folder, i), zipped(rows.String())
		w.e.PutObject("ops", name, body, time.Now())
		list = append(list, map[string]any{"key": name, "size": len(body), "MD5checksum": fmt.Sprintf("%X", md5.Sum(body))})
	}
	head, err := json.Marshal(map[string]any{"creationTimestamp": "1642994594", "destinationBucket": "ops", "fileFormat": "CSV",
		"fileSchema": "Bucket, Key, Size, LastModifiedDate", "files": list, "sourceBucket": "media-in", "version": "2019-09-01"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.e.PutObject("ops", folder+"/2026-06-30T16-00Z/manifest.json", head, time.Now())
	w.e.PutObject("ops", folder+"/2026-06-30T16-00Z/manifest.checksum", fmt.Appendf(nil, "%X", md5.Sum(head)), time.Now())
	return folder + "/2026-06-30T16-00Z/manifest.json"
}

// Manifests of every kind lead to the same media, wherever they are named. Rows that
// cannot be read are failures; the others count.
func TestManifests(t *testing.T) {
	const old, young = 30, 5
	fill := func(w *world) (ids, keys []string) {
		for i := range old + young {
			key := fmt.Sprintf("clips/%02d, %%+.mp4", i)
			days := 300
			if i >= old {
				days = 3
			}
			m := w.add(key, days)
			w.e.PutObject("media-in", key, nil, time.Now())
			ids, keys = append(ids, m.ID), append(keys, key)
		}
		return ids, keys
	}
	manifests := map[string]struct {
		write func(w *world, ids, keys []string) (key string)
		bad   int
	}{
		"CSV of IDs": {func(w *world, ids, _ []string) string {
			w.e.PutObject("ops", "lists/a.csv", []byte("title,mediaId\n,"+strings.Join(ids, "\n,")+"\n"), time.Now())
			return "lists/a.csv"
		}, 0},
		"CSV of objects, gzipped, with bad rows": {func(w *world, _, keys []string) string {
			text := "object\nnot an object\n"
			for _, key := range keys {
				text += fmt.Sprintf("\"oss://media-in/%s\"\n", key)
			}
			w.e.PutObject("ops", "lists/a.csv.gz", zipped(text+"oss://\n"), time.Now())
			return "lists/a.csv.gz"
		}, 2},
		"JSON Lines, doubled": {func(w *world, ids, keys []string) string {
			var text strings.Builder
			for i, id := range ids {
				object, _ := json.Marshal("oss://media-in/" + keys[i])
				fmt.Fprintf(&text, "{\"mediaId\":%q}\n{\"object\":%s}\n", id, object)
			}
			for _, id := range ids {
				fmt.Fprintf(&text, "{\"mediaId\":%q}\n", id)
			}
			w.e.PutObject("ops", "lists/a.jsonl", []byte(text.String()), time.Now())
			return "lists/a.jsonl"
		}, 0},
		"OSS Inventory": {func(w *world, _, keys []string) string { return w.inventoryReport("inv/daily", keys, 3) }, 0},
	}
	named := map[string]func(w *world, key string) report.Report{
		"by the inventory": func(w *world, key string) report.Report {
			w.setPolicy(withInventory("{manifest: \"oss://ops/" + key + "\"}"))
			r, _ := w.invoke(everything)
			return r
		},
		"by a request": func(w *world, key string) report.Report {
			w.setPolicy(withInventory(""))
			r, _ := w.invoke(`{"mode":"enforce","manifest":"oss://ops/` + key + `"}`)
			return r
		},
		"by an event": func(w *world, key string) report.Report {
			w.setPolicy(withInventory("", `manifests: ["oss://ops/lists/**", "oss://ops/inv/**/manifest.json"]`))
			r, _ := w.invoke(strings.ReplaceAll(string(ossEvent(key)), "media-in", "ops"))
			return r
		},
	}
	for kind, manifest := range manifests {
		for by, ask := range named {
			t.Run(kind+", "+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, emulator.Config{}, enforcing)
				ids, keys := fill(w)
				key := manifest.write(w, ids, keys)
				r := ask(w, key)
				want := report.Done
				if manifest.bad > 0 {
					want = report.Partial
				}
				c := r.Counts
				if r.Status != want || c.Deleted != old || c.Kept != young || c.Looked != old+young || len(r.Failures) != manifest.bad {
					t.Errorf("%s %s, %+v, %+v", r.Status, r.Error, c, r.Failures)
				}
				for _, failure := range r.Failures {
					if !strings.Contains(failure.Message, "oss://ops/"+key+": line ") {
						t.Errorf("failure %+v", failure)
					}
				}
				got := w.deleted()
				slices.Sort(ids[:old])
				if !slices.Equal(got, ids[:old]) {
					t.Errorf("deleted %d media", len(got))
				}
				w.noViolations()
			})
		}
	}
}

// An incomplete report of OSS Inventory names nothing, and the failure says why.
func TestDamagedInventoryReports(t *testing.T) {
	tests := []struct {
		name    string
		damage  func(w *world)
		deleted int
		status  report.Status
		says    string
	}{
		{"sound", func(*world) {}, 30, report.Done, ""},
		{"a file is another", func(w *world) { w.e.PutObject("ops", "inv/data/1.csv.gz", zipped("media-in,clips/1,7,\n"), time.Now()) }, 0, report.Failed, "checksum"},
		{"a file is missing", func(w *world) { w.e.RemoveObject("ops", "inv/data/1.csv.gz") }, 0, report.Failed, "inv/data/1.csv.gz"},
		{"the manifest is another", func(w *world) {
			o, _ := w.e.Object("ops", "inv/2026-06-30T16-00Z/manifest.json")
			w.e.PutObject("ops", o.Key, append(o.Body, ' '), time.Now())
		}, 0, report.Failed, "checksum"},
		{"the checksum comes late", func(w *world) {
			o, _ := w.e.Object("ops", "inv/2026-06-30T16-00Z/manifest.checksum")
			w.e.RemoveObject("ops", o.Key)
			time.AfterFunc(700*time.Millisecond, func() { w.e.PutObject("ops", o.Key, o.Body, time.Now()) })
		}, 30, report.Done, ""},
		{"the connection breaks", func(w *world) {
			w.e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Truncate, Every: 2})
		}, 30, report.Done, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			onTurnedClock(t, withInventory("{manifest: oss://ops/inv/2026-06-30T16-00Z/manifest.json}"), func(t *testing.T, w *world) {
				var keys []string
				for i := range 30 {
					keys = append(keys, fmt.Sprint("clips/", i))
					w.add(keys[i], 300)
				}
				w.inventoryReport("inv", keys, 3)
				test.damage(w)
				r, _ := w.invoke(everything)
				if r.Status != test.status || len(w.deleted()) != test.deleted {
					t.Errorf("%s %s, %d deleted, %+v", r.Status, r.Error, len(w.deleted()), r.Failures)
				}
				if test.says != "" && (len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, test.says)) {
					t.Errorf("failures %+v", r.Failures)
				}
			})
		})
	}
}

// A medium that several sources name is looked at once, and the report says how many
// each of them named.
func TestSourcesThatOverlap(t *testing.T) {
	w := newWorld(t, emulator.Config{}, withInventory("{bucket: oss://media-in/}, {bucket: oss://media-in/clips/}, {manifest: oss://ops/list.csv}, {workflow: all}, {workflow: transcode}"))
	var ids []string
	run := func(i int, name string) emulator.Run {
		return emulator.Run{ID: fmt.Sprintf("%032x", 7000+i), WorkflowName: name, WorkflowID: strings.Repeat("a", 32), Time: time.Now().Add(-time.Hour), State: "Success"}
	}
	for i := range 40 {
		m := emulator.Medium{Bucket: "media-in", Key: fmt.Sprint("clips/", i), PublishState: "Published", CreationTime: "2020-01-01T00:00:00Z"}
		if i%4 == 0 {
			m.Runs = []emulator.Run{run(2*i, "transcode"), run(2*i+1, "another")}
		}
		m = w.e.Add(m)
		ids = append(ids, m.ID)
		if i < 35 { // the sources of the others are gone
			w.e.PutObject("media-in", m.Key, nil, time.Now())
		} else {
			w.e.RemoveObject("media-in", m.Key)
		}
	}
	w.e.PutObject("media-in", "clips/notes.txt", nil, time.Now())
	w.e.PutObject("ops", "list.csv", []byte("mediaId,object\n"+ids[0]+",\n,oss://media-in/clips/1\n"+ids[36]+",\n,oss://media-in/clips/37\n,oss://media-in/clips/36\n"), time.Now())
	planned := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	if planned.Counts.Looked != 37 || planned.Calls.QueryMediaList != 0 { // an ID is not asked for whose medium has been found
		t.Errorf("%+v, %+v", planned.Counts, planned.Calls)
	}
	if err := os.RemoveAll(filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "index")); err != nil {
		t.Fatal(err)
	}
	r := w.mustInvoke(everything, report.Done)
	want := []report.Source{{Source: "oss://media-in/", Named: 36}, {Source: "oss://media-in/clips/", Named: 36}, {Source: "manifest:oss://ops/list.csv", Named: 5},
		{Source: "workflow:all", Named: 20}, {Source: "workflow:transcode", Named: 10}}
	if !slices.Equal(r.Sources, want) {
		t.Errorf("sources %+v, want %+v", r.Sources, want)
	}
	// 35 of the bucket, 36 and 37 of the manifest; of the workflows nothing new.
	if c := r.Counts; c.Looked != 37 || c.Deleted != 37 || c.ObjectsWithoutMedia != 1 || len(w.deleted()) != 37 {
		t.Errorf("%+v", c)
	}
	w.noViolations()
}

// A workflow names the media of its executions, by all pages, once each.
func TestWorkflows(t *testing.T) {
	for name, want := range map[string]int{"all": 130, "transcode": 100, strings.Repeat("b", 32): 30, "nobody": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{}, withInventory("{workflow: "+name+"}"))
			for i := range 130 {
				r := emulator.Run{ID: fmt.Sprintf("%032x", i), WorkflowName: "transcode", WorkflowID: strings.Repeat("a", 32), Time: time.Now().Add(-time.Hour), State: "Success"}
				if i >= 100 {
					r.WorkflowName, r.WorkflowID = "another", strings.Repeat("b", 32)
				}
				again := r
				again.ID = fmt.Sprintf("%032x", 1000+i)
				w.e.Add(emulator.Medium{Bucket: "media-in", Key: fmt.Sprint("clips/", i), PublishState: "Published", CreationTime: "2020-01-01T00:00:00Z", Runs: []emulator.Run{r, again}})
			}
			r := w.mustInvoke(everything, report.Done)
			if r.Counts.Deleted != want || r.Sources[0].Named != 2*want {
				t.Errorf("%+v, %+v", r.Counts, r.Sources)
			}
			if noted := slices.Contains(r.Notes, `no execution of workflow "nobody" is known: check its spelling`); noted != (want == 0) {
				t.Errorf("notes %q", r.Notes)
			}
			w.noViolations()
		})
	}
}

// A source without permission is a failure. The other sources are swept.
func TestAWorkflowThatMayNotBeAskedFor(t *testing.T) {
	for inventory, want := range map[string]report.Status{"{workflow: all}, {bucket: oss://media-in/}": report.Partial, "{workflow: all}": report.Failed} {
		w := newWorld(t, emulator.Config{Faults: []emulator.Fault{{Operation: "ListMediaWorkflowExecutions", Kind: emulator.Forbidden}}}, withInventory(inventory))
		for i := range 30 {
			w.add(fmt.Sprint("clips/", i), 300)
		}
		r, _ := w.invoke(everything)
		if r.Status != want || len(r.Failures) != 1 || r.Failures[0].Code != "Forbidden.RAM" || !strings.Contains(r.Failures[0].Message, "workflow") {
			t.Errorf("%s: %s %s, %+v", inventory, r.Status, r.Error, r.Failures)
		}
		if gone := len(w.deleted()); (gone == 30) != (want == report.Partial) || r.Calls.ListExecutions != 1 {
			t.Errorf("%s: %d deleted, %+v", inventory, gone, r.Calls)
		}
	}
}

// What fails is in a list, also where the report has no room for it.
func TestMoreFailuresThanAReportHasRoomFor(t *testing.T) {
	w := newWorld(t, emulator.Config{}, withInventory("{manifest: oss://ops/list.csv}"))
	rows := "object\n"
	for i := range 300 {
		if i%2 == 0 {
			rows += fmt.Sprintf("media-in/%d\n", i)
		} else {
			rows += "oss://media-in/" + w.add(fmt.Sprint("clips/", i), 300).Key + "\n"
		}
	}
	w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
	r := w.mustInvoke(everything, report.Partial)
	if r.Counts.Deleted != 150 || len(r.Failures) != 100 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "50 more failures are in failures/") {
		t.Fatalf("%+v, %d failures, %q", r.Counts, len(r.Failures), r.Notes)
	}
	records, err := filepath.Glob(filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "failures", "*", "*.jsonl.gz"))
	if err != nil || len(records) != 1 {
		t.Fatalf("%q, %v", records, err)
	}
	data, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(unzipped)
	n := 100
	for ; lines.Scan(); n++ {
		var failure report.Failure
		if err := json.Unmarshal(lines.Bytes(), &failure); err != nil || !strings.Contains(failure.Message, fmt.Sprintf("line %d:", 2*n+2)) {
			t.Fatalf("failure %d: %s, %v", n, lines.Text(), err)
		}
	}
	if n != 150 {
		t.Errorf("%d failures", n)
	}
}
