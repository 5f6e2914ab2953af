package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mediasweep/mediasweep/internal/state"
)

// oddStore panics for one record and has no other odd ones.
type oddStore struct{ state.Store }

func (s oddStore) Read(ctx context.Context, name string) ([]byte, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.HasSuffix(name, "7"):
		panic("odd")
	case strings.HasSuffix(name, "3"):
		return nil, state.ErrNotFound
	}
	return []byte(name), nil
}

// Each record has its content or its own error, whatever becomes of the others.
func TestReadAll(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprint("r", i))
	}
	same := func(name string) string { return name }
	i := 0
	for name, read := range state.ReadAll(t.Context(), oddStore{}, names, same) {
		if name != names[i] {
			t.Errorf("%s comes in place of %s", name, names[i])
		}
		switch i % 10 {
		case 7:
			if read.Err == nil || !strings.Contains(read.Err.Error(), "odd") {
				t.Errorf("%s: %v", name, read.Err)
			}
		case 3:
			if !errors.Is(read.Err, state.ErrNotFound) {
				t.Errorf("%s: %v", name, read.Err)
			}
		default:
			if read.Err != nil || string(read.Data) != name {
				t.Errorf("%s: %q, %v", name, read.Data, read.Err)
			}
		}
		i++
	}
	if i != len(names) {
		t.Errorf("%d records of %d", i, len(names))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range state.ReadAll(ended, oddStore{}, names, same) {
		if read.Err == nil {
			t.Errorf("%s was not read and has no error", name)
		}
	}
}

// The first error ends the rest, and a call that was not made is an error.
func TestEach(t *testing.T) {
	var calls atomic.Int32
	err := state.Each(t.Context(), 1000, 4, func(ctx context.Context, i int) error {
		if calls.Add(1); i == 3 {
			panic("odd")
		}
		<-ctx.Done()
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "odd") || calls.Load() > 8 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := state.Each(ended, 1, 1, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
