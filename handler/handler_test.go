package handler_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

const enforcing = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
protect:
  - {name: legal-hold, match: {tags: [legal-hold]}}
expire:
  - {name: drafts, match: {object: ["oss://media-in/drafts/**"], state: [Initiated, UnPublish]}, after: 7d}
  - {name: everything-else, after: 180d}
guard: {maxPercent: 100}
pace: {share: 1}
`

var dryRun = strings.Replace(enforcing, "mode: enforce", "mode: dry-run", 1)

// world is an emulated cloud with a function in it.
type world struct {
	t   *testing.T
	e   *emulator.Emulator
	env map[string]string
	log processLog
	now func() time.Time
	// dial opens connections to the services; nil means through the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	f    *handler.Function
	// requests counts the platform's requests. Each has an ID.
	requests int
}

// processLog is the log of all processes of a world. They share no lock of their own.
type processLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *processLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *processLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *processLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

func newWorld(t *testing.T, config emulator.Config, policy string, env ...string) *world {
	t.Helper()
	e, err := emulator.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	w := &world{t: t, e: e, env: e.Env()}
	if network, ok := config.Listener.(*emulator.Pipes); ok {
		w.dial = network.Dial
	}
	dir := t.TempDir()
	w.env["MEDIASWEEP_POLICY"] = filepath.Join(dir, "retention.yaml")
	w.env["MEDIASWEEP_STATE"] = "file://" + filepath.Join(dir, "state")
	for i := 0; i < len(env); i += 2 {
		w.env[env[i]] = env[i+1]
	}
	w.setPolicy(policy)
	return w
}

// setPolicy deploys the function again, with another policy.
func (w *world) setPolicy(policy string) {
	w.t.Helper()
	if err := os.WriteFile(w.env["MEDIASWEEP_POLICY"], []byte(policy), 0o600); err != nil {
		w.t.Fatal(err)
	}
	env := maps.Clone(w.env)
	w.f = handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: &w.log, Now: w.now, Dial: w.dial})
}

// onTurnedClock tests a world on a turned clock: what happens at the same time does so on any machine.
func onTurnedClock(t *testing.T, policy string, test func(t *testing.T, w *world)) {
	t.Helper()
	turnClock(t, func(t *testing.T) { test(t, newPipedWorld(t, emulator.Config{}, policy)) })
}

// turnClock runs a test on a turned clock.
func turnClock(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// The clock starts in the year 2000, and no record of before 2010 is believed.
		time.Sleep(time.Until(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)))
		test(t)
	})
}

// newPipedWorld returns a world for a turned clock: no network carries its connections.
func newPipedWorld(t *testing.T, config emulator.Config, policy string, env ...string) *world {
	t.Helper()
	config.Listener = emulator.NewPipes()
	return newWorld(t, config, policy, env...)
}

// invoke answers one payload, with the report if the run has one.
func (w *world) invoke(payload string) (report.Report, error) {
	w.t.Helper()
	w.requests++
	body, err := w.f.Invoke(context.Background(), handler.Call{RequestID: fmt.Sprint("request-", w.requests)}, []byte(payload))
	var r report.Report
	if jsonErr := json.Unmarshal(body, &r); jsonErr != nil {
		w.t.Fatalf("answer %s: %v", body, jsonErr)
	}
	return r, err
}

func (w *world) mustInvoke(payload string, status report.Status) report.Report {
	w.t.Helper()
	r, err := w.invoke(payload)
	if r.Status != status {
		w.t.Fatalf("status %s (%v, %s), want %s", r.Status, err, r.Guard.Reason, status)
	}
	return r
}

// sent returns the IDs of each DeleteMedia call.
func (w *world) sent() [][]string {
	var batches [][]string
	for _, call := range w.e.Calls() {
		if call.Operation == "DeleteMedia" {
			batches = append(batches, call.MediaIDs)
		}
	}
	return batches
}

func (w *world) noViolations() {
	w.t.Helper()
	if violations := w.e.Violations(); len(violations) > 0 {
		w.t.Errorf("calls broke rules of the services: %q", violations)
	}
}

// deleted returns the IDs that the library has deleted.
func (w *world) deleted() []string {
	var ids []string
	for _, m := range w.e.Media() {
		if m.Deleted {
			ids = append(ids, m.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// due says, without the program's own code, which live media the test's policy
// takes.
func due(media []emulator.Medium, now time.Time) []string {
	var ids []string
	for _, m := range media {
		created, err := time.Parse("2006-01-02T15:04:05Z", m.CreationTime)
		if err != nil || m.Deleted || created.After(now) || slices.Contains(m.Tags, "legal-hold") {
			continue
		}
		age := 180 * 24 * time.Hour
		if strings.HasPrefix(m.Key, "drafts/") && m.PublishState != "Published" {
			age = 7 * 24 * time.Hour
		}
		if now.Sub(created) >= age {
			ids = append(ids, m.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

const everything = `{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`

func timer(payload string) string {
	text, _ := json.Marshal(payload)
	return fmt.Sprintf(`{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":%s}`, text)
}

func request(scope string, values []string) string {
	list, _ := json.Marshal(values)
	return fmt.Sprintf(`{%q:%s}`, scope, list)
}

func TestSweepOfTheInventory(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 400, Seed: 3}, enforcing)
	want := due(w.e.Media(), time.Now())
	already := w.deleted()
	sources := w.e.Objects("media-in")
	r := w.mustInvoke(everything, report.Done)

	got := slices.DeleteFunc(w.deleted(), func(id string) bool { return slices.Contains(already, id) })
	if !slices.Equal(got, want) {
		t.Errorf("deleted %d media, %d are due", len(got), len(want))
	}
	if c := r.Counts; c.Deleted != len(want) || c.Pending+c.Failed+c.Unverified+c.Gone > 0 || c.Unknown == 0 || c.Protected == 0 || c.ObjectsWithoutMedia == 0 {
		t.Errorf("counts %+v, %d are due", c, len(want))
	}
	for i, batch := range w.sent() {
		if len(batch) > 10 || len(batch) < 10 && i < len(w.sent())-1 && len(want)%10 == 0 {
			t.Errorf("batch %d has %d IDs", i, len(batch))
		}
	}
	if r.Calls.DeleteMedia != (len(want)+9)/10 || r.Calls.QueryMediaList != r.Calls.DeleteMedia {
		t.Errorf("calls %+v for %d media", r.Calls, len(want))
	}
	if r.Run != "request-1" || r.Trigger != "timer" || r.Mode != "enforce" || r.Policy == "" || r.Plan == "" {
		t.Errorf("report %+v", r)
	}
	if after := w.e.Objects("media-in"); len(after) != len(sources) {
		t.Errorf("%d source objects before and %d after", len(sources), len(after))
	}
	w.noViolations()
	if !strings.Contains(w.log.String(), `"msg":"run finished"`) {
		t.Errorf("the log has no line for the end: %s", w.log.String())
	}

	again := w.mustInvoke(everything, report.Done)
	if again.Counts.Expired != 0 || again.Calls.DeleteMedia != 0 {
		t.Errorf("a second run deletes again: %+v", again.Counts)
	}
}

