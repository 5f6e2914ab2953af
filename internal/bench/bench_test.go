// Package bench measures whole runs of the built program against the emulator, each in its own
// process. It compares them with the quota, and with loops over the bare SDK in the same run.
// `make bench` writes BENCHMARKS.md.
package bench

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// expired is the number of media that a drain deletes. At the quota their look-ups take twenty seconds,
// and so do their deletions.
var expired = flag.Int("expired", 20_000, "media of the drains")

// largest is the larger of the libraries whose memory is compared.
var largest = flag.Int("largest", 100_000, "media of the largest library; a million takes 20 minutes")

const quota = 1000.0 // media a second: 100 calls of ten

// TestMain is the other processes too: see roles.
func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv("BENCH_ROLE")]; ok {
		role()
		return
	}
	if os.Getenv("BENCH_ROLE") == "measure" {
		measure()
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

var roles = map[string]func(){"emulator": serveLibrary, "sequential": sequential, "eight": eight, "rival": rival, "server": serveFunction, "needed": needed, "paginate": paginate}

// library configures the emulator's process.
type library struct {
	Media   int
	Young   bool // too young to expire
	Latency time.Duration
	MadeUp  emulator.MadeUp
	Today   time.Time // of what is made up
	Faults  []string  // in the emulator's compact form
}

// serveLibrary serves a library until stdin ends.
func serveLibrary() {
	var l library
	check(json.Unmarshal([]byte(os.Getenv("BENCH_LIBRARY")), &l))
	config := emulator.Config{MadeUp: l.MadeUp, AsOf: l.Today}
	if l.MadeUp.Objects > 0 {
		config.MPS = madeUpMPS()
	}
	for _, fault := range l.Faults {
		f, err := emulator.ParseFault(fault)
		check(err)
		config.Faults = append(config.Faults, f)
	}
	if l.Latency > 0 {
		config.Faults = append(config.Faults, emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: l.Latency})
	}
	e, err := emulator.Start(config)
	check(err)
	created := "2020-01-01T00:00:00Z"
	if l.Young {
		created = time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05Z")
	}
	for i := range l.Media {
		key := fmt.Sprintf("clips/%04d/clip-%07d.mp4", i%1000, i)
		e.Add(emulator.Medium{Bucket: "media-in", Key: key, Title: fmt.Sprint("clip ", i), CreationTime: created, PublishState: "Published"})
		e.PutObject("media-in", key, nil, time.Now())
	}
	check(json.NewEncoder(os.Stdout).Encode(e.Env()))
	(&soaked{e, map[string]int{}, map[string]int{}}).serve()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cloud is an emulator in another process.
type cloud struct {
	b     *testing.B
	child *child
	env   map[string]string
	dir   string
}

func start(b *testing.B, l library) *cloud {
	b.Helper()
	inventory, after, stateIn := "bucket: oss://media-in/", "30d", ""
	if l.MadeUp.Report {
		inventory = "manifest: oss://ops/" + emulator.ReportKey
	}
	if l.MadeUp.Objects > 0 {
		l.Today, after, stateIn = scaleStart, "400d", "oss://ops/"+stateKey
	}
	described, err := json.Marshal(l)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BENCH_ROLE=emulator", "BENCH_LIBRARY="+string(described))
	c := &cloud{b: b, child: startChild(b, cmd), dir: b.TempDir()}
	c.child.read(&c.env)
	if err := os.Mkdir(filepath.Join(c.dir, "tmp"), 0o700); err != nil {
		b.Fatal(err)
	}
	c.env["MEDIASWEEP_STATE"] = cmp.Or(stateIn, "file://"+filepath.Join(c.dir, "state"))
	c.env["MEDIASWEEP_POLICY"] = filepath.Join(c.dir, "retention.yaml")
	policy := "version: 1\nmode: enforce\ninventory: [{" + inventory + "}]\nexpire: [{name: all, after: " + after + "}]\n" +
		"guard: {maxPercent: 100, maxDelete: 10000000}\npace: {share: 1}\n"
	if err := os.WriteFile(c.env["MEDIASWEEP_POLICY"], []byte(policy), 0o600); err != nil {
		b.Fatal(err)
	}
	return c
}

// command is a program that finds the cloud in its environment.
func (c *cloud) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(c.dir, "tmp"))
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		cmd.Env = append(cmd.Env, name+"="+c.env[name])
	}
	return cmd
}

// calls returns the calls of an operation that the cloud saw, and how many of them
// it throttled.
func (c *cloud) calls(operation string) (seen []emulator.Call, throttled int) {
	c.b.Helper()
	response, err := http.Get(c.env["MEDIASWEEP_MPS_ENDPOINT"] + "/_emulator/calls")
	if err != nil {
		c.b.Fatal(err)
	}
	defer response.Body.Close()
	var all []emulator.Call
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		c.b.Fatal(err)
	}
	for _, call := range all {
		if call.Operation == operation {
			seen = append(seen, call)
			if call.Status == http.StatusBadRequest {
				throttled++
			}
		}
	}
	return seen, throttled
}

