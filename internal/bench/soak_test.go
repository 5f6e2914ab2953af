package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/report"
)

var soak = flag.Duration("soak", 0, "time of the soak; in an hour a timer comes every five minutes")

const (
	soakTimers = 12
	soakWarm   = 2   // timers after which the samples count
	soakPart   = 0.4 // of the time that a timer's look-ups take; as much for its deletions
	soakToken  = "0123456789abcdef"
)

// soaking is a server that is under load.
type soaking struct {
	*cloud
	url    string
	server *child

	mu      sync.Mutex
	samples []sample
	refused map[string]int // answers without success, by what was asked
}

// sample has the figures of the server at one time.
type sample struct{ at, memory, live, goroutines, files, temporary float64 }

// BenchmarkSoak runs the server at the whole quota, with faults, events, reviews and timers. It fails if
// memory, goroutines, open files or temporary files grow, if a medium is wrong or lost, and if a call is beyond the quota.
func BenchmarkSoak(b *testing.B) {
	if *soak == 0 {
		b.Skip("make soak")
	}
	for b.Loop() {
		s := startSoaking(b)
		ctx, stop := context.WithTimeout(b.Context(), *soak)
		defer stop()
		period := *soak / soakTimers
		var load sync.WaitGroup
		started := time.Now()
		load.Go(func() { every(ctx, period/20, func(int) { s.take(started) }) })
		load.Go(func() { every(ctx, 500*time.Millisecond, s.event) })
		load.Go(func() { every(ctx, 10*time.Second, s.review) })
		every(ctx, period, func(int) {
			media := period.Seconds() * quota * soakPart
			s.library(fmt.Sprintf("add %d %d %d", int(media), 2*int(period.Seconds()), int(media/100)))
			_, _ = s.post(s.url+"/invoke", nightly) // a timer that finds the one before it is busy
		})
		load.Wait()
		s.library("end")
		for range 3 { // what the last timers have left
			if r, err := s.post(s.url+"/invoke", nightly); err != nil || r.Status == report.Done {
				break
			}
		}
		s.judge(s.library("truth"), period.Seconds()*soakWarm)
	}
}

// every calls f at once and after each period until ctx ends. It leaves out what f is late for.
func every(ctx context.Context, period time.Duration, f func(i int)) {
	ticks := time.NewTicker(period)
	defer ticks.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		f(i)
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}

func startSoaking(b *testing.B) *soaking {
	b.Helper()
	failing := faults(50)
	for _, operation := range []string{"GetObject", "PutObject", "ListObjectsV2"} {
		failing = append(failing, operation+":unavailable:every=100", operation+":drop-before:every=100")
	}
	c := start(b, library{Latency: 20 * time.Millisecond, Faults: failing})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	c.env["MEDIASWEEP_STATE"], c.env["MEDIASWEEP_HTTP_TOKEN"], c.env["MEDIASWEEP_TIMEOUT"] = "oss://ops/state/", soakToken, "3600"
	cmd := c.command(os.Args[0], "serve", "--addr", address)
	cmd.Env = append(cmd.Env, "BENCH_ROLE=server")
	s := &soaking{cloud: c, url: "http://" + address, server: startChild(b, cmd), refused: map[string]int{}}
	for deadline := time.Now().Add(20 * time.Second); !s.send(http.MethodGet, "/healthz", ""); {
		if time.Now().After(deadline) {
			b.Fatal("the server does not answer")
		}
		time.Sleep(50 * time.Millisecond)
	}
	return s
}

// library sends a command to the library.
func (s *soaking) library(command string) (t truth) {
	s.child.ask(command, &t)
	return t
}

