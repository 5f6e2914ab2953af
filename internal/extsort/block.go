package extsort

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

type block struct {
	bytes    []byte
	records  []span
	unsorted bool // some records are far from their places
}

// span says where a record stands in a block: its name, and its other bytes behind it.
type span struct{ start, middle, end uint32 }

const spanBytes = 12

// add adds a record behind the others.
func add[Name string | []byte](b *block, name Name, rest []byte) {
	start, middle := len(b.bytes), len(b.bytes)+len(name)
	b.bytes = append(append(b.bytes, name...), rest...)
	b.records = append(b.records, span{uint32(start), uint32(middle), uint32(len(b.bytes))}) //nolint:gosec // far less than 4 GiB
}

// near is the number of records among which place looks for the place of the next one.
const near = 128

// place moves the last record to its place, unless that is far away. Records that come nearly in order need no sort.
func (b *block) place() {
	last := len(b.records) - 1
	r := b.records[last]
	if last == 0 || b.unsorted || bytes.Compare(b.name(b.records[last-1]), b.name(r)) <= 0 {
		return
	}
	first := max(0, last-near)
	at := first + sort.Search(last-first, func(i int) bool { return bytes.Compare(b.name(b.records[first+i]), b.name(r)) > 0 })
	if b.unsorted = at == first && first > 0; !b.unsorted {
		copy(b.records[at+1:], b.records[at:last])
		b.records[at] = r
	}
}

func (b *block) name(r span) []byte { return b.bytes[r.start:r.middle] }
func (b *block) rest(r span) []byte { return b.bytes[r.middle:r.end] }
func (b *block) size() int          { return len(b.bytes) + spanBytes*len(b.records) }
func (b *block) empty()             { *b = block{bytes: b.bytes[:0], records: b.records[:0]} }

// sort sorts the records. It keeps the order of those with the same name.
func (b *block) sort() {
	if !b.unsorted {
		return
	}
	slices.SortFunc(b.records, func(one, other span) int {
		return cmp.Or(bytes.Compare(b.name(one), b.name(other)), cmp.Compare(one.start, other.start))
	})
	b.unsorted = false
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
