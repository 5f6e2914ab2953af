package holds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/state"
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

// numberOf returns the number in the name of a record; 0 for another name.
func (s *sequence) numberOf(name string) (number int) {
	_, _ = fmt.Sscanf(name, s.folder+"%d.json", &number) // checked by its name
	if number <= 0 || number > maxNumber || name != s.name(number) {
		return 0
	}
	return number
}

// errRenumbered: the last known record is not there as it was. Somebody removed records, and their
// numbers may be in use again.
var errRenumbered = errors.New("records were removed")

// numbered is a record of a sequence. Its error says that it cannot be read, or has another name than
// those of records: then it has no number.
type numbered struct {
	state.Record
	number int
	data   []byte
	err    error
}

// fresh reads the records after the last, in the order of their numbers. It finds them by a listing and by their numbers:
// that a read sees a new object at once is documented, and of a listing it is not.
func (s *sequence) fresh(ctx context.Context, store state.Store) (records []numbered, err error) {
	var next numbered
	err = state.Each(ctx, 2, 2, func(ctx context.Context, i int) (err error) {
		if i == 0 {
			records, err = s.listed(ctx, store)
			return err
		}
		next = s.read(ctx, store, s.last+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	last := s.last
	for _, r := range records {
		last = max(last, r.number)
	}
	for range maxUnlisted {
		switch {
		case next.number <= last: // the listing has it
		case errors.Is(next.err, state.ErrNotFound):
			return records, nil
		case next.err != nil && !errors.Is(next.err, state.ErrDamaged):
			return nil, next.err
		default:
			records, last = append(records, next), next.number
		}
		next = s.read(ctx, store, last+1)
	}
	return nil, fmt.Errorf("%w: more than %d records that no listing has", state.ErrDamaged, maxUnlisted)
}

// maxUnlisted bounds the records that a listing lacks.
const maxUnlisted = 1000

func (s *sequence) read(ctx context.Context, store state.Store, number int) numbered {
	r := numbered{Record: state.Record{Name: s.name(number)}, number: number}
	r.data, r.err = store.Read(ctx, r.Name)
	return r
}

// listed lists and reads the records after the last.
func (s *sequence) listed(ctx context.Context, store state.Store) ([]numbered, error) {
	after := ""
	if s.last > 0 {
		after = s.name(s.last - 1)
	}
	var records []state.Record
	for record, err := range store.List(ctx, s.folder, after) {
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	if s.last > 0 {
		if len(records) == 0 || records[0].Name != s.name(s.last) || !s.written.IsZero() && !s.written.Equal(records[0].Written) {
			return nil, errRenumbered
		}
		s.written, records = records[0].Written, records[1:]
	}
	fresh := make([]numbered, 0, len(records))
	for r, read := range state.ReadAll(ctx, store, records, func(r state.Record) string { return r.Name }) {
		one := numbered{Record: r, number: s.numberOf(r.Name), data: read.Data, err: read.Err}
		if one.number == 0 {
			one.err = fmt.Errorf("%w: its name has no number of ten digits", state.ErrDamaged)
		}
		fresh = append(fresh, one)
	}
	return fresh, nil
}

// took moves the sequence past a record.
func (s *sequence) took(r numbered) {
	if r.number > 0 {
		s.last, s.written = r.number, r.Written
	}
}