// send sends a request with the token, reads the answer to its end, and reports success.
func (s *soaking) send(method, path, body string) bool {
	request, err := http.NewRequestWithContext(s.b.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("X-Mediasweep-Token", soakToken)
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

func (s *soaking) note(what string, success bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !success {
		s.refused[what]++
	}
}

// event is the event of an object that has expired.
func (s *soaking) event(i int) {
	r, err := s.post(s.url+"/invoke", fmt.Sprintf(
		`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":%q}}}]}`, soakKey("event", i)))
	s.note("event: "+string(r.Status), err == nil && r.Status == report.Done)
}

// review makes a plan and looks at it, as a person in the console does.
func (s *soaking) review(i int) {
	objects := fmt.Sprintf(`{"objects":["oss://media-in/%s","oss://media-in/%s"]}`, soakKey("old", i), soakKey("young", i))
	s.note("new plan", s.send(http.MethodPost, "/v1/plans", objects))
	for _, path := range []string{"/", "/plans", "/plans/latest?q=old", "/runs", "/v1/plans/latest?format=csv", "/v1/runs?limit=20", "/v1/holds"} {
		s.note(path, s.send(http.MethodGet, path, ""))
	}
}

// take takes a sample.
func (s *soaking) take(started time.Time) {
	var of inside
	s.server.ask("inside", &of)
	process := filepath.Join("/proc", strconv.Itoa(s.server.cmd.Process.Pid))
	status, _ := os.ReadFile(filepath.Join(process, "status"))
	_, resident, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes float64
	_, _ = fmt.Sscan(resident, &kilobytes)
	files, _ := os.ReadDir(filepath.Join(process, "fd"))
	temporary, _ := os.ReadDir(filepath.Join(s.dir, "tmp"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, sample{time.Since(started).Seconds(), kilobytes / 1000, of.Live, float64(of.Goroutines), float64(len(files)), float64(len(temporary))})
}

// judge reports the figures, and fails what grows.
func (s *soaking) judge(t truth, warm float64) {
	s.b.ReportMetric(float64(t.Wrong), "wrong")
	s.b.ReportMetric(float64(t.Lost), "lost")
	s.b.ReportMetric(float64(t.Deleted), "deleted")
	var of inside
	s.server.ask("inside", &of)
	s.b.ReportMetric(of.Used/soak.Seconds(), "processors")
	s.b.ReportMetric(of.Collections/of.Used, "cpu-of-gc")
	s.b.Logf("without success: %v; of the server: %+v", s.refused, of)
	if t.Wrong+t.Lost+len(t.Violations) > 0 {
		s.b.Errorf("%+v", t)
	}
	for name, of := range map[string]func(sample) float64{
		"MB":         func(one sample) float64 { return one.memory },
		"MB-live":    func(one sample) float64 { return one.live },
		"goroutines": func(one sample) float64 { return one.goroutines },
		"files":      func(one sample) float64 { return one.files },
		"temporary":  func(one sample) float64 { return one.temporary },
	} {
		var x, y []float64
		period := soak.Seconds() / soakTimers
		for from := warm; from < soak.Seconds()-period/2; from += period {
			mean, n := 0.0, 0.0
			for _, one := range s.samples {
				if one.at >= from && one.at < from+period {
					mean, n = mean+of(one), n+1
				}
			}
			if n > 0 {
				x, y = append(x, from/3600), append(y, mean/n)
			}
		}
		mean, slope, noise := fit(x, y)
		s.b.Logf("%s: %.4g, and %.3g an hour, with a noise of %.3g: %.4g", name, mean, slope, noise, y) // a failed benchmark shows no metrics
		s.b.ReportMetric(mean, name)
		s.b.ReportMetric(slope, name+"/h")
		s.b.ReportMetric(noise, name+"/h-noise")
		if len(x) < soakTimers/2 {
			s.b.Errorf("%s: samples of %d timers", name, len(x))
		}
		if slope > noise && slope*soak.Hours() > 0.01*mean {
			s.b.Errorf("%s grows", name)
		}
	}
}

// fit returns the mean of y, its slope over x by least squares, and twice the slope's standard error.
func fit(x, y []float64) (mean, slope, noise float64) {
	n := float64(len(x))
	var middle, xx, xy, rest float64
	for i := range x {
		middle, mean = middle+x[i]/n, mean+y[i]/n
	}
	for i := range x {
		xx += (x[i] - middle) * (x[i] - middle)
		xy += (x[i] - middle) * (y[i] - mean)
	}
	slope = xy / xx
	for i := range x {
		off := y[i] - mean - slope*(x[i]-middle)
		rest += off * off
	}
	return mean, slope, 2 * math.Sqrt(rest/(n-2)/xx)
}

func TestFit(t *testing.T) {
	mean, slope, noise := fit([]float64{0, 1, 2, 3}, []float64{1, 3, 5, 7})
	if mean != 4 || slope != 2 || noise != 0 {
		t.Errorf("of a line: %v, %v, %v", mean, slope, noise)
	}
	if _, slope, noise = fit([]float64{0, 1, 2, 3}, []float64{5, 4, 5, 4}); slope < -noise || slope > noise {
		t.Errorf("of noise: %v, %v", slope, noise)
	}
}
