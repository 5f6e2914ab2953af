package state

import (
	"context"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/task"
)

// AtOnce is the number of concurrent requests to a store. One takes tens of milliseconds.
const AtOnce = 32

// Each calls do with 0 to n-1, at most limit at once. The first error or the end of ctx ends it.
func Each(ctx context.Context, n, limit int, do func(ctx context.Context, i int) error) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for i := range n {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error { return task.Do(func() error { return do(groupCtx, i) }) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// Content is what a record has, or the error of its read.
type Content struct {
	Data []byte
	Err  error
}

// ReadAll yields the contents of records, and reads AtOnce of them at once. Each has its own error, also after the end of ctx.
func ReadAll[T any](ctx context.Context, store Store, list []T, nameOf func(T) string) iter.Seq2[T, Content] {
	return func(yield func(T, Content) bool) {
		for batch := range slices.Chunk(list, AtOnce) {
			read := make([]Content, len(batch))
			_ = Each(context.WithoutCancel(ctx), len(batch), AtOnce, func(_ context.Context, i int) error {
				read[i].Err = task.Do(func() (err error) {
					read[i].Data, err = store.Read(ctx, nameOf(batch[i]))
					return err
				})
				return nil // or the others are not read
			})
			for i, one := range batch {
				if !yield(one, read[i]) {
					return
				}
			}
		}
	}
}
