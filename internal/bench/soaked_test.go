package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/heap"
)

// child is a process that answers each line of its stdin with a line of JSON. It ends with its stdin.
type child struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func startChild(b *testing.B, cmd *exec.Cmd) *child {
	b.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &child{b, cmd, in, bufio.NewReader(out)}
}

// read reads an answer.
func (c *child) read(answer any) {
	line, err := c.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, answer)
	}
	if err != nil {
		c.b.Errorf("%v: %v: %.200s", c.cmd.Args, err, line)
	}
}

func (c *child) ask(question string, answer any) {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		c.b.Errorf("%v: %v", c.cmd.Args, err)
		return
	}
	c.read(answer)
}

// inside has figures that a server knows of itself.
type inside struct {
	Goroutines        int
	Live              float64 // megabytes that the latest collection left
	Used, Collections float64 // processor time in seconds: all, and that of collections
}

func lookInside() inside {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(samples)
	return inside{runtime.NumGoroutine(), float64(samples[0].Value.Uint64()) / 1e6, samples[1].Value.Float64() - samples[2].Value.Float64(), samples[3].Value.Float64()}
}

// serveFunction is the program as a server. It answers with what it knows of itself.
func serveFunction() {
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			_ = json.NewEncoder(os.Stdout).Encode(lookInside())
		}
		os.Exit(0)
	}()
	heap.Tune(os.Getenv) // as main does
	command := cli.Command{Stdin: strings.NewReader(""), Stdout: os.Stderr, Stderr: io.Discard, Getenv: os.Getenv}
	os.Exit(command.Main(context.Background(), os.Args[1:]))
}

// truth counts the media of a soak. An expired one is deleted or lost. A young one that is deleted is
// wrong.
type truth struct {
	Deleted, Lost, Wrong int
	Violations           map[string]int // by what no correct client does
}

// soaked is the library of a soak. Its numbers are by kind: old, event, and young.
type soaked struct {
	e                *emulator.Emulator
	added, forgotten map[string]int // forgotten ones were deleted
}

func soakKey(kind string, i int) string { return fmt.Sprintf("%s/%04d/%07d.mp4", kind, i/1000, i) }

func kindOf(m emulator.Medium) string { kind, _, _ := strings.Cut(m.Key, "/"); return kind }

// serve obeys commands until stdin ends: "add OLD EVENT YOUNG" adds so many media, "end" ends the faults.
// Each answer is the truth.
func (s *soaked) serve() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var old, event, young int
		if lines.Text() == "end" {
			s.e.ClearFaults()
		} else if _, err := fmt.Sscanf(lines.Text(), "add %d %d %d", &old, &event, &young); err == nil {
			s.forget(time.Now().Add(-time.Minute))
			s.add("old", old, time.Unix(1_600_000_000, 0))
			s.add("event", event, time.Unix(1_600_000_000, 0))
			s.add("young", young, time.Now())
		}
		check(json.NewEncoder(os.Stdout).Encode(s.truth()))
	}
}

func (s *soaked) add(kind string, n int, created time.Time) {
	for range n {
		s.e.Add(emulator.Medium{Bucket: "media-in", Key: soakKey(kind, s.added[kind]), CreationTime: created.UTC().Format("2006-01-02T15:04:05Z"), PublishState: "Published"})
		s.added[kind]++
	}
}

func (s *soaked) truth() truth {
	deleted := maps.Clone(s.forgotten)
	for _, m := range s.e.Media() {
		if m.Deleted {
			deleted[kindOf(m)]++
		}
	}
	t := truth{Deleted: deleted["old"] + deleted["event"], Wrong: deleted["young"], Violations: map[string]int{}}
	for _, violation := range s.e.Violations() {
		t.Violations[violation]++
	}
	t.Lost = s.added["old"] + s.added["event"] - t.Deleted
	return t
}

// forget removes media that were deleted before a time, and their objects, as a lifecycle rule does. An hour is like
// another one then: the emulator does not slow down.
func (s *soaked) forget(before time.Time) {
	s.e.Forget(func(m emulator.Medium) bool {
		isForgotten := m.Deleted && m.DeletedAt.Before(before)
		if isForgotten {
			s.forgotten[kindOf(m)]++
		}
		return isForgotten
	})
}
