package cli_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// victim is the program over one library, killed again and again.
type victim struct {
	t       *testing.T
	e       *emulator.Emulator
	rng     *rand.Rand
	dir     string
	state   string          // as MEDIASWEEP_STATE has it
	shipped string          // the path of the policy that the program's tests share
	before  map[string]bool // what was deleted before
}

const killedPolicy = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire: [{name: all, after: 180d}]
guard: {maxPercent: 100}
pace: {share: 1}
`

func newVictim(t *testing.T, place string, seed uint64) *victim {
	t.Helper()
	e, err := emulator.Start(emulator.Config{Media: 400, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	shipped, err := filepath.Abs("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, e: e, rng: rand.New(rand.NewPCG(seed, uint64(len(place)))), dir: t.TempDir(), state: "oss://ops/state/", shipped: shipped, before: map[string]bool{}}
	for _, m := range e.Media() {
		v.before[m.ID] = m.Deleted
	}
	if place == "file" {
		v.state = "file://" + filepath.Join(v.dir, "state")
	}
	e.PutBucket("ops", "")
	if err := os.WriteFile(filepath.Join(v.dir, "retention.yaml"), []byte(killedPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// addDue adds media that have expired.
func (v *victim) addDue(n int) {
	for range n {
		key := "clips/old/" + strconv.FormatUint(v.rng.Uint64(), 36)
		v.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2020-01-01T00:00:00Z"})
		v.e.PutObject("media-in", key, nil, time.Now())
	}
}

// run is one scheduled run. kill gets its process, and a channel that is closed when the process has ended.
// The lease of a killed run is removed.
func (v *victim) run(kill func(process *os.Process, ended <-chan struct{})) (output []byte, killed bool) {
	v.t.Helper()
	cmd := exec.Command("mediasweep", "invoke", "-f", "-")
	cmd.Dir, cmd.Stdin = v.dir, strings.NewReader(`{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`)
	cmd.Env = append(os.Environ(), "MEDIASWEEP_STATE="+v.state, "SHIPPED_POLICY="+v.shipped)
	for name, value := range v.e.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	ended, killer := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killer)
		kill(cmd.Process, ended)
	}()
	_ = cmd.Wait() // killed, or it says how it ended
	close(ended)
	<-killer
	if killed = !cmd.ProcessState.Exited(); killed {
		forgetLease(v.t, v.e, v.dir)
	}
	return out.Bytes(), killed
}

// settle lets a last run finish, and checks the promises. All expired media are deleted, and no other ID
// was ever sent. Each deleted medium has its record in a plan. No source object has changed.
func (v *victim) settle(sources int) {
	v.t.Helper()
	v.e.ClearFaults()
	last, _ := v.run(func(*os.Process, <-chan struct{}) {})
	if !bytes.Contains(last, []byte(`"status": "done"`)) {
		v.t.Errorf("the last run, which was not killed: %s", last)
	}
	due := map[string]bool{}
	planned := plannedIDs(v.t, v.e, v.dir)
	for _, m := range v.e.Media() {
		created, err := time.Parse(time.RFC3339, m.CreationTime)
		due[m.ID] = err == nil && !v.before[m.ID] && time.Since(created) > 180*24*time.Hour && !strings.Contains(strings.Join(m.Tags, " "), "legal-hold")
		if !v.before[m.ID] && m.Deleted != due[m.ID] {
			v.t.Errorf("%s: deleted is %v, due %v", m.Key, m.Deleted, due[m.ID])
		}
		if due[m.ID] && !planned[m.ID] {
			v.t.Errorf("%s went and has no record", m.Key)
		}
	}
	for _, call := range v.e.Calls() {
		for _, id := range call.MediaIDs {
			if call.Operation == "DeleteMedia" && !due[id] {
				v.t.Errorf("%s was sent and must stay", id)
			}
		}
	}
	if got := len(v.e.Objects("media-in")); got != sources {
		v.t.Errorf("%d source objects, %d before", got, sources)
	}
}

// records counts the records of the state, but for those of the lease, which are
// forgotten.
func (v *victim) records() int {
	n := 0
	for _, object := range v.e.Objects("ops") {
		if !strings.Contains(object.Key, "/lease/") {
			n++
		}
	}
	_ = filepath.WalkDir(filepath.Join(v.dir, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && filepath.Base(filepath.Dir(path)) != "lease" {
			n++
		}
		return nil // what is being written may vanish
	})
	return n
}

// TestKilledRuns kills the program at random moments, again and again over one
// library, while the services fail now and then. MEDIASWEEP_KILLS says how often;
// `make fault` says 200.
func TestKilledRuns(t *testing.T) {
	kills := 6
	if text := os.Getenv("MEDIASWEEP_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, place := range []string{"file", "oss"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, place, seed)
			v.addDue(200)
			kinds := []emulator.FaultKind{emulator.DropAfter, emulator.DropBefore, emulator.Unavailable, emulator.Throttle}
			rounds := 0
			for killed := 0; killed < kills; rounds++ {
				v.addDue(5) // there is always something left to do
				v.e.ClearFaults()
				v.e.Inject(emulator.Fault{Operation: []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL", "PutObject", "ListObjectsV2"}[v.rng.IntN(5)],
					Kind: kinds[v.rng.IntN(len(kinds))], After: v.rng.IntN(20), Count: 1 + v.rng.IntN(2)},
					emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 5 * time.Millisecond})
				wait := 50*time.Millisecond + time.Duration(v.rng.IntN(1500))*time.Millisecond
				_, was := v.run(func(process *os.Process, ended <-chan struct{}) {
					select {
					case <-time.After(wait):
						_ = process.Kill()
					case <-ended:
					}
				})
				if was {
					killed++
				}
			}
			t.Logf("%d of %d runs were killed", kills, rounds)
			v.settle(len(v.e.Objects("media-in")))
		})
	}
}

// TestKilledAtEveryWrite kills the program at each record that a run writes: before the
// record is there, and after it is and before the program knows.
func TestKilledAtEveryWrite(t *testing.T) {
	for name, kind := range map[string]emulator.FaultKind{"before": emulator.Hang, "after": emulator.HangAfter} {
		t.Run("oss, "+name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, "oss", 1)
			writes := 0
			for v.addDue(25); v.killWhileItHangs(kind, writes); v.addDue(25) {
				writes++
			}
			if writes < 6 { // plan and contents, begun, ledger, done, report
				t.Errorf("killed at %d writes", writes)
			}
			v.settle(len(v.e.Objects("media-in")))
		})
	}
	// Nothing stops a run at a write into a folder: a slow machine kills it later, or not at all.
	t.Run("file, after", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, "file", 1)
		for write := range 9 {
			v.addDue(25)
			v.killAfter(write)
		}
		v.settle(len(v.e.Objects("media-in")))
	})
}

// killAfter kills the program once its state has so many more records.
func (v *victim) killAfter(write int) {
	before := v.records()
	v.run(func(process *os.Process, ended <-chan struct{}) {
		for v.records() <= before+write {
			select {
			case <-ended:
				return
			default:
			}
		}
		_ = process.Kill()
	})
}

// killWhileItHangs kills the program while one of its writes hangs.
func (v *victim) killWhileItHangs(kind emulator.FaultKind, write int) (killed bool) {
	v.e.ClearFaults()
	v.e.Inject(emulator.Fault{Operation: "PutObject", Kind: kind, After: write, Count: 1})
	_, killed = v.run(func(process *os.Process, ended <-chan struct{}) {
		for {
			select {
			case <-ended:
				return
			case <-v.e.Hangs():
				_ = process.Kill()
			}
		}
	})
	return killed
}

// forgetLease is the half minute that the lease of a killed run goes on.
func forgetLease(t *testing.T, e *emulator.Emulator, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "state", "lease")); err != nil {
		t.Fatal(err)
	}
	for _, object := range e.Objects("ops") {
		if strings.HasPrefix(object.Key, "state/lease/") {
			e.RemoveObject("ops", object.Key)
		}
	}
}

// plannedIDs returns the IDs of all media whose records are in plans, in either
// kind of state.
func plannedIDs(t *testing.T, e *emulator.Emulator, dir string) map[string]bool {
	t.Helper()
	var segments [][]byte
	for _, object := range e.Objects("ops") {
		if strings.HasSuffix(object.Key, ".jsonl.gz") && strings.HasPrefix(object.Key, "state/plans/") {
			segments = append(segments, object.Body)
		}
	}
	root := filepath.Join(dir, "state", "plans")
	if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // with state in OSS
			return nil
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".jsonl.gz") {
			return err
		}
		data, err := os.ReadFile(path)
		segments = append(segments, data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, segment := range segments {
		lines, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(lines)
		for decoder.More() {
			var entry struct{ MediaID string }
			if err := decoder.Decode(&entry); err != nil {
				t.Fatal(err)
			}
			ids[entry.MediaID] = true
		}
	}
	return ids
}

// Five programs at once over one store: one runs, and the others say that it does.
func TestProgramsAtOnce(t *testing.T) {
	for _, place := range []string{"file", "oss"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, place, 1)
			for range 3 {
				v.addDue(50)
				var programs sync.WaitGroup
				outputs := make([][]byte, 5)
				for i := range outputs {
					programs.Go(func() { outputs[i], _ = v.run(func(*os.Process, <-chan struct{}) {}) })
				}
				programs.Wait()
				ran := 0
				for _, output := range outputs {
					switch {
					case bytes.Contains(output, []byte(`"status": "done"`)):
						ran++
					case !bytes.Contains(output, []byte(`"status": "busy"`)):
						t.Errorf("%s", output)
					}
				}
				if ran == 0 {
					t.Error("none of five ran")
				}
			}
			v.settle(len(v.e.Objects("media-in")))
		})
	}
}
