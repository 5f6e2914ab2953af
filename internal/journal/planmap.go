package journal

import (
	"context"
	"iter"
	"sync"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

const (
	// segmentsAhead is the number of segments of a plan that MapEntries reads at once.
	segmentsAhead = 4
	// batchesAhead is a whole segment: if a later one had to wait for its turn, the first would be read by one
	// processor while the others are idle.
	batchesAhead = segments.MaxLines / batchLines
	// A batch of a segment has at most batchLines lines, and about batchBytes bytes.
	batchLines = 100
	batchBytes = 256 << 10
)

// MapEntries yields what of returns for each entry of a plan, in the order of their MediaIds. It ends with an
// error if the entries do not match the plan's ID. Segments are read and parsed on all processors, so of
// must be safe for concurrent use.
func MapEntries[T any](ctx context.Context, store state.Store, contents plan.Contents, of func(plan.Entry, media.Medium) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		var reading sync.WaitGroup
		defer reading.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		sealer, count, ahead := contents.Sealer(), 0, []chan batch[T]{}
		for left := contents.Segments; len(left)+len(ahead) > 0; ahead = ahead[1:] {
			for len(left) > 0 && len(ahead) < segmentsAhead {
				name, batches := left[0], make(chan batch[T], batchesAhead)
				reading.Go(func() { sendBatches(ctx, segmentLines(ctx, store, contents, name), of, batches) })
				left, ahead = left[1:], append(ahead, batches)
			}
			for b := range ahead[0] {
				for i, line := range b.lines {
					sealer.Add(line)
					if !yield(b.items[i], nil) {
						return
					}
				}
				if count += len(b.lines); b.err != nil {
					yield(none, b.err)
					return
				}
			}
			if ctx.Err() != nil { // the segment may have ended early
				yield(none, context.Cause(ctx))
				return
			}
		}
		if err := checkEntries(contents, sealer, count); err != nil {
			yield(none, err)
		}
	}
}

// batch is some lines of a segment and what was made of them. An error comes after them.
type batch[T any] struct {
	lines [][]byte
	items []T
	err   error
}

// sendBatches sends the lines of a segment and closes the channel. It ends early at the end of ctx.
func sendBatches[T any](ctx context.Context, lines iter.Seq2[segmentLine, error], of func(plan.Entry, media.Medium) T, to chan<- batch[T]) {
	defer close(to)
	var b batch[T]
	size := 0
	send := func() bool {
		select {
		case to <- b:
			b, size = batch[T]{}, 0
			return true
		case <-ctx.Done():
			return false
		}
	}
	b.err = task.Do(func() error {
		for line, err := range lines {
			if err != nil {
				return err
			}
			b.lines, b.items, size = append(b.lines, line.text), append(b.items, of(line.entry, line.medium)), size+len(line.text)
			if (len(b.lines) == batchLines || size >= batchBytes) && !send() {
				return ctx.Err()
			}
		}
		return nil
	})
	send()
}
