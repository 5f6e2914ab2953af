package journal

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

// endedHold is a hold that was released, or has ended. It kept its media: announcements up to its end count no more.
type endedHold struct {
	holds *retention.Holds // one; nil if it cannot be read, and may have kept any medium
	at    int64
}

// maxEnded bounds the releases whose holds a run reads. After more, announcements of all media start again.
const maxEnded = 1000

// readEnded reads the holds that ended after a time. placed has those that were not released.
func (a *Announcements) readEnded(ctx context.Context, placed []retention.Hold, after time.Time) error {
	for _, hold := range placed {
		if hold.Until.After(after) && !hold.Lasts(a.now) {
			a.addEnded(hold, hold.Until)
		}
	}
	var recent []state.Record
	for record, err := range a.store.List(ctx, releaseFolder, "") {
		if err != nil {
			return fmt.Errorf("list the releases of holds: %w", err)
		}
		if record.Written.After(after) {
			recent = append(recent, record)
		}
	}
	if len(recent) > maxEnded {
		last := slices.MaxFunc(recent, func(x, y state.Record) int { return x.Written.Compare(y.Written) })
		a.ended = append(a.ended, endedHold{nil, ceil(last.Written).Unix()})
		return nil
	}
	for _, record := range recent {
		switch hold, err := a.releasedHold(ctx, record.Name); {
		case errors.Is(err, errNoRelease): // the hold stays
		case isLost(err):
			a.ended = append(a.ended, endedHold{nil, ceil(record.Written).Unix()})
		case err != nil:
			return fmt.Errorf("read the released holds: %w", err)
		default:
			a.addEnded(hold, record.Written)
		}
	}
	return nil
}

func (a *Announcements) addEnded(hold retention.Hold, at time.Time) {
	holds, err := retention.NewHolds([]retention.Hold{hold})
	if err != nil {
		holds = nil
	}
	a.ended = append(a.ended, endedHold{holds, ceil(at).Unix()})
}

var errNoRelease = errors.New("it is no release")

// releasedHold returns the hold of a release.
func (a *Announcements) releasedHold(ctx context.Context, release string) (hold retention.Hold, err error) {
	data, err := a.store.Read(ctx, release)
	if err != nil && !isLost(err) {
		return hold, err
	}
	r, err := decodeRelease(data)
	if err != nil {
		return hold, errNoRelease
	}
	of := sequence{folder: holdFolder}
	if data, err = a.store.Read(ctx, of.name(number(r.Hold))); err != nil {
		return hold, err
	}
	return decodeHold(number(r.Hold), data)
}

// HoldsEnded returns when a hold ended last, in seconds since 1970, or zero.
func (a *Announcements) HoldsEnded() (last int64) {
	for _, one := range a.ended {
		last = max(last, one.at)
	}
	return last
}

// HeldUntil returns when the last hold of a medium ended, in seconds since 1970, or zero.
func (a *Announcements) HeldUntil(m *media.Medium) (last int64) {
	for _, one := range a.ended {
		if one.at > last && one.keeps(m) {
			last = one.at
		}
	}
	return last
}

func (e endedHold) keeps(m *media.Medium) bool {
	if e.holds == nil {
		return true
	}
	mark := e.holds.Mark(m, retention.Mark{})
	return mark.Hold != nil || mark.MayHold != nil
}
