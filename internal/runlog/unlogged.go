package runlog

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
)

// begunFolder has one record, which is the first of the log by time and by name. Its name says whether
// the store had reports by then.
const (
	begunFolder = logFolder + "begun/"
	begunNew    = begunFolder + "new"
	begunOld    = begunFolder + "old"
)

// Begin records that all reports are logged from now on, unless the log has any record. It precedes
// the first report.
func Begin(ctx context.Context, store state.Store) error {
	first, err := state.First(ctx, store, logFolder, "")
	if err == nil && first.Name == "" {
		name := begunNew
		if first, err = state.First(ctx, store, reportFolder, ""); first.Name != "" {
			name = begunOld
		}
		if err == nil {
			err = store.Create(ctx, name, state.Empty())
		}
	}
	if err != nil {
		return fmt.Errorf("begin the log of runs: %w", err)
	}
	return nil
}

// begun returns the time from which the log has all reports, and whether there are older ones. Without
// a log all reports are older. A log without its first record has expired in part, and older reports too.
func begun(ctx context.Context, store state.Store) (at time.Time, older bool, err error) {
	record, err := state.First(ctx, store, logFolder, "")
	switch {
	case err != nil || record.Name == "":
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), true, err
	case strings.HasPrefix(record.Name, begunFolder):
		return record.Written, record.Name != begunNew, nil
	}
	return time.Time{}, false, nil
}

// unlogged returns reports that were saved before the log began, newest first. It lists all reports
// of such a store, as the version before the log did.
func (q Query) unlogged(ctx context.Context, store state.Store) ([]logged, error) {
	began, older, err := begun(ctx, store)
	if err != nil || !older || !q.Since.Before(began) {
		return nil, err
	}
	var list []logged
	cut := func(most int) {
		slices.SortFunc(list, func(a, b logged) int { return cmp.Compare(a.key, b.key) })
		list = list[:min(len(list), most)]
	}
	for record, err := range store.List(ctx, reportFolder, "") {
		if err != nil {
			return nil, fmt.Errorf("list the runs: %w", err)
		}
		number, err := strconv.Atoi(strings.TrimSuffix(path.Base(record.Name), reportSuffix))
		key := logKey(record.Written, path.Base(path.Dir(record.Name)), number)
		if err != nil || number < 1 || !record.Written.Before(began) || record.Written.Before(q.Since) || key <= keyOf(q.Before) {
			continue
		}
		if list = append(list, logged{name: record.Name, key: key}); len(list) >= 4*maxPageReads {
			cut(maxPageReads + 1)
		}
	}
	cut(maxPageReads + 1)
	return list, nil
}
