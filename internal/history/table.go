package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
)

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

var tableName = regexp.MustCompile(`^[0-9A-Za-z.-]+$`)

const maxName = 100 // bytes

func (t table) check() error {
	if len(t.Name) > maxName || !tableName.MatchString(t.Name) || t.Level < 0 || t.Lines < 0 || t.Bits != newTable(t.Name, t.Level, t.Lines).Bits {
		return errors.New("it has a table that no run writes")
	}
	return nil
}

func newTable(name string, level, lines int) table {
	t := table{Name: name, Level: level, Lines: lines}
	for lines>>t.Bits > shardLines && t.Bits < maxBits {
		t.Bits++
	}
	return t
}

func (t table) shard(k key) int { return int(k >> (64 - t.Bits)) } //nolint:gosec // at most maxBits bits

func (t table) shardName(shard int) string {
	return fmt.Sprintf("%s%s/%06x.jsonl.gz", tableFolder, t.Name, shard)
}

// line is a decision under one of its keys. Lines of one key sort by time.
type line struct {
	key  key
	text []byte
}

// lines returns a line for each key of a decision. They share its text.
func (d *Decision) lines(text []byte) (lines []line) {
	for _, k := range d.keys() {
		lines = append(lines, line{k, text})
	}
	return lines
}

func (l line) compare(other line) int {
	return cmp.Or(cmp.Compare(l.key, other.key), bytes.Compare(l.text, other.text))
}

// read returns the lines of a shard that a function wants.
func (t table) read(ctx context.Context, store state.Store, shard int, wants func(key) bool) (lines []line, err error) {
	data, err := store.Read(ctx, t.shardName(shard))
	if err != nil {
		return nil, err
	}
	for text, err := range segments.BoundedLines(data, maxLine, maxRecord) {
		var k key
		if err == nil {
			k, err = keyOfLine(text)
		}
		if err == nil && t.shard(k) != shard {
			err = errors.New("it has a line of another shard")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
		if wants(k) {
			lines = append(lines, line{k, text[keyLength:]})
		}
	}
	return lines, nil
}

func keyOfLine(text []byte) (key, error) {
	if len(text) < keyLength {
		return 0, errors.New("it has a line without a key")
	}
	k, err := strconv.ParseUint(string(text[:keyLength]), 16, 64)
	return key(k), err
}

// write writes lines into the shards from first on. It sorts the lines, and drops duplicates and all
// but the latest maxOfKey lines of a key. All lines must belong into these shards.
func (t table) write(ctx context.Context, store state.Store, first, shards int, lines []line) error {
	slices.SortFunc(lines, line.compare)
	lines = slices.CompactFunc(lines, func(a, b line) bool { return a.compare(b) == 0 })
	records := make([][]byte, shards)
	squeezed := newSqueezer() // a compressor takes almost a megabyte: there is one
	for i := range records {
		end := slices.IndexFunc(lines, func(one line) bool { return t.shard(one.key) != first+i })
		if end < 0 {
			end = len(lines)
		}
		records[i], lines = pack(squeezed, lines[:end]), lines[end:]
	}
	if len(lines) > 0 {
		return fmt.Errorf("write a table of the history: a line belongs into shard %d", t.shard(lines[0].key))
	}
	return state.Each(ctx, shards, state.AtOnce, func(ctx context.Context, i int) error {
		if err := store.Create(ctx, t.shardName(first+i), records[i]); err != nil {
			return fmt.Errorf("write a table of the history: %w", err)
		}
		return nil
	})
}

func newSqueezer() *gzip.Writer {
	squeezed, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return squeezed
}

// pack compresses lines in order, without the older ones of a key that has too many.
func pack(squeezed *gzip.Writer, lines []line) []byte {
	var record bytes.Buffer
	var text []byte // the gzip.Writer is slow with short ones
	squeezed.Reset(&record)
	for i, one := range lines {
		if later := i + maxOfKey; later < len(lines) && one.key == lines[later].key {
			continue
		}
		text = append(append(text[:0], one.key.String()...), one.text...)
		_, _ = squeezed.Write(text) // a Buffer returns no error
	}
	_ = squeezed.Close()
	return record.Bytes()
}
