// Package statetest has a store in memory, for tests of packages that keep records.
package statetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// ErrDown is the error of an operation that fails; see Memory.
var ErrDown = errors.New("the store is down")

// Memory is a store in memory. It is safe for concurrent use.
type Memory struct {
	sync.Mutex
	Records map[string][]byte
	Created []string // in the order of their creation
	Reads   map[string]int
	Written map[string]time.Time // of records for which it matters
	Began   time.Time            // the store creates one record a second from then on
	// Down is the operation that fails with ErrDown, for names that contain Of.
	Down, Of string
	Slow     time.Duration // of each List
	// Hang makes List wait for the end of its context.
	Hang bool
}

// New returns an empty store.
func New() *Memory {
	return &Memory{Records: map[string][]byte{}, Reads: map[string]int{}, Written: map[string]time.Time{}, Began: time.Unix(0, 0)}
}

func (m *Memory) fails(operation, name string) error {
	if m.Down == operation && strings.Contains(name, m.Of) {
		return ErrDown
	}
	return nil
}

// Create writes a record; see state.Store.
func (m *Memory) Create(_ context.Context, name string, data []byte) error {
	m.Lock()
	defer m.Unlock()
	if err := m.fails("create", name); err != nil {
		return err
	}
	if there, ok := m.Records[name]; ok {
		if bytes.Equal(there, data) {
			return nil
		}
		return fmt.Errorf("record %s: %w", name, state.ErrExists)
	}
	m.Records[name] = data
	m.Created = append(m.Created, name)
	if strings.HasPrefix(name, "announced/") {
		m.Written[name] = m.Began.Add(time.Duration(len(m.Created)) * time.Second)
	}
	return nil
}

// Read returns a record; see state.Store.
func (m *Memory) Read(_ context.Context, name string) ([]byte, error) {
	m.Lock()
	defer m.Unlock()
	m.Reads[name]++
	if err := m.fails("read", name); err != nil {
		return nil, err
	}
	if data, ok := m.Records[name]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("record %s: %w", name, state.ErrNotFound)
}

// List yields records; see state.Store.
func (m *Memory) List(ctx context.Context, folder, after string) iter.Seq2[state.Record, error] {
	return func(yield func(state.Record, error) bool) {
		if m.Hang {
			<-ctx.Done()
			yield(state.Record{}, ctx.Err())
			return
		}
		names := m.Names(folder)
		time.Sleep(m.Slow)
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

// Names returns the names of records below a folder, in order.
func (m *Memory) Names(folder string) (names []string) {
	m.Lock()
	defer m.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.Records)) {
		if strings.HasPrefix(name, folder) {
			names = append(names, name)
		}
	}
	return names
}

// writtenAt returns the second in which a record was created.
func (m *Memory) writtenAt(name string) time.Time {
	m.Lock()
	defer m.Unlock()
	return m.Written[name]
}

// Put replaces a record, as a person or a broken disk does.
func (m *Memory) Put(name string, data []byte) {
	m.Lock()
	defer m.Unlock()
	m.Records[name] = data
}

// Squeezed returns a gzipped text.
func Squeezed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a Buffer returns no error
	_ = w.Close()                // as above
	return b.Bytes()
}
