package cli_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/mediasweep/mediasweep/internal/cli"
)

// help returns the help of the program, or of one of its commands.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	command := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
	if code := command.Main(context.Background(), append(args, "--help")); code != 0 {
		t.Fatalf("%q exits with %d: %s", args, code, &out)
	}
	return out.String()
}

// TestExamples runs the examples in the help of every command, in one emulated deployment.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the program many times")
	}
	t.Parallel()
	_, list, _ := strings.Cut(help(t), "Available Commands:\n")
	var commands []string
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(strings.Split(list, "\n\n")[0], -1) {
		commands = append(commands, line[1])
	}
	if !slices.Contains(commands, "apply") || !slices.Contains(commands, "completion") {
		t.Fatalf("commands: %q", commands)
	}
	// What apply deletes cannot be explained.
	commands = append(slices.DeleteFunc(commands, func(name string) bool { return name == "apply" }), "apply")
	shell := newShell(t)
	for _, name := range commands {
		_, examples, found := strings.Cut(help(t, name), "\nExamples:\n")
		if !found {
			t.Errorf("%s has no example", name)
			continue
		}
		for _, example := range strings.Split(strings.Split(examples, "\n\n")[0], "\n") {
			if strings.TrimSpace(example) == "mediasweep demo" {
				continue // TestDemo runs it
			}
			script := strings.Replace(example, " RUN ", " $RUN ", 1)
			if regexp.MustCompile(`^ +mediasweep (serve|emulate|console|demo --console)`).MatchString(script) {
				script += ` >began 2>&1 & until test -s began; do sleep 0.05; done; kill -INT $!; wait $!; rm began`
			}
			if err := shell("bash -eu <<'EXAMPLE'\n" + script + "\nEXAMPLE\n"); err != nil {
				t.Errorf("%s: %s: %v", name, strings.TrimSpace(example), err)
			}
		}
	}
}

// TestCompletion completes a command line in bash, as the help of completion installs it.
func TestCompletion(t *testing.T) {
	// The shell has compopt only during a completion, and bash-completion is not on every machine.
	const script = `compopt() { :; }; _init_completion() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
		source <(mediasweep completion bash)
		COMP_WORDS=(mediasweep fore) COMP_CWORD=1 COMP_LINE="mediasweep fore" COMP_POINT=15 COMP_TYPE=9
		$(complete -p mediasweep | sed 's/.*-F \([^ ]*\) .*/\1/')
		echo "${COMPREPLY[@]}"`
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), "SHIPPED_POLICY=../../retention.yaml")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "forecast" {
		t.Errorf("%v: %s", err, out)
	}
}

// docs/emulator.md describes every flag of emulate.
func TestDocsNameEveryFlagOfEmulate(t *testing.T) {
	page, err := os.ReadFile("../../docs/emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	emulate, _, err := (&cli.Command{}).Root().Find([]string{"emulate"})
	if err != nil {
		t.Fatal(err)
	}
	emulate.Flags().VisitAll(func(flag *pflag.Flag) {
		if !bytes.Contains(page, []byte("`--"+flag.Name)) {
			t.Errorf("--%s is not described", flag.Name)
		}
	})
}