func TestGivenIDs(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	now := time.Now().UTC()
	var given, want []string
	for i := range 137 {
		m := emulator.Medium{CreationTime: now.AddDate(0, 0, -i*3).Format(time.RFC3339)}
		if i%10 == 0 {
			m.Tags = []string{"legal-hold"}
		}
		given = append(given, w.e.Add(m).ID)
	}
	want = due(w.e.Media(), now)
	other := w.e.Add(emulator.Medium{CreationTime: "2020-01-01T00:00:00Z"}) // not asked for

	r := w.mustInvoke(timer(request("mediaIds", append(given, given[0], "unknown"))), report.Done)
	if c := r.Counts; c.Looked != 138 || c.Absent != 1 || c.Deleted != len(want) {
		t.Errorf("counts %+v, %d are due", c, len(want))
	}
	if got := w.deleted(); !slices.Equal(got, want) {
		t.Errorf("deleted %d media, %d are due", len(got), len(want))
	}
	short := 0
	for _, batch := range w.sent() {
		if len(batch) > 10 || slices.Contains(batch, other.ID) {
			t.Errorf("batch %v", batch)
		}
		if len(batch) < 10 {
			short++
		}
	}
	if short > 1 || len(w.sent()) != (len(want)+9)/10 {
		t.Errorf("%d calls, %d of them not full, for %d media", len(w.sent()), short, len(want))
	}
	w.noViolations()
}

