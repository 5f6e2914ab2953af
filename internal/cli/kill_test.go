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
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// TestKilledRuns kills the program at random moments, again and again over one
// library, while the services fail now and then. In the end exactly what has expired
// is deleted, nothing else was ever sent, and every medium that went has its record
// in a plan. MEDIASWEEP_KILLS says how often; `make fault` says 200.
func TestKilledRuns(t *testing.T) {
	kills := 12
	if text := os.Getenv("MEDIASWEEP_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	shipped, err := filepath.Abs("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"file", "oss"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(len(place))))
			e, err := emulator.Start(emulator.Config{Media: 400, Seed: seed, Faults: []emulator.Fault{{Operation: "*", Kind: emulator.Latency, Delay: 5 * time.Millisecond}}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			for range 300 {
				key := "clips/old/" + strconv.Itoa(rng.IntN(1e9))
				e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2020-01-01T00:00:00Z"})
				e.PutObject("media-in", key, nil, time.Now())
			}
			dir := t.TempDir()
			state := "file://" + filepath.Join(dir, "state")
			if place == "oss" {
				state = "oss://ops/state/"
			}
			policy := "version: 1\nmode: enforce\ninventory: [{bucket: oss://media-in/}]\nprotect: [{name: hold, match: {tags: [legal-hold]}}]\n" +
				"expire: [{name: all, after: 180d}]\nguard: {maxPercent: 100}\npace: {share: 1}\n"
			if err := os.WriteFile(filepath.Join(dir, "retention.yaml"), []byte(policy), 0o600); err != nil {
				t.Fatal(err)
			}
			due, sources := map[string]bool{}, len(e.Objects("media-in"))
			for _, m := range e.Media() {
				created, err := time.Parse(time.RFC3339, m.CreationTime)
				due[m.ID] = err == nil && !m.Deleted && time.Since(created) > 180*24*time.Hour && !strings.Contains(strings.Join(m.Tags, " "), "legal-hold")
			}
			run := func(wait time.Duration) (output []byte) {
				forgetLease(t, e, dir)
				cmd := exec.Command("mediasweep", "invoke", "-f", "-")
				cmd.Dir, cmd.Stdin = dir, strings.NewReader(`{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`)
				cmd.Env = append(os.Environ(), "MEDIASWEEP_STATE="+state, "SHIPPED_POLICY="+shipped)
				for name, value := range e.Env() {
					cmd.Env = append(cmd.Env, name+"="+value)
				}
				var out bytes.Buffer
				cmd.Stdout = &out
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if wait > 0 {
					kill := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
					defer kill.Stop()
				}
				_ = cmd.Wait() // killed, or it says how it ended
				return out.Bytes()
			}
			kinds := []emulator.FaultKind{emulator.DropAfter, emulator.DropBefore, emulator.Unavailable, emulator.Throttle}
			for range kills {
				e.Inject(emulator.Fault{Operation: []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL", "PutObject", "ListObjectsV2"}[rng.IntN(5)],
					Kind: kinds[rng.IntN(len(kinds))], After: rng.IntN(20), Count: 1 + rng.IntN(2)})
				run(100*time.Millisecond + time.Duration(rng.IntN(1500))*time.Millisecond)
			}
			e.ClearFaults()
			last := run(0)
			if !bytes.Contains(last, []byte(`"status": "done"`)) {
				t.Errorf("the last run, which was not killed: %s", last)
			}
			planned := plannedIDs(t, e, dir)
			for _, m := range e.Media() {
				if m.Deleted != due[m.ID] && m.DeletedAt.IsZero() {
					t.Errorf("%s: deleted is %v, due %v", m.Key, m.Deleted, due[m.ID])
				}
				if due[m.ID] && !planned[m.ID] {
					t.Errorf("%s went and has no record", m.Key)
				}
			}
			for _, call := range e.Calls() {
				for _, id := range call.MediaIDs {
					if call.Operation == "DeleteMedia" && !due[id] {
						t.Errorf("%s was sent and must stay", id)
					}
				}
			}
			if got := len(e.Objects("media-in")); got != sources {
				t.Errorf("%d source objects, %d before", got, sources)
			}
		})
	}
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
