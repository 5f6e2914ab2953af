package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// SavePlan makes a plan durable. It writes the contents last, and returns them. The draft has all of them but the ID, the
// entries and the segments. Lines must be in the order of their MediaIds; SavePlan reads them twice. After an error
// the contents have an ID if all lines were read once.
func SavePlan(ctx context.Context, store state.Store, draft plan.Contents, lines iter.Seq2[plan.Line, error]) (plan.Contents, error) {
	sealer, err := plan.NewSealer(draft.Head)
	if err != nil {
		return plan.Contents{}, err
	}
	contents := draft
	contents.Entries, contents.Segments = 0, []string{}
	for l, err := range lines {
		if err != nil {
			return plan.Contents{}, err
		}
		sealer.Add(l.Text)
		contents.Entries++
	}
	contents.ID = sealer.ID()
	written := segments.NewWriter(func(number int, record []byte) error {
		name := plan.SegmentName(contents.ID, number)
		contents.Segments = append(contents.Segments, name)
		return createPlan(ctx, store, name, record, sameLines)
	})
	for l, err := range lines {
		if err == nil {
			err = written.Add(l.Text)
		}
		if err != nil {
			return contents, err
		}
	}
	if err := written.Close(); err != nil {
		return contents, err
	}
	record, err := contents.Record()
	if err != nil {
		return contents, fmt.Errorf("write the plan: %w", err)
	}
	name := plan.Name(contents.ID)
	if contents.Entries == 0 {
		name = plan.EmptyName(contents.ID)
	}
	return contents, createPlan(ctx, store, name, record, sameContents)
}

