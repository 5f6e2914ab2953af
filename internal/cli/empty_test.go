package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// No command takes an empty flag or argument, as an unset variable of a script leaves it.
func TestEmptyValuesAreRefused(t *testing.T) {
	getenv := func(string) string { return "" }
	said := func(args ...string) (string, int) {
		var stderr strings.Builder
		c := Command{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr, Getenv: getenv}
		code := c.Main(context.Background(), args)
		return stderr.String(), code
	}
	tried := 0
	for _, cmd := range (&Command{Getenv: getenv}).Root().Commands() {
		if slices.Contains([]string{"help", "completion"}, cmd.Name()) {
			continue
		}
		if text, code := said(cmd.Name(), ""); code != exitUsage {
			t.Errorf("%s with an empty argument: exit %d, %s", cmd.Name(), code, text)
		}
		cmd.InheritedFlags() // adds them
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.NoOptDefVal != "" {
				return // a switch
			}
			tried++
			for _, arguments := range [][]string{nil, {"x"}, {"x", "y"}} {
				text, code := said(append([]string{cmd.Name(), "--" + flag.Name + "="}, arguments...)...)
				if code == exitUsage && strings.Contains(text, "--"+flag.Name) {
					return
				}
			}
			t.Errorf("%s takes an empty --%s", cmd.Name(), flag.Name)
		})
	}
	if tried < 50 {
		t.Errorf("only %d flags were tried", tried)
	}
}
