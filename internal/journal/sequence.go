package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

// sequence is a folder of records with the numbers from 1. Whoever adds one takes the first free
// number, so that no clock orders them: a list from the last known number has every new record.
type sequence struct {
	folder  string
	last    int       // the number of the last record that was read
	written time.Time // when that record was written; zero after a catalog
}

// maxNumber bounds the numbers of records.
const maxNumber = 9_999_999_999

func (s *sequence) name(number int) string { return fmt.Sprintf("%s%010d.json", s.folder, number) }

// errRenumbered: the last known record is not there as it was. Somebody removed records, and their
// numbers may be in use again.
var errRenumbered = errors.New("records were removed")

// each calls take with every new record, in the order of their numbers, and remembers those that
// it takes without an error. Other names than those of records are damaged records.
func (s *sequence) each(ctx context.Context, store state.Store, take func(number int, name string, data []byte, err error) error) error {
	after := ""
	if s.last > 0 {
		after = s.name(s.last - 1)
	}
	var listed []state.Record
	for record, err := range store.List(ctx, s.folder, after) {
		if err != nil {
			return err
		}
		listed = append(listed, record)
	}
	if s.last > 0 {
		if len(listed) == 0 || listed[0].Name != s.name(s.last) || !s.written.IsZero() && !s.written.Equal(listed[0].Written) {
			return errRenumbered
		}
		s.written, listed = listed[0].Written, listed[1:]
	}
	for some := range slices.Chunk(listed, holdReads) {
		data, errs := make([][]byte, len(some)), make([]error, len(some))
		var group errgroup.Group
		for i, record := range some {
			group.Go(func() error {
				errs[i] = task.Do(func() (err error) {
					data[i], err = store.Read(ctx, record.Name)
					return err
				})
				return nil
			})
		}
		_ = group.Wait() // it returns no error
		for i, record := range some {
			number := 0
			_, _ = fmt.Sscanf(record.Name, s.folder+"%d.json", &number) // checked by its name
			if number <= 0 || number > maxNumber || record.Name != s.name(number) {
				number, errs[i] = 0, fmt.Errorf("%w: its name has no number of ten digits", state.ErrDamaged)
			}
			if err := take(number, record.Name, data[i], errs[i]); err != nil {
				return err
			}
			if number > 0 {
				s.last, s.written = number, record.Written
			}
		}
	}
	return nil
}
