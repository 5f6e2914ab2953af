package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mediasweep/mediasweep/internal/cli"
)

// TestServeFindsTheEmulator starts both programs as two users would: serve has
// nothing but the export lines that emulate prints.
func TestServeFindsTheEmulator(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	env := map[string]string{"MEDIASWEEP_STATE": "file://" + t.TempDir(), "MEDIASWEEP_POLICY": filepath.Join(t.TempDir(), "retention.yaml")}
	policy, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(env["MEDIASWEEP_POLICY"], bytes.Replace(policy, []byte("mode: dry-run"), []byte("mode: enforce"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return env[name] }
	ended := make(chan int, 2)
	run := func(pick func(*cli.Command, io.Writer), args ...string) *bufio.Scanner {
		r, w := io.Pipe()
		command := &cli.Command{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: getenv}
		pick(command, w)
		go func() {
			ended <- command.Main(ctx, args)
			_ = w.Close()
		}()
		return bufio.NewScanner(r)
	}

	lines := run(func(c *cli.Command, w io.Writer) { c.Stdout = w }, "emulate", "--media", "200")
	for range 7 {
		if !lines.Scan() {
			t.Fatal("emulate ended")
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if !ok {
			t.Fatalf("no export line: %s", lines.Text())
		}
		env[name] = strings.Trim(value, "'")
	}

	lines = run(func(c *cli.Command, w io.Writer) { c.Stderr = w }, "serve", "--addr", "127.0.0.1:0")
	var listening struct{ Address string }
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &listening) != nil || listening.Address == "" {
		t.Fatalf("serve does not say where it listens: %s", lines.Text())
	}
	go func() {
		for lines.Scan() { // the rest of the log, so that serve is not held up
		}
	}()
	event := strings.NewReader(`{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}`)
	r, err := http.NewRequest(http.MethodPost, "http://"+listening.Address+"/invoke", event)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Fc-Control-Path", "/invoke")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var report struct {
		Status string
		Counts struct{ Expired, Deleted int }
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil || response.Header.Get("X-Fc-Status") != "200" ||
		report.Status != "done" || report.Counts.Deleted == 0 || report.Counts.Deleted != report.Counts.Expired {
		t.Errorf("%v, x-fc-status %s, %+v", err, response.Header.Get("X-Fc-Status"), report)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	for range 2 {
		if code := <-ended; code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

// TestRuntimes starts the program as the runtimes do: go1 sets FC_RUNTIME_API and gives
// no arguments; the command serve wins over the variable.
func TestRuntimes(t *testing.T) {
	asked := make(chan struct{}, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer api.Close()
	address := "FC_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://")
	start := func(env []string, args ...string) (*exec.Cmd, *bufio.Scanner) {
		program := exec.Command(os.Args[0])
		program.Args = append([]string{"mediasweep"}, args...)
		program.Env = append(env, "SHIPPED_POLICY=../../retention.yaml", "FC_FUNCTION_NAME=f", "FC_REGION=cn-shanghai", "FC_SERVER_PORT=0")
		stderr, err := program.StderrPipe()
		if err == nil {
			err = program.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		return program, bufio.NewScanner(stderr)
	}
	stop := func(program *exec.Cmd) {
		if err := program.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := program.Wait(); err != nil {
			t.Errorf("%v: %v, want exit 0", program.Args, err)
		}
	}

	program, _ := start([]string{address})
	<-asked
	stop(program)
	for name, env := range map[string][]string{"serve": {address}, "": nil} {
		program, lines := start(env, strings.Fields(name)...)
		if !lines.Scan() || !strings.Contains(lines.Text(), `"msg":"listening"`) {
			t.Errorf("%q does not listen: %s", name, lines.Text())
		}
		stop(program)
	}
	select {
	case <-asked:
		t.Error("serve asked the go1 runtime for a call")
	default:
	}
}

// A program stops when its terminal ends. It hears of that from the shell, and from the system. Under nohup it goes on.
func TestTheTerminalEnds(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		last   syscall.Signal
	}{
		"at a terminal": {"", syscall.SIGHUP},
		"under nohup":   {"trap '' HUP; ", syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			program := exec.Command("sh", "-c", test.before+"exec mediasweep serve --addr 127.0.0.1:0")
			program.Env = append(os.Environ(), "SHIPPED_POLICY=../../retention.yaml")
			stderr, err := program.StderrPipe()
			if err == nil {
				err = program.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer program.Process.Kill() //nolint:errcheck // it has ended, or the test has failed
			lines := bufio.NewScanner(stderr)
			var listening struct{ Address string }
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &listening) != nil {
				t.Fatalf("serve does not say where it listens: %s", lines.Text())
			}
			if err := program.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if test.last == syscall.SIGTERM {
				answer, err := http.Get("http://" + listening.Address + "/healthz")
				if err != nil {
					t.Fatalf("it does not go on: %v", err)
				}
				answer.Body.Close()
			}
			_ = program.Process.Signal(test.last) // it may have ended
			for lines.Scan() {                    // the rest of the log, so that serve is not held up
			}
			if err := program.Wait(); err != nil {
				t.Errorf("%v, want exit 0", err)
			}
		})
	}
}

// TestServeSaysWhyItIsNotConfigured reads the log: /healthz refers to it.
func TestServeSaysWhyItIsNotConfigured(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	end()
	for name, value := range map[string]string{"MEDIASWEEP_POLICY": "/hunter2", "MEDIASWEEP_HTTP_TOKEN": "hunter2", "MEDIASWEEP_HTTP_AUTH": "hunter2", "MEDIASWEEP_REGION": "hunter2", "": ""} {
		env := map[string]string{"MEDIASWEEP_REGION": "cn-shanghai", "MEDIASWEEP_POLICY": "../../retention.yaml", "MEDIASWEEP_STATE": "file://" + t.TempDir(), name: value}
		var log bytes.Buffer
		command := &cli.Command{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &log, Getenv: func(name string) string { return env[name] }}
		command.Main(ended, []string{"serve", "--addr", "127.0.0.1:0"})
		said := strings.Count(log.String(), `"level":"ERROR","msg":"not configured","error":"`)
		if name == "" && said != 0 || name != "" && (said != 1 || !strings.Contains(log.String(), name)) || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}
