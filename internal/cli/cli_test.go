package cli_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	_ "time/tzdata"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mediasweep/mediasweep/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mediasweep": func() {
		policy, err := os.ReadFile(os.Getenv("SHIPPED_POLICY"))
		if err != nil {
			panic(err)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
