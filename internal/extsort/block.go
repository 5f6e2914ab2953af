package extsort

import (
	"bytes"
	"cmp"
	"slices"
)

// block holds records in memory.
type block struct {
	bytes   []byte
	records []span
}

// span says where a record stands in a block: its name, and its other bytes behind it.
type span struct{ start, middle, end uint32 }

const spanBytes = 12

func add[Name string | []byte](b *block, name Name, rest []byte) {
	start, middle := len(b.bytes), len(b.bytes)+len(name)
	b.bytes = append(append(b.bytes, name...), rest...)
	b.records = append(b.records, span{uint32(start), uint32(middle), uint32(len(b.bytes))}) //nolint:gosec // far less than 4 GiB
}

func (b *block) name(r span) []byte { return b.bytes[r.start:r.middle] }
func (b *block) rest(r span) []byte { return b.bytes[r.middle:r.end] }
func (b *block) size() int          { return len(b.bytes) + spanBytes*len(b.records) }
func (b *block) empty()             { b.bytes, b.records = b.bytes[:0], b.records[:0] }

// sort sorts the records. It keeps the order of those with the same name.
func (b *block) sort() {
	slices.SortFunc(b.records, func(one, other span) int {
		return cmp.Or(bytes.Compare(b.name(one), b.name(other)), cmp.Compare(one.start, other.start))
	})
}

// next takes the first record out; see feed.
func (b *block) next(to *batch) (more bool, err error) {
	if len(b.records) == 0 {
		return false, nil
	}
	first := b.records[0]
	to.add(b.name(first), b.rest(first))
	b.records = b.records[1:]
	return true, nil
}