// ratio returns the rate of an operation's successful calls as a part of the quota. It ends with the
// last call that names a medium for the first time. The tail is the seconds of repeats after that.
func (c *cloud) ratio(operation string) (ratio, tail float64) {
	seen, _ := c.calls(operation)
	known := map[string]bool{}
	last := 0
	for i, call := range seen {
		for _, id := range call.MediaIDs {
			if !known[id] {
				known[id], last = true, i
			}
		}
	}
	if last == 0 {
		return 0, 0
	}
	successes := 0
	for _, call := range seen[:last] {
		if call.Status == http.StatusOK {
			successes++
		}
	}
	seconds := seen[last].Time.Sub(seen[0].Time).Seconds()
	return float64(successes) * 10 / seconds / quota, seen[len(seen)-1].Time.Sub(seen[last].Time).Seconds()
}

var (
	build     = sync.OnceValues(func() (string, error) { return buildWith("") })
	unlimited = sync.OnceValues(buildUnlimited)
)

// buildWith builds the program with an overlay of source files, if any.
func buildWith(overlay string) (string, error) {
	dir, err := os.MkdirTemp("", "mediasweep-bench-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "mediasweep")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlay, "-o", program, "../..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return program, cmd.Run()
}

func program(b *testing.B) string {
	b.Helper()
	name, err := build()
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// usage is the time and memory of a process.
type usage struct {
	Wall, CPU time.Duration
	Peak      int64 // bytes
}

// sweep runs the program over a payload and returns its report.
func (c *cloud) sweep(payload string) (report.Report, usage) {
	c.b.Helper()
	return c.sweepBy(program(c.b), payload)
}

func (c *cloud) sweepBy(program, payload string) (report.Report, usage) {
	c.b.Helper()
	cmd := c.command(program, "invoke", "-f", "-")
	cmd.Stdin = bytes.NewBufferString(payload)
	var r report.Report
	took := c.run(cmd, &r)
	if r.Status != report.Done {
		c.b.Fatalf("%s: %s %s %+v", r.Status, r.Error, r.Guard.Reason, r.Counts)
	}
	return r, took
}

// run runs a process and reads the JSON that it answers.
func (c *cloud) run(cmd *exec.Cmd, answer any) usage {
	c.b.Helper()
	// The most memory that a process had counts from before it became the program: so a
	// small one begins it.
	file := filepath.Join(c.dir, "usage.json")
	measured := exec.Command(os.Args[0], append([]string{cmd.Path}, cmd.Args[1:]...)...)
	measured.Env, measured.Stdin = append(cmd.Env, "BENCH_THEN="+role(cmd.Env), "BENCH_ROLE=measure", "BENCH_USAGE="+file), cmd.Stdin
	var errors bytes.Buffer
	measured.Stderr = &errors
	output, err := measured.Output()
	if err != nil {
		c.b.Fatalf("%v: %v\n%s", cmd.Args, err, errors.String())
	}
	var took usage
	told, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(told, &took)
	}
	if err != nil {
		c.b.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(output, answer); err != nil {
			c.b.Fatal(err)
		}
	}
	return took
}

// role returns which one an environment asks for.
func role(env []string) (role string) {
	for _, variable := range env {
		if name, value, _ := strings.Cut(variable, "="); name == "BENCH_ROLE" {
			role = value
		}
	}
	return role
}

// measure runs the program that its arguments name, and prints its usage.
func measure() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Env = append(os.Environ(), "BENCH_ROLE="+os.Getenv("BENCH_THEN"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := cmd.Run()
	took := usage{Wall: time.Since(started), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Peak: peak(cmd.ProcessState)}
	check(err)
	told, err := json.Marshal(took)
	check(err)
	check(os.WriteFile(os.Getenv("BENCH_USAGE"), told, 0o600))
}

const nightly = `{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`

// BenchmarkLoops deletes with the bare SDK, as scripts do: one call after the
// other, and eight at a time with no pace.
func BenchmarkLoops(b *testing.B) {
	for _, role := range []string{"sequential", "eight"} {
		b.Run(role, func(b *testing.B) {
			for b.Loop() {
				c := start(b, library{Media: min(*expired, 5000), Latency: 30 * time.Millisecond})
				c.loop(role)
				_, throttled := c.calls("DeleteMedia")
				drained, _ := c.ratio("DeleteMedia")
				b.ReportMetric(drained, "drain/quota")
				b.ReportMetric(float64(throttled), "throttled")
			}
		})
	}
}

// BenchmarkCPU holds the processor time of a run against that of the bare SDK
// calls that it needs: the same look-ups, deletions and read-backs. Single pairs
// differ by a tenth, so that it takes the median of some.
func BenchmarkCPU(b *testing.B) {
	const media, pairs = 5000, 5
	perThousand := func(took usage) float64 { return took.CPU.Seconds() * 1000 / (media / 1000) }
	for b.Loop() {
		idle := start(b, library{})
		_, empty := idle.sweep(`{"mediaIds":["nobody"]}`)
		b.ReportMetric(empty.CPU.Seconds()*1000, "start-ms")
		var all, bare, ratios []float64
		for range pairs {
			c := start(b, library{Media: media, Latency: 30 * time.Millisecond})
			bare = append(bare, perThousand(c.loop("needed")))
			ours := start(b, library{Media: media, Latency: 30 * time.Millisecond})
			_, took := ours.sweep(nightly)
			all = append(all, perThousand(took))
			ratios = append(ratios, all[len(all)-1]/bare[len(bare)-1])
		}
		b.Logf("cpu/bare of each pair: %.3f", ratios)
		b.ReportMetric(median(all), "ms/1000")
		b.ReportMetric(median(bare), "bare-ms/1000")
		b.ReportMetric(median(ratios), "cpu/bare")
	}
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }

// loop runs one of the roles over the IDs of the cloud's library.
func (c *cloud) loop(role string) usage {
	c.b.Helper()
	cmd := c.command(os.Args[0])
	cmd.Env = append(cmd.Env, "BENCH_ROLE="+role)
	return c.run(cmd, nil)
}

// BenchmarkEvents is a storm of OSS events, each for one object, 50 at a time,
// beside some that come one by one. The state is in OSS.
func BenchmarkEvents(b *testing.B) {
	const storm, single = 2_000, 100
	for b.Loop() {
		c := start(b, library{Media: storm + single, Latency: 30 * time.Millisecond})
		c.env["MEDIASWEEP_STATE"] = "oss://ops/" + stateKey
		url := c.serve()
		before := c.mpsCalls()
		var lone time.Duration
		for i := range single {
			lone += c.event(url, storm+i)
		}
		oneByOne := float64(c.mpsCalls()-before) / single
		before = c.mpsCalls()
		began := time.Now()
		next := make(chan int)
		go func() {
			defer close(next)
			for i := range storm {
				next <- i
			}
		}()
		var workers sync.WaitGroup
		for range 50 {
			workers.Go(func() {
				for i := range next {
					c.event(url, i)
				}
			})
		}
		workers.Wait()
		b.ReportMetric(storm/time.Since(began).Seconds(), "events/s")
		together := float64(c.mpsCalls()-before) / storm
		b.ReportMetric(together/oneByOne, "calls/one-by-one")
		b.ReportMetric(oneByOne, "calls-alone")
		b.ReportMetric(lone.Seconds()*1000/single, "ms-alone")
	}
}

// mpsCalls returns how many calls MPS has seen.
func (c *cloud) mpsCalls() int {
	n := 0
	for _, operation := range []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL"} {
		seen, _ := c.calls(operation)
		n += len(seen)
	}
	return n
}

// serve starts the function and returns where it takes event calls.
func (c *cloud) serve() string {
	c.b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.b.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	cmd := c.command(program(c.b), "serve", "--addr", address)
	if err := cmd.Start(); err != nil {
		c.b.Fatal(err)
	}
	c.b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url := "http://" + address + "/invoke"
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := c.post(url, `{"mediaIds":["nobody"]}`); err == nil {
			return url
		}
		if time.Now().After(deadline) {
			c.b.Fatal("the function does not answer")
		}
	}
}

