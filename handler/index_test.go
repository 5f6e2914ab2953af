package handler_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

var indexed = strings.Replace(enforcing, "expire:", `expire:
  - {name: dated, at: {tag: "expire:"}}
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}`, 1)

// days is a deployment that sweeps once a day, and one beside it that looks at
// everything.
type days struct {
	t     *testing.T
	clock time.Time
	two   [2]*world // the second looks at everything, since it forgets
	rng   *rand.Rand
	n     int
}

func newDays(t *testing.T, policy string) *days {
	d := &days{t: t, clock: time.Now(), rng: rand.New(rand.NewPCG(3, 4))}
	for i := range d.two {
		w := newPipedWorld(t, emulator.Config{}, policy, "MEDIASWEEP_STATE", "file://"+filepath.Join(t.TempDir(), "state"), "MEDIASWEEP_HTTP_AUTH", "function")
		w.now = func() time.Time { return d.clock }
		w.setPolicy(policy)
		d.two[i] = w
	}
	return d
}

// add adds an object with a medium of an age in days to both, or one without.
func (d *days) add(key string, age int, tags ...string) {
	id := fmt.Sprintf("%032d", d.n)
	d.n++
	for _, w := range d.two {
		if age >= 0 {
			w.e.Add(emulator.Medium{ID: id, Bucket: "media-in", Key: key, PublishState: "Published", Tags: tags,
				CreationTime: d.clock.UTC().AddDate(0, 0, -age).Format("2006-01-02T15:04:05Z")})
		}
		w.e.PutObject("media-in", key, nil, d.clock.Add(-48*time.Hour))
	}
}

// sweep sweeps both, and holds the one against the other.
func (d *days) sweep() (r report.Report, calls int) {
	d.t.Helper()
	before := d.two[0].e.Count()["QueryMediaListByURL"]
	if err := os.RemoveAll(filepath.Join(d.folder(1), "index")); err != nil {
		d.t.Fatal(err)
	}
	r = d.two[0].mustInvoke(everything, report.Done)
	whole := d.two[1].mustInvoke(everything, report.Done)
	if r.Counts.Deleted != whole.Counts.Deleted || !slices.Equal(d.two[0].deleted(), d.two[1].deleted()) {
		d.t.Errorf("deleted %d, and %d when everything is looked at", r.Counts.Deleted, whole.Counts.Deleted)
	}
	if r.Sources[0] != whole.Sources[0] {
		d.t.Errorf("%+v are named, and %+v when everything is looked at", r.Sources, whole.Sources)
	}
	return r, d.two[0].e.Count()["QueryMediaListByURL"] - before
}

// hold places holds, and releases those of three days before.
func (d *days) hold(day int) {
	for _, w := range d.two {
		w.hold(fmt.Sprintf("oss://media-in/clips/*%d.mp4", day), "forever")
		w.hold(fmt.Sprintf("%032d", 10*day+5), d.clock.AddDate(0, 0, 2).Format(time.DateOnly))
		if day > 3 {
			w.release(retention.Hold{ID: fmt.Sprint(2*(day-3) - 1)})
		}
	}
}

func (d *days) folder(i int) string {
	return strings.TrimPrefix(d.two[i].env["MEDIASWEEP_STATE"], "file://")
}

