package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

var errDown = errors.New("the store is down")

// memory is a store in memory. It is safe for concurrent use.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	created []string // in the order of their creation
	reads   map[string]int
	written map[string]time.Time // of records for which it matters
	// down is the operation that fails, for names that contain of.
	down, of string
	slow     time.Duration // of each List
	// hang makes List wait for the end of its context.
	hang bool
}

func newMemory() *memory {
	return &memory{records: map[string][]byte{}, reads: map[string]int{}, written: map[string]time.Time{}}
}

func (m *memory) fails(operation, name string) error {
	if m.down == operation && strings.Contains(name, m.of) {
		return errDown
	}
	return nil
}

func (m *memory) Create(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("create", name); err != nil {
		return err
	}
	if there, ok := m.records[name]; ok {
		if bytes.Equal(there, data) {
			return nil
		}
		return fmt.Errorf("record %s: %w", name, state.ErrExists)
	}
	m.records[name] = data
	m.created = append(m.created, name)
	if strings.HasPrefix(name, "announced/") {
		m.written[name] = time.Unix(int64(len(m.created)), 0)
	}
	return nil
}

func (m *memory) Read(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads[name]++
	if err := m.fails("read", name); err != nil {
		return nil, err
	}
	if data, ok := m.records[name]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("record %s: %w", name, state.ErrNotFound)
}

func (m *memory) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		if m.hang {
			<-ctx.Done()
			yield(state.Record{}, ctx.Err())
			return
		}
		names := m.names(folder)
		time.Sleep(m.slow)
		for _, name := range names {
			if name > after && !yield(state.Record{Name: name, Written: m.writtenAt(name)}, nil) {
				return
			}
		}
		if err := m.fails("list", folder); err != nil {
			yield(state.Record{}, err)
		}
	}
}

// names returns the names of records below a folder, in order.
func (m *memory) names(folder string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		if strings.HasPrefix(name, folder) {
			names = append(names, name)
		}
	}
	return names
}

// writtenAt returns the second in which a record was created: the store creates one a second.
func (m *memory) writtenAt(name string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.written[name]
}

// put replaces a record, as a person or a broken disk does.
func (m *memory) put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[name] = data
}

// no fails the test on an error.
func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