// TestDryRunAndEnforceMakeOnePlan is promise 5.
func TestDryRunAndEnforceMakeOnePlan(t *testing.T) {
	now := time.Now()
	w := newWorld(t, emulator.Config{Media: 200, Seed: 5}, dryRun)
	w.now = func() time.Time { return now }
	w.setPolicy(dryRun)
	dry := w.mustInvoke(everything, report.Done)
	if dry.Counts.Pending != dry.Counts.Expired || dry.Counts.Expired == 0 || len(w.sent()) > 0 {
		t.Errorf("a dry run: %+v, %d deletions", dry.Counts, len(w.sent()))
	}
	w.setPolicy(enforcing)
	asked := w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
	real := w.mustInvoke(everything, report.Done)
	if dry.Plan != asked.Plan || asked.Plan != real.Plan || dry.Plan == "" {
		t.Errorf("plans %s, %s and %s", dry.Plan, asked.Plan, real.Plan)
	}
	if asked.Mode != "dry-run" || real.Counts.Deleted != dry.Counts.Pending {
		t.Errorf("modes %s and %s, %d pending and %d deleted", asked.Mode, real.Mode, dry.Counts.Pending, real.Counts.Deleted)
	}
}

// planEntry holds the fields of a saved plan's entry that tests read.
type planEntry struct {
	MediaID string
	Rule    string
	Record  struct {
		MediaId, Title string
		File           struct{ URL string }
		PlayList       struct{ Play []any }
	}
}

// segmentEntries reads a segment of a plan.
func segmentEntries(t *testing.T, segment []byte) (entries []planEntry) {
	t.Helper()
	lines, err := gzip.NewReader(bytes.NewReader(segment))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(lines)
	for decoder.More() {
		var entry planEntry
		if err := decoder.Decode(&entry); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

// planEntries reads a plan from a state folder: its contents, then its segments.
func planEntries(t *testing.T, folder, id string) []planEntry {
	t.Helper()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var contents struct {
		ID       string
		Entries  int
		Segments []string
	}
	if err := json.Unmarshal(read("plans/"+strings.ReplaceAll(id, ":", "-")+"/plan.json"), &contents); err != nil {
		t.Fatal(err)
	}
	var entries []planEntry
	for _, name := range contents.Segments {
		entries = append(entries, segmentEntries(t, read(name))...)
	}
	if len(entries) != contents.Entries || contents.ID != id {
		t.Errorf("plan %s of %d entries, the segments of %s have %d", contents.ID, contents.Entries, id, len(entries))
	}
	return entries
}

// TestRecordsAreInThePlanBeforeTheirIDsAreSent is promise 3: a plan that cannot
// be written deletes nothing, and whatever was sent has its whole record in it.
func TestRecordsAreInThePlanBeforeTheirIDsAreSent(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 200}, enforcing)
	folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // a file where the folder would be
		t.Fatal(err)
	}
	r, err := w.invoke(everything)
	if r.Status != report.Failed || err == nil || len(w.sent()) > 0 {
		t.Fatalf("without a plan: %s, %v, %d deletions", r.Status, err, len(w.sent()))
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	r = w.mustInvoke(everything, report.Done)
	planned := map[string]bool{}
	for _, entry := range planEntries(t, folder, r.Plan) {
		m, _ := w.e.Medium(entry.MediaID)
		planned[entry.MediaID] = entry.Record.MediaId == m.ID && entry.Record.Title == m.Title && entry.Record.File.URL != "" &&
			(len(m.Outputs) == 0) == (len(entry.Record.PlayList.Play) == 0)
	}
	for _, batch := range w.sent() {
		for _, id := range batch {
			if !planned[id] {
				t.Errorf("%s was sent and its record is not in the plan", id)
			}
		}
	}
}

func TestGuards(t *testing.T) {
	tests := []struct {
		name, guard string
		old, young  int
		blocked     bool
	}{
		{"more than maxDelete", "{maxDelete: 19, maxPercent: 100}", 20, 0, true},
		{"just maxDelete", "{maxDelete: 20, maxPercent: 100}", 20, 0, false},
		{"more than maxPercent", "{maxPercent: 10}", 21, 180, true},
		{"just maxPercent", "{maxPercent: 10}", 20, 180, false},
		{"the defaults", "{}", 50, 60, true},
		{"small libraries have no percentage", "{maxPercent: 10}", 50, 49, false},
		{"minPopulation", "{maxPercent: 10, minPopulation: 99}", 50, 49, true},
		{"none at all", "{maxPercent: 0}", 1, 5, true},
		{"maxDelete 0", "{maxDelete: 0}", 1, 5, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "{maxPercent: 100}", test.guard, 1))
			var ids []string
			for i := range test.old + test.young {
				created := "2020-01-01T00:00:00Z"
				if i >= test.old {
					created = time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
				}
				ids = append(ids, w.e.Add(emulator.Medium{CreationTime: created}).ID)
			}
			// What is not there does not dilute the percentage.
			for i := range 50 {
				ids = append(ids, fmt.Sprint("unknown", i))
			}
			status := report.Done
			if test.blocked {
				status = report.Blocked
			}
			r := w.mustInvoke(timer(request("mediaIds", ids)), status)
			if r.Guard.Tripped != test.blocked || (r.Guard.Reason != "") != test.blocked || r.Counts.Expired != test.old {
				t.Errorf("guard %+v, counts %+v", r.Guard, r.Counts)
			}
			if test.blocked && (len(w.sent()) > 0 || r.Counts.Pending != test.old || r.Plan == "") {
				t.Errorf("blocked: %d deletions, counts %+v, plan %q", len(w.sent()), r.Counts, r.Plan)
			}
		})
	}
}