func (d *days) records() []string {
	records, err := filepath.Glob(filepath.Join(d.folder(0), "index", "*", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	return records
}

// A daily sweep looks at what is new, changed or due, and deletes what one deletes that
// looks at everything.
func TestDailySweeps(t *testing.T) { turnClock(t, testDailySweeps) }

func testDailySweeps(t *testing.T) {
	d := newDays(t, indexed)
	const objects = 300
	for i := range objects {
		switch {
		case i%10 == 1:
			d.add(fmt.Sprintf("clips/%d.txt", i), -1)
		case i%10 == 2:
			d.add(fmt.Sprintf("series/%d/%d.mp4", i%7, i), d.rng.IntN(60))
		case i%20 == 3:
			d.add(fmt.Sprintf("clips/%d.mp4", i), 300, "legal-hold")
		case i%20 == 4:
			d.add(fmt.Sprintf("clips/%d.mp4", i), 3, "expire:"+d.clock.AddDate(0, 0, d.rng.IntN(20)).Format(time.DateOnly))
		default:
			d.add(fmt.Sprintf("clips/%d.mp4", i), 165+d.rng.IntN(14))
		}
	}
	first, whole := d.sweep()
	if first.Counts.Looked+first.Counts.ObjectsWithoutMedia != objects || len(first.Notes) > 0 {
		t.Errorf("the first sweep: %+v, %q", first.Counts, first.Notes)
	}
	for day := 1; day <= 9; day++ {
		d.clock = d.clock.Add(24 * time.Hour)
		for range 5 {
			d.add(fmt.Sprintf("clips/new-%d.mp4", d.n), d.rng.IntN(200)) // also of old media
		}
		d.add(fmt.Sprintf("clips/%d.txt", 10*day+1), 300) // written again, and now with a medium
		d.hold(day)
		r, calls := d.sweep()
		full := day == 7 // but for what was found out later
		if len(r.Notes) != 1 || !full && calls > whole/3 || full && calls < whole/2 {
			t.Errorf("day %d: %d look-ups, the first had %d; %q", day, calls, whole, r.Notes)
		}
		t.Logf("day %d: %d look-ups, %d deleted", day, calls, r.Counts.Deleted)
	}
	for _, w := range d.two {
		w.noViolations()
	}
}

// So does one whose media are named by lists and workflows: those that are as they were
// are looked at on no day between.
func TestDailySweepsOfLists(t *testing.T) {
	tests := map[string]func(w *world, m []emulator.Medium){
		"{manifest: oss://ops/list.csv}": func(w *world, list []emulator.Medium) {
			text := "object\n"
			for _, m := range list {
				text += "oss://media-in/" + m.Key + "\n"
			}
			w.e.PutObject("ops", "list.csv", []byte(text), time.Now())
		},
		"{manifest: oss://ops/ids.csv}": func(w *world, list []emulator.Medium) {
			text := "mediaId\n"
			for _, m := range list {
				text += m.ID + "\n"
			}
			w.e.PutObject("ops", "ids.csv", []byte(text), time.Now())
		},
		"{manifest: oss://ops/inv/2026-06-30T16-00Z/manifest.json}": func(w *world, list []emulator.Medium) {
			var keys []string
			for _, m := range list {
				keys = append(keys, m.Key)
			}
			w.inventoryReport("inv", keys, 2)
		},
		"{workflow: all}": func(*world, []emulator.Medium) {},
	}
	all := ""
	for entry := range tests {
		all += entry + ", "
	}
	for inventory, write := range tests {
		t.Run(inventory, func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) { testDailySweepsOfLists(t, withInventory(inventory), write) })
		})
	}
	t.Run("all and the bucket", func(t *testing.T) {
		t.Parallel()
		turnClock(t, func(t *testing.T) {
			testDailySweepsOfLists(t, withInventory(all+"{bucket: oss://media-in/}"), func(w *world, list []emulator.Medium) {
				for _, write := range tests {
					write(w, list)
				}
			})
		})
	})
}

func testDailySweepsOfLists(t *testing.T, policy string, write func(w *world, list []emulator.Medium)) {
	d := newDays(t, policy)
	var list []emulator.Medium
	add := func(days int) {
		m := emulator.Medium{ID: fmt.Sprintf("%032d", len(list)), Bucket: "media-in", Key: fmt.Sprintf("clips/%d.mp4", len(list)), PublishState: "Published",
			CreationTime: d.clock.UTC().AddDate(0, 0, -days).Format("2006-01-02T15:04:05Z"),
			Runs:         []emulator.Run{{ID: fmt.Sprintf("%032x", len(list)), WorkflowName: "w", WorkflowID: strings.Repeat("a", 32), Time: d.clock.Add(-time.Hour), State: "Success"}}}
		list = append(list, m)
		for _, w := range d.two {
			w.e.Add(m)
			w.e.PutObject("media-in", m.Key, nil, d.clock.Add(-48*time.Hour))
		}
	}
	sweep := func() (deleted, calls int) {
		for _, w := range d.two {
			write(w, list)
		}
		before := d.two[0].e.Count()
		r, _ := d.sweep()
		after := d.two[0].e.Count()
		return r.Counts.Deleted, after["QueryMediaListByURL"] + after["QueryMediaList"] - before["QueryMediaListByURL"] - before["QueryMediaList"]
	}
	for i := range 200 {
		add(100 + i%79)
	}
	if _, calls := sweep(); calls < 20 {
		t.Fatalf("%d look-ups on the first day", calls)
	}
	for day := range 4 {
		d.clock = d.clock.Add(24 * time.Hour)
		for range 3 {
			add(10)
		}
		add(181)
		deleted, calls := sweep()
		t.Logf("day %d: %d look-ups, %d deleted", day, calls, deleted)
		// What is new and due fits into two look-ups, in either form; then each deletion is read back, and before it.
		if calls > 8 || deleted < 1 {
			t.Errorf("day %d: %d look-ups, %d deleted", day, calls, deleted)
		}
	}
	for _, w := range d.two {
		w.noViolations()
	}
}

