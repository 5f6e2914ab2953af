package sweep

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/state"
)

// writePlan makes the plan durable, its contents last. Nothing is deleted before,
// so the whole record of whatever goes can be found in it. Nothing rests on the record
// of a plan without media: it is for who asks.
func (r *run) writePlan(ctx context.Context, scope plan.Scope) error {
	head := plan.Head{AsOf: r.asOf, Policy: r.reports[0].Policy, Scope: scope}
	sealer, err := plan.NewSealer(head)
	if err != nil {
		return err
	}
	for l, err := range r.plan.all() {
		if err != nil {
			return err
		}
		sealer.Add(l.text)
	}
	id := sealer.ID()
	contents := plan.Contents{ID: id, Head: head, Segments: []string{}, Blocked: r.blocked()}
	written := newSegments(0, func(number int, record []byte) error {
		name := plan.SegmentName(id, number)
		contents.Segments = append(contents.Segments, name)
		return r.create(ctx, name, record, sameLines)
	})
	for l, err := range r.plan.all() {
		if err == nil {
			err = written.add(l.text)
		}
		if err != nil {
			return err
		}
		contents.Entries++
	}
	if err := written.close(); err != nil {
		return err
	}
	record, err := contents.Record()
	if err != nil {
		return fmt.Errorf("write the plan: %w; nothing was deleted", err)
	}
	if contents.Entries > 0 {
		if err := r.create(ctx, plan.Name(id), record, sameContents); err != nil {
			return err
		}
	} else if err := r.create(ctx, plan.EmptyName(id), record, sameContents); err != nil {
		r.Log.Warn("plan without media not kept", "plan", id, "error", err.Error())
	}
	r.planID = id
	for _, one := range r.reports {
		one.Plan = cmp.Or(r.request.Plan, id)
	}
	r.closeCheckpoints(ctx)
	return nil
}

// create writes a record of the plan. The name says what is in it, so one that is there
// is as good if it says the same.
func (r *run) create(ctx context.Context, name string, data []byte, same func(a, b []byte) bool) error {
	err := r.Store.Create(ctx, name, data)
	if errors.Is(err, state.ErrExists) {
		var there []byte
		if there, err = r.Store.Read(ctx, name); err == nil && !same(there, data) {
			err = fmt.Errorf("record %s: %w", name, errDamagedPlan)
		}
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w; nothing was deleted", err)
	}
	return nil
}

// errDamagedPlan says that a record of the plan is there and is not what its name says.
var errDamagedPlan = errors.New("it is damaged, and cannot be written anew")

// sameLines reports whether two segments have the same lines: another version of the
// compressor may have written one of them.
func sameLines(a, b []byte) bool {
	next, stop := iter.Pull2(lines(b))
	defer stop()
	for line, err := range lines(a) {
		other, otherErr, ok := next()
		if err != nil || otherErr != nil || !ok || !bytes.Equal(line, other) {
			return false
		}
	}
	_, _, more := next()
	return !more
}

// sameContents reports whether two records complete the same plan: one of them may have
// been blocked by a guard that has changed since.
func sameContents(a, b []byte) bool {
	one, err := plan.ParseContents(a)
	other, otherErr := plan.ParseContents(b)
	return err == nil && otherErr == nil && one.ID == other.ID && one.Entries == other.Entries && slices.Equal(one.Segments, other.Segments)
}

// Kept reads the contents of a plan that was kept.
func Kept(ctx context.Context, store state.Store, id string) (plan.Contents, error) {
	data, err := store.Read(ctx, plan.Name(id))
	if errors.Is(err, state.ErrNotFound) {
		data, err = store.Read(ctx, plan.EmptyName(id))
	}
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
			if errors.Is(err, state.ErrNotFound) {
				err = fmt.Errorf("%w: record %s is missing", state.ErrDamaged, name)
			}
			if err != nil {
				yield(plan.Entry{}, fmt.Errorf("read plan %s: %w", contents.ID, err))
				return
			}
			for line, err := range lines(data) {
				var entry plan.Entry
				if err == nil {
					sealer.Add(line)
					count++
					entry, err = plan.ParseEntry(line)
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
			if takesOrphans(l.Policy, entry.Rule) {
				l.mu.Lock()
				l.planned[entry.MediaID] = true
				l.mu.Unlock()
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