func TestReadBack(t *testing.T) {
	tests := []struct {
		name       string
		mps        emulator.MPSOptions
		state      string
		deleted    int
		unverified int
	}{
		{"does not exist any more", emulator.MPSOptions{}, "Published", 1, 0},
		{"an empty list is sent", emulator.MPSOptions{EmptyNonExist: true}, "Published", 1, 0},
		{"shown as Deleted", emulator.MPSOptions{DeletedView: emulator.ViewDeleted}, "Published", 1, 0},
		{"shown as Initiated", emulator.MPSOptions{DeletedView: emulator.ViewInitiated}, "Published", 1, 0},
		{"was Initiated before", emulator.MPSOptions{DeletedView: emulator.ViewInitiated}, "Initiated", 0, 1},
		{"was Initiated and does not exist any more", emulator.MPSOptions{}, "Initiated", 1, 0},
		{"shown late", emulator.MPSOptions{DeletionDelay: 400 * time.Millisecond}, "Published", 1, 0},
		{"not deleted", emulator.MPSOptions{DeleteNothing: true}, "Published", 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				w := newPipedWorld(t, emulator.Config{MPS: test.mps}, enforcing)
				m := w.e.Add(emulator.Medium{CreationTime: "2020-01-01T00:00:00Z", PublishState: test.state})
				status := report.Done
				if test.unverified > 0 {
					status = report.Partial
				}
				r := w.mustInvoke(timer(request("mediaIds", []string{m.ID})), status)
				if r.Counts.Deleted != test.deleted || r.Counts.Unverified != test.unverified {
					t.Errorf("counts %+v", r.Counts)
				}
				if test.unverified > 0 && (len(r.Failures) != 1 || r.Failures[0].MediaID != m.ID) {
					t.Errorf("failures %+v", r.Failures)
				}
			})
		})
	}
}

func TestObjects(t *testing.T) {
	keys := []string{"a b.mp4", "1+1.mp4", "100%.mp4", "a%2Fb.mp4", "dir/a,b.mp4", "视频/一.mp4", "x//y/../z.mp4", "q?x#y&z='\"<>.mp4"}
	for _, form := range []emulator.URLForm{emulator.AnySlash, emulator.RawSlash, emulator.EscapedSlash} {
		t.Run("slashes "+string(form), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{MPS: emulator.MPSOptions{URLForm: form}}, enforcing)
			records := []string{}
			for i, key := range keys {
				created := "2020-01-01T00:00:00Z"
				if i%2 == 1 {
					created = time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
				}
				w.e.Add(emulator.Medium{Key: key, CreationTime: created})
				text, _ := json.Marshal(key)
				records = append(records, fmt.Sprintf(`{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":%s}}}`, text))
			}
			w.e.Add(emulator.Medium{Key: "not in the event.mp4", CreationTime: "2020-01-01T00:00:00Z"})
			records = append(records, `{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":"dir/no medium.txt"}}}`)
			r := w.mustInvoke(`{"events":[`+strings.Join(records, ",")+`]}`, report.Done)
			if c := r.Counts; c.Looked != len(keys) || c.Deleted != len(keys)/2 || c.ObjectsWithoutMedia != 1 {
				t.Errorf("counts %+v", c)
			}
			for _, m := range w.e.Media() {
				if want := slices.Index(keys, m.Key)%2 == 0; m.Deleted != want {
					t.Errorf("%q: deleted is %v", m.Key, m.Deleted)
				}
			}
			w.noViolations()
		})
	}
}

