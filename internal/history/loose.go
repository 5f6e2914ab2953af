package history

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

// looseFolder holds the records that runs write. Their names have the time, and the keys of their
// decisions if these are few: most runs are of one event, and most names answer without a read.
const looseFolder = "history/new/"

const (
	// maxNamed is the number of decisions up to which the name of a record has their keys. A name has
	// at most 255 bytes in a folder.
	maxNamed = 4
	// many stands for the keys of more decisions.
	many = "many"
)

// Record adds decisions, in records of at most a thousand.
func Record(ctx context.Context, store state.Store, now time.Time, decisions []Decision) error {
	keys := many
	if len(decisions) <= maxNamed {
		keys = ""
		for _, d := range decisions {
			for _, k := range d.keys() {
				keys += k.String()
			}
		}
	}
	written := segments.NewWriter(func(_ int, record []byte) error {
		return store.Create(ctx, looseFolder+state.Stamp(now)+"-"+keys+"-"+rand.Text(), record)
	})
	for _, d := range decisions {
		line, err := d.encode()
		if err == nil {
			err = written.Add(line)
		}
		if err != nil {
			return fmt.Errorf("record the history: %w", err)
		}
	}
	if err := written.Close(); err != nil {
		return fmt.Errorf("record the history: %w", err)
	}
	return nil
}

// mayHave reports whether a loose record may have decisions of a key, by the record's name.
func mayHave(name string, k key) bool {
	keys, ok := keysIn(name)
	return !ok || slices.Contains(keys, k.String())
}

// keysIn returns the keys in the name of a loose record. ok is false if it may have decisions of other keys.
func keysIn(name string) (keys []string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(name, looseFolder), "-")
	if len(parts) != 3 || len(parts[1])%keyLength != 0 { // many, or a name that no run writes
		return nil, false
	}
	for rest := parts[1]; rest != ""; rest = rest[keyLength:] {
		keys = append(keys, rest[:keyLength])
	}
	return keys, true
}

// readLoose returns the lines of a loose record whose keys a function wants.
func readLoose(ctx context.Context, store state.Store, name string, wants func(key) bool) (lines []line, err error) {
	data, err := store.Read(ctx, name)
	if err != nil {
		return nil, err
	}
	for text, err := range segments.BoundedLines(data, maxLine-keyLength, maxRecord) { // a table has a key before each
		var d Decision
		if err == nil {
			d, err = decode(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
		for _, one := range d.lines(text) {
			if wants(one.key) {
				lines = append(lines, one)
			}
		}
	}
	return lines, nil
}

// maxRecord bounds a loose record and a shard, in bytes after decompression.
const maxRecord = 64 << 20