// client keeps as many connections as there are callers.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (c *cloud) post(url, payload string) (report.Report, error) {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewBufferString(payload))
	if err != nil {
		return report.Report{}, err
	}
	request.Header.Set("X-Fc-Control-Path", "/invoke")
	response, err := client.Do(request)
	if err != nil {
		return report.Report{}, err
	}
	defer response.Body.Close()
	var r report.Report
	return r, json.NewDecoder(response.Body).Decode(&r)
}

// event sends the event of one object and returns how long its answer took.
func (c *cloud) event(url string, i int) time.Duration {
	started := time.Now()
	r, err := c.post(url, fmt.Sprintf(`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":"clips/%04d/clip-%07d.mp4"}}}]}`, i%1000, i))
	if err != nil || r.Status != report.Done || r.Counts.Deleted != 1 {
		c.b.Errorf("event %d: %v, %s, %+v", i, err, r.Status, r.Counts)
	}
	return time.Since(started)
}

// BenchmarkStart is a process from its start to its first answer, when there is
// nothing to do, and the size of the program.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		c := start(b, library{})
		program(b)
		started := time.Now()
		c.serve()
		b.ReportMetric(time.Since(started).Seconds()*1000, "ms-to-answer")
		info, err := os.Stat(program(b))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB-stripped")
	}
}

// BenchmarkMemory is the peak of a scheduled dry run over a small and a large library in
// which everything has expired: all of it goes into the plan.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var peaks []float64
		for _, media := range []int{10_000, *largest} {
			c := start(b, library{Media: media})
			_, took := c.sweep(strings.Replace(nightly, `"payload":""`, `"payload":"{\"mode\":\"dry-run\"}"`, 1))
			peaks = append(peaks, float64(took.Peak)/1e6)
			b.ReportMetric(peaks[len(peaks)-1], fmt.Sprintf("MB-at-%d", media))
		}
		b.ReportMetric(peaks[1]/peaks[0], "large/small")
	}
}
