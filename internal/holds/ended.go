package holds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Ended are holds that were released, or whose time is over.
type Ended []ended

type ended struct {
	holds *retention.Holds // one; nil if it cannot be read, and may have kept any medium
	at    int64            // in seconds since 1970, rounded up
}

// maxEnded bounds the releases whose holds are read. More count as one that kept all media.
const maxEnded = 1000

// EndedSince reads the holds that ended after a time. placed has those that were not released.
func EndedSince(ctx context.Context, store state.Store, placed []retention.Hold, now, after time.Time) (list Ended, err error) {
	for _, hold := range placed {
		if hold.Until.After(after) && !hold.Lasts(now) {
			list.add(&hold, hold.Until)
		}
	}
	var recent []state.Record
	for record, err := range store.List(ctx, releaseFolder, "") {
		if err != nil {
			return nil, fmt.Errorf("list the releases of holds: %w", err)
		}
		if record.Written.After(after) {
			recent = append(recent, record)
		}
	}
	if len(recent) > maxEnded {
		last := slices.MaxFunc(recent, func(x, y state.Record) int { return x.Written.Compare(y.Written) })
		list.add(nil, last.Written)
		return list, nil
	}
	for _, record := range recent {
		switch hold, err := released(ctx, store, record.Name); {
		case errors.Is(err, errNoRelease): // the hold stays
		case state.IsLost(err):
			list.add(nil, record.Written)
		case err != nil:
			return nil, fmt.Errorf("read the released holds: %w", err)
		default:
			list.add(&hold, record.Written)
		}
	}
	return list, nil
}

// add adds a hold. nil stands for one that cannot be read.
func (e *Ended) add(hold *retention.Hold, at time.Time) {
	one := ended{at: media.WholeSecond(at).Unix()}
	if hold != nil {
		one.holds, _ = retention.NewHolds([]retention.Hold{*hold}) // nil with an error
	}
	*e = append(*e, one)
}

var errNoRelease = errors.New("it is no release")

// released returns the hold of a release.
func released(ctx context.Context, store state.Store, release string) (hold retention.Hold, err error) {
	data, err := store.Read(ctx, release)
	if err != nil && !state.IsLost(err) {
		return hold, err
	}
	r, err := decodeRelease(data)
	if err != nil {
		return hold, errNoRelease
	}
	of := sequence{folder: holdFolder}
	if data, err = store.Read(ctx, of.name(number(r.Hold))); err != nil {
		return hold, err
	}
	return decodeHold(number(r.Hold), data)
}

// Last returns when a hold ended last, in seconds since 1970, or zero.
func (e Ended) Last() (last int64) {
	for _, one := range e {
		last = max(last, one.at)
	}
	return last
}

// LastOf returns when the last hold of a medium ended, in seconds since 1970, or zero.
func (e Ended) LastOf(m *media.Medium) (last int64) {
	for _, one := range e {
		if one.at > last && one.keeps(m) {
			last = one.at
		}
	}
	return last
}

func (e ended) keeps(m *media.Medium) bool {
	if e.holds == nil {
		return true
	}
	mark := e.holds.Mark(m, retention.Mark{})
	return mark.Hold != nil || mark.MayHold != nil
}