// TestFaults is promises 1 and 4: under any fault nothing is sent that must stay,
// and when the faults have ended, repeated runs take exactly what is due.
func TestFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	kinds := []emulator.FaultKind{emulator.DropBefore, emulator.DropAfter, emulator.Truncate, emulator.HTML500, emulator.Unavailable,
		emulator.Empty, emulator.Throttle, emulator.NonceUsed, emulator.NumericCode, emulator.TokenExpired, emulator.Forbidden}
	unknown := []emulator.UnknownID{emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial}
	views := []emulator.DeletedView{emulator.ViewNonExist, emulator.ViewDeleted}
	for i := range 8 {
		config := emulator.Config{Media: 100 + rng.IntN(100), Seed: rng.Uint64(), MPS: emulator.MPSOptions{
			UnknownID: unknown[rng.IntN(len(unknown))], DeletedView: views[rng.IntN(len(views))]}}
		for range 3 {
			config.Faults = append(config.Faults, emulator.Fault{Operation: []string{"*", "DeleteMedia", "QueryMediaList", "QueryMediaListByURL"}[rng.IntN(4)],
				Kind: kinds[rng.IntN(len(kinds))], Probability: 0.2 * rng.Float64(), Seed: rng.Uint64()})
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				w := newPipedWorld(t, config, enforcing)
				want := due(w.e.Media(), time.Now())
				already := w.deleted()
				for range 2 {
					before := len(w.deleted())
					r, err := w.invoke(everything)
					if really := len(w.deleted()) - before; r.Counts.Deleted > really {
						t.Errorf("the report says %d deleted, the library %d", r.Counts.Deleted, really)
					}
					if sum := r.Counts.Deleted + r.Counts.Gone + r.Counts.Failed + r.Counts.Unverified + r.Counts.Pending; sum != r.Counts.Expired {
						t.Errorf("counts %+v, %v", r.Counts, err)
					}
				}
				w.e.ClearFaults()
				w.mustInvoke(everything, report.Done)
				got := slices.DeleteFunc(w.deleted(), func(id string) bool { return slices.Contains(already, id) })
				if !slices.Equal(got, want) {
					t.Errorf("faults %v: deleted %d media, %d are due", config.Faults, len(got), len(want))
				}
				for _, batch := range w.sent() {
					for _, id := range batch {
						if !slices.Contains(want, id) {
							t.Errorf("%s must stay and was sent", id)
						}
					}
				}
			})
		})
	}
}

// TestLostAnswer: whether a deletion took effect is read back, never guessed.
func TestLostAnswer(t *testing.T) {
	unknowns := []emulator.UnknownID{emulator.RefusePartial, emulator.RefuseWhole, emulator.AcceptUnknown}
	if testing.Short() {
		unknowns = unknowns[:1]
	}
	for _, unknown := range unknowns {
		for fault, calls := range map[emulator.FaultKind]int{emulator.DropAfter: 1, emulator.Truncate: 1, emulator.DropBefore: 2, emulator.HTML502: 2, emulator.NumericCode: 2} {
			t.Run(fmt.Sprintf("%s, unknown IDs %q", fault, unknown), func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					w := newPipedWorld(t, emulator.Config{MPS: emulator.MPSOptions{UnknownID: unknown}}, enforcing)
					var ids []string
					for range 10 {
						ids = append(ids, w.e.Add(emulator.Medium{CreationTime: "2020-01-01T00:00:00Z"}).ID)
					}
					w.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: fault, Count: 1})
					r := w.mustInvoke(timer(request("mediaIds", ids)), report.Done)
					if r.Counts.Deleted != 10 || len(w.deleted()) != 10 || r.Calls.DeleteMedia != calls {
						t.Errorf("counts %+v, %d deleted, after %d calls", r.Counts, len(w.deleted()), r.Calls.DeleteMedia)
					}
				})
			})
		}
	}
}

func TestTheDeadlineIsKept(t *testing.T) {
	tests := []struct {
		operation string
		after     int
		want      report.Status
	}{
		{"ListObjectsV2", 0, report.Failed}, // no call succeeded
		{"QueryMediaListByURL", 0, report.Failed},
		{"QueryMediaListByURL", 2, report.Incomplete},
		{"DeleteMedia", 0, report.Incomplete}, // sent, and the next run looks what became of it
		{"QueryMediaList", 0, report.Incomplete},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.operation, " after ", test.after), func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				w := newPipedWorld(t, emulator.Config{Media: 100, Faults: []emulator.Fault{{Operation: test.operation, Kind: emulator.Hang, After: test.after}}}, enforcing)
				deadline := time.Now().Add(1500 * time.Millisecond)
				ctx, cancel := context.WithDeadline(context.Background(), deadline)
				defer cancel()
				body, _ := w.f.Invoke(ctx, handler.Call{}, []byte(everything))
				if !time.Now().Before(deadline) {
					t.Error("answered after the platform's deadline")
				}
				var r report.Report
				if err := json.Unmarshal(body, &r); err != nil || r.Status != test.want {
					t.Errorf("%v: %s; want %s", err, body, test.want)
				}
			})
		})
	}
}

