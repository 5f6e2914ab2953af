package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Kept reads the contents of a plan that was kept.
func Kept(ctx context.Context, store state.Store, id string) (plan.Contents, error) {
	data, err := store.Read(ctx, plan.Name(id))
	if err != nil {
		return plan.Contents{}, fmt.Errorf("read plan %s: %w", id, err)
	}
	contents, err := plan.ParseContents(data)
	if err == nil && contents.ID != id {
		err = fmt.Errorf("it says that it is %s", contents.ID)
	}
	if err != nil {
		return plan.Contents{}, fmt.Errorf("read plan %s: %w", id, err)
	}
	return contents, nil
}

// Entries yields the entries of a kept plan, in the order of their MediaIds. The
// last error says that they are not what the plan's ID says.
func Entries(ctx context.Context, store state.Store, contents plan.Contents) iter.Seq2[plan.Entry, error] {
	return func(yield func(plan.Entry, error) bool) {
		sealer, count := plan.Resume(contents), 0
		for _, name := range contents.Segments {
			data, err := store.Read(ctx, name)
			if err != nil {
				yield(plan.Entry{}, fmt.Errorf("read plan %s: %w", contents.ID, err))
				return
			}
			for line, err := range lines(data) {
				var entry plan.Entry
				if err == nil {
					sealer.Add(line)
					count++
					err = json.Unmarshal(line, &entry)
				}
				if err != nil {
					yield(plan.Entry{}, fmt.Errorf("read %s: %w", name, err))
					return
				}
				if !yield(entry, nil) {
					return
				}
			}
		}
		if sealer.ID() != contents.ID || count != contents.Entries {
			yield(plan.Entry{}, fmt.Errorf("the entries of plan %s are not those that it was named for", contents.ID))
		}
	}
}

// ofPlan yields the media of a kept plan in batches, to be looked at again.
func (l *look) ofPlan(ctx context.Context, id string) iter.Seq2[inventory.Batch, error] {
	return func(yield func(inventory.Batch, error) bool) {
		contents, err := Kept(ctx, l.Store, id)
		if err != nil {
			yield(inventory.Batch{}, err)
			return
		}
		var batch inventory.Batch
		for entry, err := range Entries(ctx, l.Store, contents) {
			if err != nil {
				yield(inventory.Batch{}, err)
				return
			}
			if batch.IDs = append(batch.IDs, entry.MediaID); len(batch.IDs) == mps.MaxBatch {
				if !yield(batch, nil) {
					return
				}
				batch = inventory.Batch{}
			}
		}
		if len(batch.IDs) > 0 {
			yield(batch, nil)
		}
	}
}
