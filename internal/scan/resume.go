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

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// resumed holds what a resumed scan read from a checkpoint. It is only a hint: candidates must be
// in the inventory, media are read again before their deletion, and the guard counts the
// inventory itself. The zero value belongs to a scan that was not resumed.
type resumed struct {
	// names are hashes of the names in lists and workflows of the inventory.
	names map[uint64]struct{}
	// claimed is the number of live media in the checkpoint, up to the candidate upTo.
	claimed   int
	upTo      string
	inventory policy.Inventory
}

func (r *resumed) isResumed() bool { return r.names != nil }

func (r *resumed) addName(name string) {
	if r.isResumed() {
		r.names[hashOf(name)] = struct{}{}
	}
}

func hashOf(name string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // a hash returns no error
	return hash.Sum64()
}

func (r *resumed) hasName(c inventory.Candidate) bool {
	_, ok := r.names[hashOf(c.Name())]
	return ok
}

// covers reports whether the inventory names a medium, by a prefix of its object or in a list.
func (r *resumed) covers(object media.Object, id string) bool {
	return r.inventory.Covers(object) ||
		r.hasName(inventory.Candidate{Object: object}) || id != "" && r.hasName(inventory.Candidate{MediaID: id})
}

// Names reports whether the scan's sources name a medium. Only a medium of a checkpoint may be
// one that they do not name.
func (f *Found) Names(m *media.Medium) bool {
	return !f.resumed.isResumed() || f.resumed.covers(m.Object, m.ID)
}

// Named returns the names of the policy's inventory, to check media of a saved plan. It reads the
// lists if listed is true. A list that cannot be read names nothing.
func (s *Scanner) Named(ctx, admit context.Context, listed bool) *Found {
	c := s.begin(ctx, admit, &trigger.Request{}, &report.Report{}, false, func(int) {})
	c.pool = newPool(ctx, admit, s)
	defer c.pool.close()
	c.resumed = resumed{names: map[uint64]struct{}{}, inventory: s.Policy.Inventory}
	if listed {
		c.sources = s.inventorySources()
		c.gather(func(_ inventory.Candidate, err error) bool {
			s.Log.Warn("source not read: its media are left to the next sweep", "error", err.Error())
			return true
		})
	}
	return c.Found
}

// Newest returns the newest media of a medium's groups, according to a checkpoint. Callers must
// read them again before they rely on them.
func (f *Found) Newest(rank retention.Rank) []string {
	if !f.Draft.resumed {
		return nil
	}
	return f.Draft.ranker.Newest(rank)
}

// resume resumes an interrupted scan of the same policy that is not older than checkpointAge. It
// logs a checkpoint that cannot be read, and tries the one before it.
func (c *scan) resume(ctx context.Context) {
	c.checkpoint = newCheckpointer(c.Store, checkpointFolder(c.report.Mode)+state.RunName(c.Now(), c.report.Run)+"/")
	c.cursor.open = map[string]pending{}
	folder, heads, last, err := c.interrupted(ctx)
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
			c.Log.Info("resuming an interrupted scan", "after", head.After, "asOf", head.AsOf, "passed", head.Passed)
			return
		case errors.Is(err, errFinished), ctx.Err() != nil:
			return
		case !errors.Is(err, errOther):
			c.Log.Error("checkpoint not resumed", "folder", folder, "number", number, "error", err.Error())
		}
	}
}

