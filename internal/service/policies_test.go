package service

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mediasweep/mediasweep/internal/account"
)

// Opening a pipe waits for its writer, who may never come.
func TestAPolicyInAPipeIsReadUntilTheContextEnds(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.CommandContext(t.Context(), "mkfifo", pipe).Run(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var none account.Source
	if _, err := PolicyText(ctx, func(string) string { return "" }, none, pipe); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
