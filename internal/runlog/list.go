package runlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Query selects reports. Empty fields select all.
type Query struct {
	Trigger trigger.Kind
	Status  report.Status
	Since   time.Time // the earliest end of a run
	Before  string    // a cursor: only older reports
	Limit   int       // at most this many reports, and at most MaxRuns

	except trigger.Kind // no runs of this trigger
}

// Page is a page of reports, newest first.
type Page struct {
	Reports []*report.Report
	Skipped []state.Skipped
	Next    string // the cursor for the next page; empty on the last one
}

const (
	// MaxRuns is the largest page of reports.
	MaxRuns = 1000
	// maxPageReads bounds the records that are read for a page: records may be damaged, and
	// reports that are older than the log must be read before they are selected.
	maxPageReads = 2 * MaxRuns
	// maxPageBytes bounds the reports of a page, but for those that are read at once. A page takes about five times its
	// size of memory, and several callers may ask at once.
	maxPageBytes = 8 << 20
)

// List returns a page of reports. The number of its requests does not depend on the number of
// reports that the query leaves out. It fails if it can read no record.
func List(ctx context.Context, store state.Store, q Query) (Page, error) {
	page := Page{Reports: []*report.Report{}}
	next, stop := iter.Pull2(q.candidates(ctx, store))
	defer stop()
	last, reads, bytes, unread := "", 0, 0, 0
	for reads < maxPageReads && bytes < maxPageBytes && len(page.Reports) < q.Limit {
		batch, err := take(next, min(state.AtOnce, q.Limit-len(page.Reports)))
		if err != nil || len(batch) == 0 {
			return page, err
		}
		var failed error
		for one, record := range state.ReadAll(ctx, store, batch, logged.recordName) {
			var r *report.Report
			err := record.Err
			if err == nil {
				r, err = one.read(record.Data)
			} else if !errors.Is(err, state.ErrNotFound) {
				unread, failed = unread+1, err
			}
			last, reads, bytes = one.key, reads+1, bytes+len(record.Data)
			switch {
			case err != nil:
				page.Skipped = append(page.Skipped, state.Skipped{Record: one.name, Problem: text.Bound(err.Error())})
			case q.selects(r):
				page.Reports = append(page.Reports, r)
			}
		}
		if ctx.Err() != nil || unread == reads {
			return Page{}, cmp.Or(failed, ctx.Err())
		}
	}
	more, err := take(next, 1)
	if len(more) > 0 {
		page.Next = cursorOf(last)
	}
	return page, err
}

// take returns the next candidates, at most most.
func take(next func() (logged, error, bool), most int) (batch []logged, err error) {
	for len(batch) < most {
		one, err, more := next()
		if err != nil || !more {
			return batch, err
		}
		batch = append(batch, one)
	}
	return batch, nil
}

func (q Query) selects(r *report.Report) bool {
	return r.Trigger != q.except && (q.Trigger == "" || r.Trigger == q.Trigger) && (q.Status == "" || r.Status == q.Status)
}

// A cursor has the key of a report, with its time as people read it.
func cursorOf(key string) string {
	stamp, rest, _ := strings.Cut(key, "-")
	at, _ := state.ParseInverted(stamp) // of a key of this package's
	return state.Stamp(at) + "-" + rest
}

// Cursor returns the cursor for the reports before the end of a run.
func Cursor(r *report.Report) string { return cursorOf(logKey(r.FinishedAt, r.Run, 1)) }

// IsCursor reports whether a text is a cursor.
func IsCursor(s string) bool { return keyOf(s) != "" }

// CompareCursors orders cursors, newest first.
func CompareCursors(a, b string) int { return strings.Compare(keyOf(a), keyOf(b)) }

// keyOf returns the key of a cursor, or nothing.
func keyOf(cursor string) string {
	stamp, rest, _ := strings.Cut(cursor, "-")
	at, err := state.ParseStamp(stamp)
	if run, number, _ := strings.Cut(rest, "."); err != nil || cursor != state.Stamp(at)+"-"+rest || run != state.SafeName(run) || strings.Trim(number, "0123456789") != "" || number == "" {
		return ""
	}
	return state.Inverted(at) + "-" + rest
}

// candidates yields the records that may be on a page, newest first.
func (q Query) candidates(ctx context.Context, store state.Store) iter.Seq2[logged, error] {
	return func(yield func(logged, error) bool) {
		for l, err := range q.logged(ctx, store) {
			if !yield(l, err) || err != nil {
				return
			}
		}
		older, err := q.unlogged(ctx, store)
		if err != nil {
			yield(logged{}, err)
			return
		}
		for _, one := range older {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// logged yields the names of the log that the query selects, newest first. It merges the folders of
// the triggers and statuses, and reads of each only what it yields.
func (q Query) logged(ctx context.Context, store state.Store) iter.Seq2[logged, error] {
	return func(yield func(logged, error) bool) {
		var open []*logFolderReader
		for _, kind := range trigger.Kinds() {
			for _, status := range report.Statuses() {
				if q.selects(&report.Report{Trigger: kind, Status: status}) {
					f := &logFolderReader{}
					f.pull, f.stop = iter.Pull2(q.folder(ctx, store, logFolderOf(kind, status)))
					defer f.stop()
					open = append(open, f)
				}
			}
		}
		var first errgroup.Group
		for _, f := range open {
			first.Go(func() error { return task.Run(f.next) })
		}
		if err := first.Wait(); err != nil {
			yield(logged{}, err)
			return
		}
		for {
			open = slices.DeleteFunc(open, func(f *logFolderReader) bool { return f.ended })
			if len(open) == 0 {
				return
			}
			newest := slices.MinFunc(open, func(a, b *logFolderReader) int { return strings.Compare(a.head.key, b.head.key) })
			if !yield(newest.head, newest.err) || newest.err != nil {
				return
			}
			newest.next()
		}
	}
}

// logFolderReader reads a folder of the log. An error sorts first.
type logFolderReader struct {
	pull  func() (logged, error, bool)
	stop  func()
	head  logged
	err   error
	ended bool
}

func (f *logFolderReader) next() {
	head, err, more := f.pull()
	f.head, f.err, f.ended = head, err, !more
}

// folder yields the names of one folder of the log. It skips names that no run has written.
func (q Query) folder(ctx context.Context, store state.Store, folder string) iter.Seq2[logged, error] {
	after := ""
	if q.Before != "" {
		after = folder + keyOf(q.Before) + ".~" // "~" sorts behind the counts of the record itself
	}
	return func(yield func(logged, error) bool) {
		for record, err := range store.List(ctx, folder, after) {
			if err != nil {
				yield(logged{}, fmt.Errorf("list the runs: %w", err))
				return
			}
			l, err := parseLogName(record.Name)
			if err != nil {
				continue
			}
			if l.at.Before(q.Since) || !yield(l, nil) {
				return
			}
		}
	}
}