// TestNoSecretAnywhere is promise 7, for runs that fail in every way.
func TestNoSecretAnywhere(t *testing.T) {
	for _, fault := range []emulator.FaultKind{"", emulator.DropBefore, emulator.HTML500, emulator.NumericCode, emulator.TokenExpired, emulator.Forbidden, emulator.Throttle} {
		for _, operation := range []string{"QueryMediaListByURL", "ListObjectsV2", "DeleteMedia"} {
			t.Run(fmt.Sprintf("%s of %s", fault, operation), func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					w := newPipedWorld(t, emulator.Config{Media: 20}, enforcing, "MEDIASWEEP_HTTP_TOKEN", "http-token-0123456789")
					secrets := []string{w.env["ALIBABA_CLOUD_ACCESS_KEY_ID"], w.env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], w.env["ALIBABA_CLOUD_SECURITY_TOKEN"], "http-token-0123456789"}
					switch fault {
					case "":
						w.env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "anotherSecret"
						secrets = append(secrets, "anotherSecret")
						w.setPolicy(enforcing)
					default:
						w.e.Inject(emulator.Fault{Operation: operation, Kind: fault})
					}
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					body, err := w.f.Invoke(ctx, handler.Call{}, []byte(everything))
					more, moreErr := w.f.Invoke(ctx, handler.Call{}, []byte(`{"mediaIds":["a"]}`))
					output := fmt.Sprint(string(body), err, string(more), moreErr, w.log.String())
					for _, secret := range secrets {
						once := url.QueryEscape(secret)
						for _, form := range []string{secret, once, url.QueryEscape(once)} {
							if strings.Contains(output, form) {
								t.Errorf("a secret is shown: %s", output)
							}
						}
					}
					if strings.Contains(output, "Signature=") || strings.Contains(output, "http://") {
						t.Errorf("a signed address is shown: %s", output)
					}
				})
			})
		}
	}
}

func TestMisconfiguredFunctionSaysWhy(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		text string
		says []string
	}{
		{"policy with mistakes", nil, "version: 1\nmode: on\nexpire: [{name: a}]\n", []string{"retention.yaml:2:7", "retention.yaml:3:10"}},
		{"no inventory", nil, "version: 1\n", []string{"no inventory"}},
		{"no policy", []string{"MEDIASWEEP_POLICY", "/nowhere/retention.yaml"}, "", []string{"read the policy"}},
		{"no region", []string{"MEDIASWEEP_REGION", ""}, enforcing, []string{"MEDIASWEEP_REGION"}},
		{"plain http", []string{"MEDIASWEEP_MPS_ENDPOINT", "http://mts.cn-shanghai.aliyuncs.com"}, enforcing, []string{"loopback"}},
		{"state nowhere", []string{"MEDIASWEEP_STATE", "s3://x/"}, enforcing, []string{"MEDIASWEEP_STATE"}},
		{"state among the media", []string{"MEDIASWEEP_STATE", "oss://media-in/state/"}, enforcing, []string{"MEDIASWEEP_STATE"}},
		{"no credentials", []string{"ALIBABA_CLOUD_ACCESS_KEY_ID", ""}, enforcing, []string{"no credentials"}},
		{"enforce in FC without lasting state", []string{"FC_FUNCTION_NAME", "f"}, enforcing, []string{"MEDIASWEEP_STATE to oss://"}},
		{"open to everybody", []string{"MEDIASWEEP_HTTP_AUTH", "anonymous"}, enforcing, []string{"MEDIASWEEP_HTTP_TOKEN"}},
		{"unknown authentication", []string{"MEDIASWEEP_HTTP_AUTH", "digest"}, enforcing, []string{"MEDIASWEEP_HTTP_AUTH"}},
		{"event calls of an anonymous trigger", []string{"MEDIASWEEP_HTTP_AUTH", "anonymous", "MEDIASWEEP_HTTP_TOKEN", "0123456789abcdef"}, enforcing, []string{"switches event calls off"}},
		{"the SDK's debug output", []string{"DEBUG", "sdk"}, enforcing, []string{"DEBUG"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var w *world
			if test.text == "" {
				w = newWorld(t, emulator.Config{Media: 20}, enforcing)
				w.env["MEDIASWEEP_POLICY"] = test.env[1]
				w.f = handler.New(handler.Options{Getenv: func(name string) string { return w.env[name] }, Log: &w.log})
			} else {
				w = newWorld(t, emulator.Config{Media: 20}, test.text, test.env...)
			}
			r, err := w.invoke(everything)
			if err == nil || r.Status != report.Failed || len(w.sent()) > 0 {
				t.Fatalf("%s, %v", r.Status, err)
			}
			for _, text := range test.says {
				if !strings.Contains(r.Error, text) {
					t.Errorf("error %q does not say %q", r.Error, text)
				}
			}
		})
	}
}

