package cli_test

import (
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// tests runs the tests, and not the commands that they start.
type tests struct{ *testing.M }

// Run keeps the state of the tests in memory. Most tests wait for programs, so that more than one for each processor run at
// once, unless the command line says otherwise.
func (t tests) Run() int {
	defer statetest.InMemory()()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	return t.M.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"mediasweep": func() {
		policy, err := os.ReadFile(os.Getenv("SHIPPED_POLICY"))
		if err != nil {
			panic(err)
		}
		ctx, stop := cli.UntilStopped()
		defer stop()
		command := cli.Command{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Policy: policy}
		os.Exit(command.Main(ctx, os.Args[1:]))
	}})
}

// TestScripts runs the program as a person does; each script says what it shows.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SHIPPED_POLICY", filepath.Join(root, "retention.yaml"))
			env.Setenv("EVENTS", filepath.Join(root, "events"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
			return nil
		},
	})
}

func TestVersionOfARelease(t *testing.T) {
	var out strings.Builder
	command := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }, Version: "v1.2.3"}
	if code := command.Main(t.Context(), []string{"--version"}); code != 0 || out.String() != "mediasweep v1.2.3\n" {
		t.Errorf("exit %d: %q", code, out.String())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestHelpThatCannotBeWritten(t *testing.T) {
	for _, args := range []string{"", "--help", "--version", "plan --help", "help plan", "completion bash", "completion"} {
		var errs strings.Builder
		command := cli.Command{Stdin: strings.NewReader(""), Stdout: fullDisk{}, Stderr: &errs, Getenv: func(string) string { return "" }}
		if code := command.Main(t.Context(), strings.Fields(args)); code != 1 || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%q: exit %d, want 1: %s", args, code, errs.String())
		}
	}
}

// A command that is stopped while it waits for its input ends, and says that nothing was done.
func TestCommandsStopWhileTheyRead(t *testing.T) {
	for _, args := range []string{"invoke --file -", "emulate --permissions -"} {
		t.Run(args, func(t *testing.T) {
			stdin, open := io.Pipe() // never has an end
			defer open.Close()       //nolint:errcheck // of memory
			var errs strings.Builder
			command := cli.Command{Stdin: stdin, Stdout: io.Discard, Stderr: &errs, Getenv: func(string) string { return "" }}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			code := make(chan int, 1)
			go func() { code <- command.Main(ctx, strings.Fields(args)) }()
			select {
			case got := <-code:
				if got != 1 || !strings.Contains(errs.String(), "nothing was done") {
					t.Errorf("exit %d: %s", got, errs.String())
				}
			case <-time.After(10 * time.Second):
				t.Error("the command goes on")
			}
		})
	}
}