// A bucket that is not listed in the order of its keys is swept all the same, in as many
// runs as it takes.
func TestAnUnorderedBucket(t *testing.T) {
	w := newWorld(t, emulator.Config{OSS: emulator.OSSOptions{FoldedOrder: true}}, withInventory("{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}"))
	text := "object\n"
	for i := range 300 {
		key := fmt.Sprintf("%c/%d", "aAbBcC"[i%6], i)
		days := 10
		if i%5 == 0 {
			days = 300
		}
		if i%3 == 0 {
			text += "oss://media-in/" + key + "\n"
		}
		w.add(key, days)
		w.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
	}
	w.e.PutObject("ops", "list.csv", []byte(text), time.Now())
	want := due(w.e.Media(), time.Now())
	r := w.mustInvoke(everything, report.Done)
	if r.Counts.Looked != 300 || !slices.Equal(w.deleted(), want) || r.Sources[0].Named != 300 {
		t.Errorf("%+v, %+v, deleted %d of %d", r.Counts, r.Sources, len(w.deleted()), len(want))
	}
	if r = w.mustInvoke(everything, report.Done); r.Counts.Looked != 0 {
		t.Errorf("on the second day %+v", r.Counts)
	}
	if !strings.Contains(w.log.String(), "not listed in the order") {
		t.Error("the log does not tell")
	}
	w.noViolations()
}

// The report counts rows of an OSS Inventory report whose objects no rule can take. They are not looked up.
func TestRowsThatNoRuleTakes(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(withInventory("{manifest: oss://ops/inv/2026-06-30T16-00Z/manifest.json}"), "{name: everything-else, after: 180d}", "{name: clips, match: {object: [\"oss://media-in/clips/**\"]}, after: 180d}", 1))
	var keys []string
	for i := range 60 {
		key := fmt.Sprintf("%s/%d.mp4", []string{"clips", "drafts", "other"}[i%3], i)
		w.add(key, 300)
		keys = append(keys, key)
	}
	w.inventoryReport("inv", keys, 2)
	r := w.mustInvoke(everything, report.Done)
	if r.Counts.Looked != 40 || r.Counts.Deleted != 20 || r.Sources[0].Named != 60 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "20 rows") {
		t.Errorf("%+v, %+v, %q", r.Counts, r.Sources, r.Notes)
	}
	// What somebody lists is looked at.
	w.e.PutObject("ops", "list.csv", []byte("object\noss://media-in/"+keys[2]+"\noss://media-in/"+keys[5]+"\n"), time.Now())
	if r = w.mustInvoke(`{"manifest":"oss://ops/list.csv"}`, report.Done); r.Counts.Kept != 2 || len(r.Notes) > 0 {
		t.Errorf("%+v, %q", r.Counts, r.Notes)
	}
}

