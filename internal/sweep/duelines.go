package sweep

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/scan"
)

// dueLines yields the lines of the due media. It may be called several times.
func (n *notice) dueLines(found *scan.Found) iter.Seq2[plan.Line, error] {
	if !n.needsNotice() {
		return found.Draft.Lines()
	}
	return func(yield func(plan.Line, error) bool) {
		i := 0
		for l, err := range found.Draft.Lines() {
			if (err != nil || n.due.has(i)) && !yield(l, err) {
				return
			}
			i++
		}
	}
}

// bitset has one bit for each expired medium: a million take 125 kilobytes.
type bitset struct {
	words []uint64
	bits  int
}

// add adds the next bit.
func (b *bitset) add(set bool) {
	if b.bits%64 == 0 {
		b.words = append(b.words, 0)
	}
	if set {
		b.words[b.bits/64] |= 1 << (b.bits % 64)
	}
	b.bits++
}

func (b *bitset) has(i int) bool { return b.words[i/64]&(1<<(i%64)) != 0 }
