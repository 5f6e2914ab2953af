// Command build makes the folder that s.yaml and s.go1.yaml deploy, target/: the program
// for Function Compute, and the policy beside it. It needs Go and no shell, so that
// deploying works on every system.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := build(context.Background(), "target"); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// build replaces the folder. The program is static, because the runtime's C library is
// older than that of most systems, and for x86, the only processor of the runtimes.
func build(ctx context.Context, folder string) error {
	policy, err := os.ReadFile("retention.yaml")
	if err != nil {
		return fmt.Errorf("run this in the module's root: %w", err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(folder, "mediasweep"), ".") //nolint:gosec // the folder is a constant of main
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	compile.Stderr = os.Stderr
	if err := compile.Run(); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	return os.WriteFile(filepath.Join(folder, "retention.yaml"), policy, 0o644) //nolint:gosec // not secret, and FC may run as another user
}