// What is not as the index says is looked at, and so is everything where the index, the
// policy or the bucket is another; never is a decision another.
func TestAnIndexThatIsNotToBeReliedOn(t *testing.T) {
	tests := []struct {
		name   string
		change func(d *days)
		looked bool // at everything
	}{
		{"nothing", func(*days) {}, false},
		{"lost", func(d *days) { _ = os.RemoveAll(filepath.Join(d.folder(0), "index")) }, true},
		{"a segment is lost", func(d *days) { d.each("000001.gz", os.Remove) }, true},
		{"a segment is cut off", func(d *days) {
			d.each("000001.gz", func(path string) error { return os.Truncate(path, 100) })
		}, true},
		{"a segment is empty", func(d *days) {
			d.each("000001.gz", func(path string) error { return os.Truncate(path, 0) })
		}, true},
		{"the generation is damaged", func(d *days) {
			d.each("generation.json", func(path string) error { return os.WriteFile(path, []byte(`{"format":1,`), 0o600) })
		}, true},
		{"of another format", func(d *days) {
			d.each("generation.json", func(path string) error {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				return os.WriteFile(path, []byte(strings.Replace(string(data), `"format":4`, `"format":9`, 1)), 0o600)
			})
		}, true},
		{"another policy", func(d *days) {
			for _, w := range d.two {
				w.setPolicy(strings.Replace(indexed, "after: 180d", "after: 179d", 1))
			}
		}, true},
		{"another mode, guard and pace", func(d *days) {
			for _, w := range d.two {
				w.setPolicy(strings.Replace(indexed, "share: 1", "share: 0.9", 1))
			}
		}, false},
		{"every object was written anew", func(d *days) {
			for _, w := range d.two {
				for _, o := range w.e.Objects("media-in") {
					w.e.PutObject("media-in", o.Key, nil, d.clock.Add(time.Hour))
				}
			}
		}, true},
		{"a week later", func(d *days) { d.clock = d.clock.Add(6 * 24 * time.Hour) }, true},
		{"a shorter week", func(d *days) {
			for _, w := range d.two {
				w.setPolicy("fullEvery: 1d\n" + strings.TrimPrefix(indexed, "\n"))
			}
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				d := newDays(t, indexed)
				for i := range 100 {
					d.add(fmt.Sprintf("clips/%d.mp4", i), 100+d.rng.IntN(70))
				}
				_, whole := d.sweep()
				d.clock = d.clock.Add(24 * time.Hour)
				test.change(d)
				r, calls := d.sweep()
				if everything := calls >= whole; everything != test.looked || test.looked != (len(r.Notes) == 0) {
					t.Errorf("%d look-ups of %d, %q", calls, whole, r.Notes)
				}
			})
		})
	}
}

// each does something to the index's records of a name.
func (d *days) each(name string, do func(path string) error) {
	d.t.Helper()
	n := 0
	for _, path := range d.records() {
		if filepath.Base(path) == name {
			n++
			if err := do(path); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	if n == 0 {
		d.t.Fatalf("no record %s", name)
	}
}

// The guard's percentage is of the library, and not of what a day looks at of it.
func TestTheGuardKnowsTheLibrary(t *testing.T) { turnClock(t, testTheGuardKnowsTheLibrary) }

func testTheGuardKnowsTheLibrary(t *testing.T) {
	d := newDays(t, strings.Replace(indexed, "maxPercent: 100", "maxPercent: 10", 1))
	for i := range 300 {
		d.add(fmt.Sprintf("clips/%d.mp4", i), 10)
	}
	d.sweep()
	d.clock = d.clock.Add(time.Hour)
	for i := range 30 {
		d.add(fmt.Sprintf("clips/old-%d.mp4", i), 300)
	}
	if r, _ := d.sweep(); r.Counts.Deleted != 30 || r.Counts.Looked != 30 {
		t.Errorf("%+v", r.Counts)
	}
	for i := range 40 {
		d.add(fmt.Sprintf("clips/older-%d.mp4", i), 300)
	}
	d.clock = d.clock.Add(time.Hour)
	for _, w := range d.two {
		if r := w.mustInvoke(everything, report.Blocked); !strings.Contains(r.Guard.Reason, "40 of 340 live media") {
			t.Errorf("%s", r.Guard.Reason)
		}
	}
}

// A medium that a bucket and another source name counts once in the guard, and is passed
// over in both.
func TestTheGuardCountsOverlappingSourcesOnce(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(withInventory("{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}"), "maxPercent: 100", "maxPercent: 10", 1))
	rows := "mediaId,object\n"
	for i := range 300 {
		key := fmt.Sprintf("clips/%03d", i)
		m := w.add(key, 10)
		w.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
		if i%2 == 0 {
			rows += m.ID + ",\n"
		} else {
			rows += ",oss://media-in/" + key + "\n"
		}
	}
	w.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
	if r := w.mustInvoke(everything, report.Done); r.Counts.Looked != 300 {
		t.Fatalf("%+v", r.Counts)
	}
	for i := range 40 {
		key := fmt.Sprintf("clips/old-%d", i)
		w.add(key, 300)
		w.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
	}
	r := w.mustInvoke(everything, report.Blocked)
	if !strings.Contains(r.Guard.Reason, "40 of 340 live media") || r.Calls.QueryMediaListByURL != 4 {
		t.Errorf("%s, %+v", r.Guard.Reason, r.Calls)
	}
}

// So does one that is passed over behind its object and is new in a list of IDs.
func TestTheGuardCountsOnceWhatAListNamesLater(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(withInventory("{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}"), "maxPercent: 100", "maxPercent: 10", 1))
	ids := "mediaId\n"
	for i := range 300 {
		key := fmt.Sprintf("clips/%03d", i)
		ids += w.add(key, 10).ID + "\n"
		w.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
	}
	w.e.PutObject("ops", "list.csv", []byte("object\noss://media-in/clips/000\n"), time.Now())
	if r := w.mustInvoke(everything, report.Done); r.Counts.Looked != 300 {
		t.Fatalf("%+v", r.Counts)
	}
	w.e.PutObject("ops", "list.csv", []byte(ids), time.Now())
	for i := range 40 {
		key := fmt.Sprintf("clips/old-%d", i)
		w.add(key, 300)
		w.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
	}
	if r := w.mustInvoke(everything, report.Blocked); !strings.Contains(r.Guard.Reason, "40 of 340 live media") {
		t.Errorf("%s, %+v", r.Guard.Reason, r.Calls)
	}
}

