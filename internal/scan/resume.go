package scan

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// resumed is what a resumed scan knows from the state store. It is a hint: candidates must
// be in the inventory, media are read again before they are deleted, and the guard counts
// the inventory itself. Its zero value is that of a scan that began by itself.
type resumed struct {
	// names are hashes of the names in lists and workflows of the inventory.
	names map[uint64]struct{}
	// claimed is the number of live media that the checkpoint has, up to the candidate upTo.
	claimed int
	upTo    string
	// prefixes are the inventory's.
	prefixes []media.Object
	// newest are the media that outrank others.
	newest map[rankGroup][]ranked
}

type rankGroup struct{ rule, group string }

type ranked struct {
	mediaID string
	created int64
}

func (r *resumed) isResumed() bool { return r.names != nil }

func (r *resumed) addName(name string) {
	if r.isResumed() {
		r.names[hashOf(name)] = struct{}{}
	}
}

func hashOf(name string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // a hash takes everything
	return hash.Sum64()
}

func (r *resumed) hasName(c inventory.Candidate) bool {
	_, ok := r.names[hashOf(c.Name())]
	return ok
}

// covers reports whether the inventory names a medium: by a prefix of its object, or in a
// list.
func (r *resumed) covers(object media.Object, id string) bool {
	return slices.ContainsFunc(r.prefixes, func(prefix media.Object) bool { return prefix.Covers(object) }) ||
		r.hasName(inventory.Candidate{Object: object}) || id != "" && r.hasName(inventory.Candidate{MediaID: id})
}

// Names reports whether the scan's sources name a medium. They do, but for what a
// checkpoint claims.
func (f *Found) Names(m *media.Medium) bool {
	return !f.resumed.isResumed() || f.resumed.covers(m.Object, m.ID)
}

// Named returns what the policy's inventory names, for media of a saved plan. Its lists are
// read if listed says so; what cannot be read names nothing.
func (s *Scanner) Named(ctx, admit context.Context, listed bool) *Found {
	c := s.begin(ctx, admit, &trigger.Request{}, &report.Report{}, false, func(int) {})
	c.pool = newPool(ctx, admit, s)
	defer c.pool.close()
	c.resumed = resumed{names: map[uint64]struct{}{}, prefixes: s.Policy.Inventory.Prefixes}
	if listed {
		c.sources = s.inventorySources()
		c.gather(func(_ inventory.Candidate, err error) bool {
			s.Log.Warn("source not read: its media are left to the sweep", "error", err.Error())
			return true
		})
	}
	return c.Found
}

// CoveredBy reports whether the inventory names an object by a prefix.
func (s *Scanner) CoveredBy(object media.Object) bool {
	return slices.ContainsFunc(s.Policy.Inventory.Prefixes, func(prefix media.Object) bool { return prefix.Covers(object) })
}

// Newest returns the newest media of a medium's groups, for all that a checkpoint says.
func (f *Found) Newest(rank retention.Rank) (ids []string) {
	for _, group := range rank.Groups {
		for _, one := range f.resumed.newest[rankGroup{rank.Rule, group}] {
			ids = append(ids, one.mediaID)
		}
	}
	return ids
}

// rank remembers a medium that may outrank others: who relies on it reads it again.
func (r *resumed) rank(f *finding, count int) {
	if !r.isResumed() {
		return
	}
	for _, group := range f.rank.Groups {
		of := rankGroup{f.rank.Rule, group}
		at, _ := slices.BinarySearchFunc(r.newest[of], f.rank.Created, func(one ranked, created int64) int {
			switch {
			case one.created > created:
				return -1
			case one.created < created:
				return 1
			}
			return 0
		})
		if at < count {
			list := slices.Insert(r.newest[of], at, ranked{f.mediaID, f.rank.Created})
			r.newest[of] = list[:min(len(list), count)]
		}
	}
}

// resume makes the scan go on where an earlier one was cut off, if that was under the same
// policy and not too long ago. A checkpoint that cannot be read is logged, and the one before
// it is taken.
func (c *scan) resume(ctx context.Context) {
	c.checkpoint = newCheckpointer(c.Store, checkpointFolder+state.RunName(c.Now(), c.report.Run)+"/")
	c.cursor.open = map[string]pending{}
	folder, heads, last, err := c.cutOff(ctx)
	if err != nil {
		c.Log.Error("scan not resumed: starting over", "error", err.Error())
	}
	for _, number := range slices.Backward(heads) {
		head, err := c.loadHead(ctx, folder, number)
		if err == nil {
			err = c.load(ctx, folder, head)
		}
		switch {
		case err == nil:
			c.checkpoint.folder, c.checkpoint.number, c.checkpoint.segments = folder, last, head.Segments
			c.checkpoint.saved = true
			c.Log.Info("resuming a scan that was cut off", "after", head.After, "asOf", head.AsOf, "passed", head.Passed)
			return
		case errors.Is(err, errFinished), ctx.Err() != nil:
			return
		case !errors.Is(err, errOther):
			c.Log.Error("checkpoint not resumed", "folder", folder, "number", number, "error", err.Error())
		}
	}
}