func TestModes(t *testing.T) {
	tests := []struct {
		name, policy, payload string
		status                report.Status
		mode                  string
	}{
		{"timer takes the policy's", enforcing, everything, report.Done, "enforce"},
		{"by hand it is a dry run", enforcing, `{"inventory":true}`, report.Done, "dry-run"},
		{"by hand, said so", enforcing, `{"mode":"enforce","inventory":true}`, report.Done, "enforce"},
		{"never raised", dryRun, `{"mode":"enforce","inventory":true}`, report.Failed, "dry-run"},
		{"never raised by a timer", dryRun, timer(`{"mode":"enforce"}`), report.Failed, "dry-run"},
		{"no scope", enforcing, `{"mode":"enforce"}`, report.Failed, "dry-run"},
		{"empty scope", enforcing, `{"mode":"enforce","mediaIds":[]}`, report.Failed, "dry-run"},
		{"nonsense", enforcing, `{"hello":1}`, report.Failed, "dry-run"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{Media: 20}, test.policy)
			r := w.mustInvoke(test.payload, test.status)
			if string(r.Mode) != test.mode || (len(w.sent()) > 0) != (test.mode == "enforce") {
				t.Errorf("mode %q, %d deletions", r.Mode, len(w.sent()))
			}
		})
	}
}

// TestStateInOSS: with state in OSS the program writes below its prefix only, and
// an event for its own record leads to nothing.
func TestStateInOSS(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 50}, enforcing, "MEDIASWEEP_STATE", "oss://ops/mediasweep/", "FC_FUNCTION_NAME", "f")
	r := w.mustInvoke(everything, report.Done)
	written := 0
	for _, call := range w.e.Calls() {
		switch call.Operation {
		case "PutObject":
			written++
			if call.Bucket != "ops" || !strings.HasPrefix(call.Key, "mediasweep/") {
				t.Errorf("wrote %s/%s", call.Bucket, call.Key)
			}
		case "DeleteObject", "AppendObject":
			t.Errorf("%s of %s/%s", call.Operation, call.Bucket, call.Key)
		}
	}
	// The beginning of the log; the policy; the lease twice; segment and contents of index and plan; the plan's record in
	// the log of plans; the intent twice.
	// The look for unfinished plans, the outcomes, the report and its copy in the log. Of the history: a loose record, a
	// table, its head, and the head that no earlier version left outcomes.
	if written != 19 || r.Counts.Deleted == 0 {
		t.Errorf("%d records written, counts %+v", written, r.Counts)
	}
	w.noViolations()

	own := `{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"ops"},"object":{"key":"mediasweep/plans/x"}}}]}`
	before := len(w.e.Calls())
	w.mustInvoke(own, report.Done)
	if len(w.e.Calls()) != before {
		t.Error("an event for a record of the program's own led to calls")
	}
}

