package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/report"
)

// pipe makes a named pipe.
func pipe(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := exec.CommandContext(t.Context(), "mkfifo", path).Run(); err != nil {
		t.Skip(err)
	}
	return path
}

// Opening a pipe waits for its writer, who may never come.
func TestAPolicyInAPipeIsReadUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var none account.Source
	path := pipe(t)
	if _, err := PolicyText(ctx, func(string) string { return "" }, none, path); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := (&policies{path: path}).ofFile(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The writer of a pipe writes once.
func TestAPolicyInAPipeIsReadOnce(t *testing.T) {
	path := pipe(t)
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("version: 1\n"), 0o600) }()
	p := policies{path: path}
	first, err := p.ofFile(t.Context())
	if err = errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a second read would wait
	if again, err := p.ofFile(ctx); again != first || err != nil {
		t.Errorf("%p, then %p: %v", first, again, err)
	}
}

// A person who does not wait for the policy gets no refusal of the request.
func TestAnInterruptedReadOfThePolicy(t *testing.T) {
	status, err := early(refusedError{fmt.Errorf("read the policy: %w", context.Canceled)})
	if status != report.Incomplete || IsRefusal(err) || err.Error() != "interrupted before anything was decided: read the policy: context canceled" {
		t.Errorf("%s: %v", status, err)
	}
}