// cutOff returns the folder of the latest scan and the numbers of its checkpoints, if it was
// cut off, and the last number in use.
func (c *scan) cutOff(ctx context.Context) (folder string, heads []int, last int, err error) {
	closed := false
	for record, err := range c.Store.List(ctx, checkpointFolder, checkpointFolder+state.Stamp(c.Now().Add(-checkpointAge))) {
		if err != nil {
			return "", nil, 0, fmt.Errorf("look for checkpoints: %w", err)
		}
		at := strings.LastIndex(record.Name, "/") + 1
		if record.Name[:at] != folder {
			folder, heads, last, closed = record.Name[:at], nil, 0, false
		}
		name := record.Name[at:]
		closed = closed || name == closedName
		var number int
		var suffix string
		if n, _ := fmt.Sscanf(name, "%6d.%s", &number, &suffix); n != 2 {
			continue
		}
		if last = max(last, number); suffix == "json" {
			heads = append(heads, number)
		}
	}
	if closed {
		heads = nil
	}
	return folder, heads, last, nil
}

// errOther says that a checkpoint is of another policy, region, version or time, and
// errFinished that its scan has been finished, though that could not be recorded.
var (
	errOther    = errors.New("the checkpoint is not for this scan")
	errFinished = errors.New("the scan has been finished")
)

const (
	maxHead = 16 << 20
	// maxSegment bounds a segment in bytes, after decompression.
	maxSegment = 256 << 20
	// maxCount bounds counts of a checkpoint: sums of a few stay in range.
	maxCount = 1 << 40
)

func decodeHead(data []byte) (checkpoint, error) {
	var head checkpoint
	if err := state.Decode(data, maxHead, &head); err != nil {
		return checkpoint{}, err
	}
	if head.Format != checkpointFormat {
		return checkpoint{}, fmt.Errorf("format %d, this program reads format %d: %w", head.Format, checkpointFormat, errOther)
	}
	for _, n := range append([]int{head.Passed, head.Known}, head.Segments...) {
		if n < 0 || n > maxCount {
			return checkpoint{}, fmt.Errorf("a number is %d", n)
		}
	}
	return head, nil
}

func (c *scan) loadHead(ctx context.Context, folder string, number int) (checkpoint, error) {
	data, err := c.Store.Read(ctx, fmt.Sprintf("%s%06d.json", folder, number))
	if err != nil {
		return checkpoint{}, err
	}
	head, err := decodeHead(data)
	if err != nil {
		return checkpoint{}, err
	}
	if head.Policy != c.report.Policy || c.sorted && !head.Sorted || head.Region != c.Region || head.AsOf.After(c.Now()) || c.Now().Sub(head.AsOf) > checkpointAge {
		return checkpoint{}, errOther
	}
	return head, nil
}

// isUnfinished reports, once it is received from, whether no run of the checkpoint's clock has
// begun to delete.
func (c *scan) isUnfinished(ctx context.Context, head checkpoint) <-chan error {
	answer := make(chan error, 1)
	go func() {
		answer <- task.Do(func() error {
			begun, err := journal.HasBegun(ctx, c.Store, head.AsOf)
			if begun {
				return errFinished
			}
			return err
		})
	}()
	return answer
}

// load takes over what a checkpoint has, all of it or nothing.
func (c *scan) load(ctx context.Context, folder string, head checkpoint) error {
	cursor := cursor{after: head.After, open: map[string]pending{}}
	for _, open := range head.Pending {
		candidate, err := inventory.Named(open.Name, open.Modified)
		if err != nil {
			return err
		}
		slash := media.SlashPlain
		if open.Escaped {
			slash = media.SlashEscaped
		}
		cursor.open[open.Name] = pending{candidate, slash}
	}
	unfinished := c.isUnfinished(ctx, head) // beside the segments: a call may have little time
	var draft Draft
	live := 0
	for f, err := range c.savedFindings(ctx, folder, head.Segments) {
		if err == nil {
			err = draft.add(f.key(), f.encode())
		}
		if err != nil {
			draft.Close()
			return err
		}
		if f.mediaID != "" && f.verdict != retention.Absent && !f.uncounted {
			live++
		}
	}
	if err := <-unfinished; err != nil {
		draft.Close()
		return err
	}
	c.Draft, c.cursor, c.sorted = draft, cursor, head.Sorted
	c.Passed, c.Known, c.Missing = head.Passed, head.Known, head.Missing
	c.report.AsOf, c.report.Sources = head.AsOf, head.Sources
	for _, failure := range head.Failures {
		c.report.Fail(failure)
	}
	c.resumed = resumed{names: map[uint64]struct{}{}, claimed: live + head.Known, upTo: head.After, prefixes: c.Policy.Inventory.Prefixes, newest: map[rankGroup][]ranked{}}
	return nil
}