func TestHTTPAccess(t *testing.T) {
	const sweep, token = `{"inventory":true}`, "0123456789abcdef"
	tests := []struct {
		name, auth, token  string // of the function
		sent               string // X-Mediasweep-Token of the caller
		method, path, body string
		want               int
	}{
		{"nothing authenticates", "", "", "", "POST", "/v1/sweeps", sweep, 403},
		{"nothing authenticates, other route", "", "", "", "GET", "/v1/runs", "", 403},
		{"a token too short", "function", "short", "short", "GET", "/v1/runs", "", 403},
		{"an unknown authentication", "digest", token, token, "GET", "/v1/runs", "", 403},
		{"health is open", "", "", "", "GET", "/healthz", "", 200},
		{"the platform authenticates", "function", "", "", "POST", "/v1/sweeps", sweep, 200},
		{"JWT", "jwt", "", "", "POST", "/v1/sweeps", sweep, 200},
		{"basic", "basic", "", "", "POST", "/v1/sweeps", sweep, 200},
		{"token", "", token, token, "POST", "/v1/sweeps", sweep, 200},
		{"wrong token", "", token, token + "x", "POST", "/v1/sweeps", sweep, 401},
		{"no token", "", token, "", "POST", "/v1/sweeps", sweep, 401},
		{"the platform and a token", "function", token, "", "POST", "/v1/sweeps", sweep, 401},
		{"anonymous with a token", "anonymous", token, token, "POST", "/v1/sweeps", sweep, 200},
		{"anonymous without the token", "anonymous", token, "", "POST", "/v1/sweeps", sweep, 401},
		{"no such route", "function", "", "", "GET", "/v2", "", 404},
		{"wrong method", "function", "", "", "GET", "/v1/sweeps", "", 405},
		{"bad request", "function", "", "", "POST", "/v1/sweeps", `{}`, 400},
		{"a raised mode", "function", "", "", "POST", "/v1/sweeps", `{"mode":"enforce","inventory":true}`, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{Media: 20}, dryRun, "MEDIASWEEP_HTTP_AUTH", test.auth, "MEDIASWEEP_HTTP_TOKEN", test.token)
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			r.Header.Set("X-Mediasweep-Token", test.sent)
			recorder := httptest.NewRecorder()
			w.f.ServeHTTP(recorder, r)
			if recorder.Code != test.want || !json.Valid(recorder.Body.Bytes()) {
				t.Errorf("status %d: %s; want %d", recorder.Code, recorder.Body, test.want)
			}
			if unset := test.auth == "" && test.token == ""; !unset && strings.Contains(recorder.Body.String(), "nothing authenticates") {
				t.Errorf("%s: the environment says who authenticates, if wrongly", recorder.Body)
			}
			for name := range recorder.Header() {
				if strings.HasPrefix(strings.ToLower(name), "x-fc-") {
					t.Errorf("an HTTP answer carries %s", name)
				}
			}
			// The go1 runtime's event for the same request gets the same answer.
			event, err := json.Marshal(map[string]any{"version": "v1", "rawPath": test.path, "body": test.body, "isBase64Encoded": false,
				"headers":        map[string]string{"X-Mediasweep-Token": test.sent},
				"requestContext": map[string]any{"requestId": "r", "http": map[string]string{"method": test.method, "path": test.path}}})
			if err != nil {
				t.Fatal(err)
			}
			body, err := w.f.Invoke(context.Background(), handler.Call{}, event)
			var response struct {
				StatusCode int
				Body       string
			}
			if jsonErr := json.Unmarshal(body, &response); err != nil || jsonErr != nil || response.StatusCode != test.want || !json.Valid([]byte(response.Body)) {
				t.Errorf("as an event: %s, %v; want %d", body, err, test.want)
			}
		})
	}
}

func TestHTTPStatusesOfRuns(t *testing.T) {
	w := newWorld(t, emulator.Config{Media: 20}, strings.Replace(enforcing, "{maxPercent: 100}", "{maxDelete: 0}", 1), "MEDIASWEEP_HTTP_AUTH", "function")
	post := func() int {
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/v1/sweeps", strings.NewReader(`{"inventory":true}`)))
		return recorder.Code
	}
	if got := post(); got != http.StatusConflict {
		t.Errorf("a blocked run: %d", got)
	}
	w.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
	if got := post(); got != http.StatusBadGateway {
		t.Errorf("a run that could do nothing: %d", got)
	}
}

// A decision holds for an hour after its record was read, however long the medium had to
// wait for its rank; and one whose rank this run has found is deleted also after that.
func TestRankedMediaAreReadAgain(t *testing.T) {
	t.Parallel()
	turnClock(t, testRankedMediaAreReadAgain)
}

func testRankedMediaAreReadAgain(t *testing.T) {
	ranked := strings.Replace(enforcing, "expire:", "expire:\n  - {name: series, match: {object: [\"oss://media-in/a/*\", \"oss://media-in/z/*\"]}, after: 90d, keepLatest: {count: 1, per: \"tag:show:\"}}", 1)
	w := newPipedWorld(t, emulator.Config{}, ranked)
	var later atomic.Bool
	w.now = func() time.Time {
		if later.Load() {
			return time.Now().Add(5 * time.Hour)
		}
		return time.Now()
	}
	w.setPolicy(ranked)
	held, due := w.add("a/0", 200, "show:x"), w.add("a/1", 190, "show:x")
	w.add("z/0", 100, "show:x") // which pushes them out, at the end of the look
	for i := range 300 {
		w.e.PutObject("media-in", fmt.Sprintf("m/%05d", i), nil, time.Now())
	}
	go func() {
		for w.e.Count()["QueryMediaListByURL"] < 20 {
			time.Sleep(time.Millisecond)
		}
		m, _ := w.e.Medium(held.ID)
		m.Tags = append(m.Tags, "legal-hold")
		w.e.Add(m)
		later.Store(true)
	}()
	r := w.mustInvoke(`{"mode":"enforce","inventory":true}`, report.Done)
	if got := w.deleted(); !slices.Equal(got, []string{due.ID}) || r.Counts.Protected != 1 {
		t.Errorf("deleted %v, %+v", got, r.Counts)
	}
}