// A new object without a medium, and an incomplete record, are looked up again the next day.
func TestWhatIsNotToldYetIsLookedAtAgain(t *testing.T) {
	d := newDays(t, indexed)
	d.add("clips/known", 10)
	for _, w := range d.two {
		w.e.PutObject("media-in", "clips/soon", nil, d.clock.Add(-time.Minute))
		w.e.Add(emulator.Medium{ID: strings.Repeat("a", 32), Bucket: "media-in", Key: "clips/odd", PublishState: "Published", CreationTime: d.clock.UTC().Add(time.Minute).Format(time.RFC3339)})
		w.e.PutObject("media-in", "clips/odd", nil, d.clock.Add(-48*time.Hour))
	}
	d.sweep()
	d.clock = d.clock.Add(24 * time.Hour)
	for _, w := range d.two {
		w.e.Add(emulator.Medium{ID: strings.Repeat("b", 32), Bucket: "media-in", Key: "clips/soon", PublishState: "Published", CreationTime: "2020-01-01T00:00:00Z"})
		m, _ := w.e.Medium(strings.Repeat("a", 32))
		m.CreationTime = "2020-01-01T00:00:00Z"
		w.e.Add(m)
	}
	if r, _ := d.sweep(); r.Counts.Deleted != 2 {
		t.Errorf("%+v", r.Counts)
	}
}

// A sweep that its deadline stops has not failed if it passed over what earlier sweeps know:
// the store has answered, and the next sweep goes on from there.
func TestASweepThatPassesOverHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, guarded, emulator.MPSOptions{})
		defer s.end()
		for i := range 4000 {
			m := emulator.Medium{Bucket: "media-in", Key: fmt.Sprintf("clips/%05d", i), PublishState: "Published", CreationTime: time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05Z")}
			s.e.PutObject(m.Bucket, m.Key, nil, time.Now())
			s.e.Add(m)
		}
		s.programs = []*program{s.start(0)}
		if r := s.timer(time.Hour); r.Status != report.Done {
			t.Fatalf("%s %s", r.Status, r.Error)
		}
		time.Sleep(24 * time.Hour)
		before := len(s.e.Calls())
		if r := s.timer(time.Hour); r.Status != report.Done {
			t.Fatalf("%s %s", r.Status, r.Error)
		}
		listings := 0 // up to the first of the objects
		for _, call := range s.e.Calls()[before:] {
			if call.Operation == "ListObjectsV2" {
				listings++
				if call.Bucket == "media-in" {
					break
				}
			}
		}
		time.Sleep(24 * time.Hour)
		s.e.Inject(emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Latency, Delay: time.Minute, After: listings})
		if r := s.timer(8 * time.Second); r.Status != report.Incomplete {
			t.Errorf("%s %s, %+v", r.Status, r.Error, r.Counts)
		}
	})
}