// readAhead is how many segments are read at once: a store takes some tens of milliseconds
// for each.
const readAhead = 16

// savedFindings yields the findings of segments.
func (c *scan) savedFindings(ctx context.Context, folder string, segments []int) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		for some := range slices.Chunk(segments, readAhead) {
			records := make([][]byte, len(some))
			group, ctx := errgroup.WithContext(ctx)
			for i, number := range some {
				group.Go(func() error {
					return task.Do(func() (err error) {
						records[i], err = c.Store.Read(ctx, fmt.Sprintf("%s%06d.gz", folder, number))
						return err
					})
				})
			}
			if err := group.Wait(); err != nil {
				yield(nil, err)
				return
			}
			for _, record := range records {
				for f, err := range segmentFindings(record) {
					if !yield(f, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// segmentFindings yields the findings of a segment: media that were read at no known time.
func segmentFindings(segment []byte) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		reader := bufio.NewReader(io.LimitReader(unzipped, maxSegment))
		for {
			key, encoded, err := readRecord(reader)
			if errors.Is(err, io.EOF) && key == "" {
				return
			}
			var f *finding
			if err == nil {
				f, err = saved(key, encoded)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// readRecord reads one record. At the end of the segment it returns io.EOF and no key.
func readRecord(reader *bufio.Reader) (key string, encoded []byte, err error) {
	keySize, err := binary.ReadUvarint(reader)
	if err != nil {
		return "", nil, err
	}
	size, err := binary.ReadUvarint(reader)
	if err != nil || keySize > maxKey || size > 2*plan.MaxLine {
		return "damaged", nil, errDamaged
	}
	record := make([]byte, keySize+size)
	if _, err := io.ReadFull(reader, record); err != nil {
		return "damaged", nil, errDamaged
	}
	return string(record[:keySize]), record[keySize:], nil
}

// maxKey bounds the key of a finding in bytes: an object has up to 63 of its bucket and
// 1,023 of its key.
const maxKey = 2 << 10

// saved returns a finding of a segment. One that has expired is what its line says.
func saved(key string, encoded []byte) (*finding, error) {
	f, err := decode(key, encoded)
	if err != nil {
		return nil, err
	}
	f.readAt = plan.Unread
	if f.verdict != retention.Expired {
		f.line = nil
		return f, nil
	}
	entry, err := plan.ParseEntry(f.line)
	if err != nil {
		return nil, err
	}
	l, _, err := plan.Saved(entry)
	if err == nil && (l.MediaID != f.mediaID || l.Rule != f.rule) {
		err = errors.New("a finding is not of its plan's entry")
	}
	f.line, f.state, f.created = l.Text, l.State, l.Created
	return f, err
}

// dropUnnamed gives up candidates of the checkpoint that the inventory does not name.
func (c *scan) dropUnnamed() {
	if !c.resumed.isResumed() {
		return
	}
	maps.DeleteFunc(c.cursor.open, func(_ string, open pending) bool { return !c.resumed.covers(open.Object, open.MediaID) })
}

// Live returns the number of live media, and the most that there may be. Media that were
// passed over count too. What a checkpoint claims is believed only up to the number of
// candidates that the inventory has there.
func (s *Scanner) Live(ctx context.Context, f *Found, counts *report.Counts) (live, most int, err error) {
	live = counts.Looked - counts.Absent + f.Known
	if !f.resumed.isResumed() || s.Policy.Guard.MaxPercent >= 100*policy.OnePercent || counts.Expired == 0 {
		return live, live, nil
	}
	names, err := s.countNamed(ctx, f)
	if err != nil {
		return 0, 0, fmt.Errorf("count what the inventory names: %w", err)
	}
	own := max(0, live-f.resumed.claimed)
	return own + min(f.resumed.claimed, names), own + max(f.resumed.claimed, names), nil
}

// countNamed returns how many candidates the inventory names, up to the checkpoint's. A
// prefix that cannot be listed counts for what has been listed of it.
func (s *Scanner) countNamed(ctx context.Context, f *Found) (count int, err error) {
	listed := inventory.OfPrefixes(ctx, s.Objects, unique(s.Policy.Inventory.Prefixes), "", nil)
	for _, all := range []candidates{f.gathered.Objects(listed, ""), f.gathered.IDs("")} {
		for candidate, err := range all {
			if isContext(err) {
				return 0, err
			}
			if err == nil && candidate.Name() > f.resumed.upTo {
				break
			}
			if err == nil {
				count++
			}
		}
	}
	return count, ctx.Err()
}
