package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/emulator"
)

// The commands read a policy in OSS, as an argument and from the environment.
func TestPolicyInOSS(t *testing.T) {
	e, err := emulator.Start(emulator.Config{Media: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // nothing follows from it
	env := e.Env()
	env["MEDIASWEEP_POLICY"], env["MEDIASWEEP_STATE"] = "oss://ops/retention.yaml", "file://"+t.TempDir()
	put := func(key, text string) { e.PutObject("ops", key, []byte(text), time.Now()) }
	e.PutBucket("ops", "")
	policy := "version: 1\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: old, after: %s}]\n"
	put("retention.yaml", fmt.Sprintf(policy, "180d"))
	put("next.yaml", fmt.Sprintf(policy, "90d"))
	put("broken.yaml", fmt.Sprintf(policy, "none"))

	for _, test := range []struct {
		args string
		exit int
		says string
	}{
		{"check", 0, "oss://ops/retention.yaml is right. It says:"},
		{"check", 0, "policy: oss://ops/retention.yaml, from MEDIASWEEP_POLICY"},
		{"check oss://ops/next.yaml", 0, "90d after creation"},
		{"check oss://ops/broken.yaml", 2, "oss://ops/broken.yaml:3:29: "},
		{"check oss://ops/missing.yaml", 1, "read oss://ops/missing.yaml: there is no such object"},
		{"plan", 0, "status"},
		{"forecast --days 1", 0, "old"},
		{"diff oss://ops/retention.yaml oss://ops/next.yaml", 0, "rule old -> rule old"},
		{"diff oss://ops/retention.yaml oss://ops/broken.yaml", 2, "oss://ops/broken.yaml:3:29: "},
		{"diff oss://ops/retention.yaml oss://ops/missing.yaml", 1, "there is no such object"},
		{"runs", 0, "cli"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out bytes.Buffer
			command := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(name string) string { return env[name] }}
			if exit := command.Main(t.Context(), strings.Fields(test.args)); exit != test.exit || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit %d, want %d and %q:\n%s", exit, test.exit, test.says, out.String())
			}
		})
	}
}

// No command waits for a policy in OSS beyond MEDIASWEEP_TIMEOUT.
func TestPolicyInOSSThatDoesNotCome(t *testing.T) {
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	env := e.Env()
	env["MEDIASWEEP_POLICY"], env["MEDIASWEEP_STATE"], env["MEDIASWEEP_TIMEOUT"] = "oss://ops/retention.yaml", "file://"+t.TempDir(), "1"
	e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Hang})
	for _, args := range []string{"check", "diff oss://ops/retention.yaml oss://ops/next.yaml", "permissions", "plan", "forecast --days 1", "explain 0319dd3b9680d28a4e16ae79898c1d24"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			var out bytes.Buffer
			command := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(name string) string { return env[name] }}
			if exit := command.Main(ctx, strings.Fields(args)); exit == 0 || ctx.Err() != nil {
				t.Errorf("exit %d, %v:\n%s", exit, ctx.Err(), out.String())
			}
		})
	}
}
