package extsort

import (
	"container/heap"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
)

// merge is a heap of sources by their first records.
type merge []*source

func (m merge) all() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i := 0; i < len(m); {
			switch err := m[i].next(); {
			case errors.Is(err, io.EOF):
				m = slices.Delete(m, i, i+1)
			case err != nil:
				yield(Record{}, err)
				return
			default:
				i++
			}
		}
		heap.Init(&m)
		for len(m) > 0 {
			if !yield(m[0].head, nil) {
				return
			}
			switch err := m[0].next(); {
			case errors.Is(err, io.EOF):
				heap.Pop(&m)
			case err != nil:
				yield(Record{}, err)
				return
			default:
				heap.Fix(&m, 0)
			}
		}
	}
}

func (m merge) Len() int { return len(m) }
func (m merge) Less(i, j int) bool {
	one, other := m[i], m[j]
	if names := strings.Compare(one.head.Name, other.head.Name); names != 0 {
		return names < 0
	}
	return one.number < other.number
}
func (m merge) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)   { *m = append(*m, x.(*source)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