// createPlan writes a record of a plan. A record that exists is accepted if its content is the same.
func createPlan(ctx context.Context, store state.Store, name string, data []byte, same func(a, b []byte) bool) error {
	err := store.Create(ctx, name, data)
	if errors.Is(err, state.ErrExists) {
		var there []byte
		if there, err = store.Read(ctx, name); err == nil && !same(there, data) {
			err = fmt.Errorf("record %s: %w", name, ErrDamagedPlan)
		}
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// ErrDamagedPlan means that a record of the plan exists with other content.
var ErrDamagedPlan = errors.New("it is damaged and cannot be overwritten")

// sameLines reports whether two segments have the same lines. Versions of the compressor may differ.
func sameLines(a, b []byte) bool {
	next, stop := iter.Pull2(segments.Lines(b))
	defer stop()
	for line, err := range segments.Lines(a) {
		other, otherErr, ok := next()
		if err != nil || otherErr != nil || !ok || !bytes.Equal(line, other) {
			return false
		}
	}
	_, _, more := next()
	return !more
}

// sameContents reports whether two records are contents of the same plan. The guard may have blocked
// only one of them.
func sameContents(a, b []byte) bool {
	one, err := plan.ParseContents(a)
	other, otherErr := plan.ParseContents(b)
	return err == nil && otherErr == nil && one.ID == other.ID && one.Sealer().ID() == other.Sealer().ID() &&
		one.Entries == other.Entries && slices.Equal(one.Segments, other.Segments)
}

// ReadPlan reads the contents of a plan.
func ReadPlan(ctx context.Context, store state.Store, id string) (plan.Contents, error) {
	data, err := store.Read(ctx, plan.Name(id))
	if errors.Is(err, state.ErrNotFound) {
		data, err = store.Read(ctx, plan.EmptyName(id))
	}
	if err != nil {
		return plan.Contents{}, fmt.Errorf("read plan %s: %w", id, err)
	}
	contents, err := planOf(plan.Name(id), data)
	if err != nil {
		return plan.Contents{}, fmt.Errorf("read plan %s: %w: %w", id, state.ErrDamaged, err)
	}
	return contents, nil
}

// Entries yields the entries of a plan, in the order of their MediaIds. It ends with an error if
// they do not match the plan's ID. It reads no segment ahead, as MapEntries does: four segments of long
// records take 25 MB, and a run in a function has 128 MB.
func Entries(ctx context.Context, store state.Store, contents plan.Contents) iter.Seq2[plan.Entry, error] {
	return func(yield func(plan.Entry, error) bool) {
		sealer, count := contents.Sealer(), 0
		for _, name := range contents.Segments {
			for line, err := range segmentLines(ctx, store, contents, name) {
				if err != nil {
					yield(plan.Entry{}, err)
					return
				}
				sealer.Add(line.text)
				count++
				if !yield(line.entry, nil) {
					return
				}
			}
		}
		if err := checkEntries(contents, sealer, count); err != nil {
			yield(plan.Entry{}, err)
		}
	}
}

// checkEntries refuses entries, which a sealer has taken, that are not those of a plan.
func checkEntries(contents plan.Contents, sealer *plan.Sealer, count int) error {
	if sealer.ID() != contents.ID || count != contents.Entries {
		return fmt.Errorf("the entries of plan %s are not those of its ID", contents.ID)
	}
	return nil
}

type segmentLine struct {
	text   []byte
	entry  plan.Entry
	medium media.Medium
}

// segmentLines yields the lines of a segment of a plan. An error is the last. It has state.ErrDamaged for a
// segment that is missing or has a wrong line.
func segmentLines(ctx context.Context, store state.Store, contents plan.Contents, name string) iter.Seq2[segmentLine, error] {
	return func(yield func(segmentLine, error) bool) {
		data, err := store.Read(ctx, name)
		if errors.Is(err, state.ErrNotFound) {
			err = fmt.Errorf("%w: record %s is missing", state.ErrDamaged, name)
		}
		if err != nil {
			yield(segmentLine{}, fmt.Errorf("read plan %s: %w", contents.ID, err))
			return
		}
		for line, err := range segments.Decode(name, data, parseLine) {
			if err != nil {
				err = fmt.Errorf("read plan %s: %w", contents.ID, err)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

func parseLine(text []byte) (segmentLine, error) {
	entry, medium, err := plan.ParseEntry(text)
	return segmentLine{text, entry, medium}, err
}

// EntriesBetween yields the entries of a plan from one media ID to another. It reads few other segments,
// and does not check the plan's ID.
func EntriesBetween(ctx context.Context, store state.Store, contents plan.Contents, from, to string) iter.Seq2[plan.Entry, error] {
	return func(yield func(plan.Entry, error) bool) {
		var failed error
		after := sort.Search(len(contents.Segments), func(i int) bool { // the first segment that begins after from
			for first, err := range segmentLines(ctx, store, contents, contents.Segments[i]) {
				failed = cmp.Or(failed, err)
				return first.entry.MediaID > from
			}
			return false
		})
		if failed != nil {
			yield(plan.Entry{}, failed)
			return
		}
		for _, name := range contents.Segments[max(0, after-1):] {
			for line, err := range segmentLines(ctx, store, contents, name) {
				if err == nil && line.entry.MediaID > to {
					return
				}
				if (err != nil || line.entry.MediaID >= from) && !yield(line.entry, err) || err != nil {
					return
				}
			}
		}
	}
}

// appliedRecord says that a run applied a plan completely.
type appliedRecord struct {
	Format int    `json:"format"`
	Run    string `json:"run"`
}

// AppliedBy returns the run that has applied a plan to its end, or nothing.
func AppliedBy(ctx context.Context, store state.Store, id string) (run string, err error) {
	return appliedBy(store.Read(ctx, plan.AppliedName(id)))
}

func appliedBy(data []byte, err error) (run string, _ error) {
	if errors.Is(err, state.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("check whether the plan has been applied: %w", err)
	}
	var r appliedRecord
	if err := json.Unmarshal(data, &r); err != nil || r.Run == "" {
		r.Run = "an unknown run" // the record itself says that the plan was applied
	}
	return text.Name(r.Run), nil
}

// MarkApplied records that a run applied a plan completely.
func MarkApplied(ctx context.Context, store state.Store, id, run string) error {
	err := state.CreateJSON(ctx, store, plan.AppliedName(id), appliedRecord{1, run})
	if err != nil && !errors.Is(err, state.ErrExists) {
		return fmt.Errorf("record that the plan has been applied: %w", err)
	}
	return nil
}
