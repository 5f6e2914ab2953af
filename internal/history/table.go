package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/state"
)

// tableFolder holds the tables.
const tableFolder = "history/tables/"

// table is an immutable set of lines in 2^Bits shards. A line is a key and a decision, and is in the
// shard of the key's first bits. A decision has a line under each of its keys.
type table struct {
	Name  string `json:"name"`
	Level int    `json:"level"`
	Bits  int    `json:"bits"`
	Lines int    `json:"lines"` // at most: some may be duplicates
}

const (
	// shardLines is the number of lines that a shard has at most on average. One takes some 100 bytes.
	shardLines = 1000
	// maxBits bounds the shards of a table.
	maxBits = 20
	// maxOfKey is the number of decisions of a medium that a table keeps and an answer has: the latest.
	maxOfKey = 1000
)

var tableName = regexp.MustCompile(`^[0-9A-Za-z.-]{1,100}$`)

func (t table) check() error {
	if !tableName.MatchString(t.Name) || t.Level < 0 || t.Lines < 0 || t.Bits != newTable(t.Name, t.Level, t.Lines).Bits {
		return errors.New("it has a table that no run writes")
	}
	return nil
}

// newTable returns a table for a number of lines.
func newTable(name string, level, lines int) table {
	t := table{Name: name, Level: level, Lines: lines}
	for lines>>t.Bits > shardLines && t.Bits < maxBits {
		t.Bits++
	}
	return t
}

// shard returns the number of the shard of a key.
func (t table) shard(k key) int { return int(k >> (64 - t.Bits)) } //nolint:gosec // at most maxBits bits

func (t table) shardName(shard int) string {
	return fmt.Sprintf("%s%s/%06x.jsonl.gz", tableFolder, t.Name, shard)
}

// read returns the lines of a shard that a function wants.
func (t table) read(ctx context.Context, store state.Store, shard int, wants func(key) bool) (lines [][]byte, err error) {
	data, err := store.Read(ctx, t.shardName(shard))
	if err != nil {
		return nil, err
	}
	for line, err := range journal.BoundedLines(data, maxLine, maxRecord) {
		var k key
		if err == nil {
			k, err = keyOfLine(line)
		}
		if err == nil && t.shard(k) != shard {
			err = errors.New("it has a line of another shard")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
		if wants(k) {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func keyOfLine(line []byte) (key, error) {
	if len(line) < keyLength {
		return 0, errors.New("it has a line without a key")
	}
	k, err := strconv.ParseUint(string(line[:keyLength]), 16, 64)
	return key(k), err
}

// write writes lines into the shards from first on. It sorts the lines, and drops duplicates and all
// but the latest maxOfKey lines of a key. All lines must belong into these shards.
func (t table) write(ctx context.Context, store state.Store, first, shards int, lines [][]byte) error {
	slices.SortFunc(lines, bytes.Compare)
	lines = slices.CompactFunc(lines, bytes.Equal)
	ends := make([]int, shards) // the index after the last line of each shard
	for i, line := range lines {
		k, err := keyOfLine(line)
		if err != nil {
			return err
		}
		ends[t.shard(k)-first] = i + 1
	}
	for i := range ends {
		ends[i] = max(ends[i], ends[max(0, i-1)])
	}
	return state.Each(ctx, shards, state.AtOnce, func(ctx context.Context, i int) error {
		start := 0
		if i > 0 {
			start = ends[i-1]
		}
		data, err := pack(lines[start:ends[i]])
		if err == nil {
			err = store.Create(ctx, t.shardName(first+i), data)
		}
		if err != nil {
			return fmt.Errorf("write a table of the history: %w", err)
		}
		return nil
	})
}

// pack compresses lines in order, without the older ones of a key that has too many.
func pack(lines [][]byte) ([]byte, error) {
	var record bytes.Buffer
	squeezed, _ := gzip.NewWriterLevel(&record, gzip.BestSpeed) // the level is valid
	for i, line := range lines {
		if later := i + maxOfKey; later < len(lines) && bytes.Equal(line[:keyLength], lines[later][:keyLength]) {
			continue
		}
		_, _ = squeezed.Write(line) // a Buffer returns no error
	}
	err := squeezed.Close()
	return record.Bytes(), err
}