// interrupted returns the folder of the latest scan, and the last number in use there. If that
// scan was interrupted, it also returns the numbers of its checkpoints.
func (c *scan) interrupted(ctx context.Context) (folder string, heads []int, last int, err error) {
	closed, all := false, checkpointFolder(c.report.Mode)
	for record, err := range c.Store.List(ctx, all, all+state.Stamp(c.Now().Add(-checkpointAge))) {
		if err != nil {
			return "", nil, 0, fmt.Errorf("list the checkpoints: %w", err)
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

// errOther: the checkpoint has another policy, region, version or time. errFinished: its scan was
// finished, but that was not recorded.
var (
	errOther    = errors.New("the checkpoint is not for this scan")
	errFinished = errors.New("the scan has been finished")
)

const (
	maxHead = 16 << 20
	// maxSegment bounds a segment in bytes, after decompression.
	maxSegment = 256 << 20
	// maxCount bounds the counts of a checkpoint, so that their sums do not overflow.
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
			return checkpoint{}, fmt.Errorf("count or segment number %d is out of range", n)
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

// isUnfinished sends errFinished if a run of the checkpoint's clock has begun to delete.
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

// load loads a checkpoint. After an error the scan is unchanged.
func (c *scan) load(ctx context.Context, folder string, head checkpoint) error {
	cursor := cursor{after: head.After, open: map[string]pending{}}
	for _, open := range head.Pending {
		candidate, err := inventory.Named(open.Name, open.Modified)
		if err != nil {
			return err
		}
		candidate.Lead, candidate.Orphan = open.Lead, open.Orphan
		slash := media.SlashPlain
		if open.Escaped {
			slash = media.SlashEscaped
		}
		cursor.open[open.Name] = pending{candidate, slash}
	}
	unfinished := c.isUnfinished(ctx, head) // concurrently with the segments
	var draft Draft
	live := 0
	for f, err := range c.savedFindings(ctx, folder, head.Segments) {
		if err == nil {
			c.holdSaved(f)
			err = c.checkRules(f)
		}
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
	draft.resumed = true
	c.Draft, c.cursor, c.sorted = draft, cursor, head.Sorted
	c.Passed, c.Known, c.Missing = head.Passed, head.Known, head.Missing
	c.report.AsOf, c.report.Sources = head.AsOf, head.Sources
	for _, failure := range head.Failures {
		c.report.Fail(failure)
	}
	c.resumed = resumed{names: map[uint64]struct{}{}, claimed: live + head.Known, upTo: head.After, inventory: c.Policy.Inventory}
	return nil
}

// holdSaved protects a medium of a checkpoint that has been held since.
func (c *scan) holdSaved(f *finding) {
	if f.verdict != retention.Expired {
		return
	}
	m, err := plan.Line{Text: f.line}.Medium()
	if d, held := c.Mark(&m).Held(c.report.AsOf); err == nil && held {
		f.verdict, f.rule, f.line = d.Verdict, d.RuleName(), nil
	}
}

// checkRules refuses a finding by a rule that the policy does not have.
func (c *scan) checkRules(f *finding) error {
	rule := c.report.Rule(f.rule)
	switch {
	case retention.IsHold(f.rule) && (f.verdict == retention.Protected || f.verdict == retention.Unknown): // it may have been released since
	case f.rule != "" && rule == nil, f.verdict == retention.Expired && (rule == nil || rule.Kind != "expire"):
		return fmt.Errorf("a finding is by rule %s, which the policy does not have", text.Quote(f.rule))
	}
	ranking := c.Policy.ExpireRule(f.rank.Rule)
	if len(f.rank.Groups) > 0 && (ranking == nil || ranking.KeepLatest.Count == 0) {
		return fmt.Errorf("a finding is ranked by rule %s, which ranks nothing", text.Quote(f.rank.Rule))
	}
	return nil
}

// readAhead is the number of segments that are read at once. One read takes tens of milliseconds.
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

// segmentFindings yields the findings of a segment, without the time when they were read.
func segmentFindings(segment []byte) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		unzipped, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			yield(nil, err)
			return
		}
		limited := &io.LimitedReader{R: unzipped, N: maxSegment}
		reader := bufio.NewReader(limited)
		for {
			key, encoded, err := readRecord(reader)
			switch {
			case errors.Is(err, io.EOF) && key == "" && limited.N > 0:
				return
			case errors.Is(err, io.EOF):
				err = errDamaged // it is longer
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

// maxKey bounds the key of a finding, in bytes. A bucket has up to 63, and an object key 1,023.
const maxKey = 2 << 10

// saved decodes a finding of a segment. It takes the fields of an expired medium from its line.
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
		err = errors.New("the media ID or the rule of a finding is not that of its plan entry")
	}
	f.line, f.state, f.created = l.Text, l.State, l.Created
	return f, err
}

// dropUnnamed drops pending candidates that the inventory does not name.
func (c *scan) dropUnnamed() {
	if !c.resumed.isResumed() {
		return
	}
	maps.DeleteFunc(c.cursor.open, func(_ string, open pending) bool { return !c.resumed.covers(open.Object, open.MediaID) })
}

// Live returns a lower and an upper bound of the number of live media, including those that the
// index skipped. It bounds the claim of a checkpoint by the number of candidates in the inventory.
func (s *Scanner) Live(ctx context.Context, f *Found, counts *report.Counts) (live, most int, err error) {
	live = counts.Looked - counts.Absent + f.Known
	if !f.resumed.isResumed() || s.Policy.Guard.MaxPercent >= 100*policy.OnePercent || counts.Expired == 0 {
		return live, live, nil
	}
	names, err := s.countNamed(ctx, f)
	if err != nil {
		return 0, 0, fmt.Errorf("count the candidates of the inventory: %w", err)
	}
	own := max(0, live-f.resumed.claimed)
	return min(live, own+min(f.resumed.claimed, names)), own + max(f.resumed.claimed, names), nil
}

// countNamed counts the candidates of the inventory, up to the last of the checkpoint. If a
// listing fails, it counts the objects before the failure.
func (s *Scanner) countNamed(ctx context.Context, f *Found) (count int, err error) {
	listed := inventory.OfPrefixes(ctx, s.Objects, unique(s.Policy.Inventory.Prefixes), "", f.splits)
	if f.head.Sorted { // then the gathered objects are all
		listed = nothing
	}
	for _, all := range []candidates{f.gathered.Objects(listed, ""), f.gathered.IDs("")} {
		for candidate, err := range all {
			if deadline.Passed(err) {
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
