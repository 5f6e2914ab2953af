package announce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
)

// eventFolder has the records of events and requests. The name has all: the time, the flag, the digest and the media ID.
const eventFolder = "announced/events/"

// The flags of records. keptFlag takes back what was announced of the medium before.
const (
	expiredFlag = "i"
	orphanFlag  = "o"
	keptFlag    = "k"
)

// TakeBack records media that a run found not expired: what was announced of them before counts no more.
func TakeBack(ctx context.Context, store state.Store, now time.Time, mediaIDs []string) error {
	return createEvents(ctx, store, len(mediaIDs), func(i int) string { return eventName(now, keptFlag, Entry{MediaID: mediaIDs[i]}) })
}

// add records announcements of an event or a request.
func add(ctx context.Context, store state.Store, now time.Time, list []Entry) error {
	return createEvents(ctx, store, len(list), func(i int) string { return eventName(now, list[i].flag(), list[i]) })
}

func createEvents(ctx context.Context, store state.Store, count int, name func(i int) string) error {
	err := state.Each(ctx, count, state.AtOnce, func(ctx context.Context, i int) error {
		return store.Create(ctx, name(i), state.Empty())
	})
	if err != nil {
		return fmt.Errorf("write the announcements: %w", err)
	}
	return nil
}

func (e Entry) flag() string {
	if e.Orphan {
		return orphanFlag
	}
	return expiredFlag
}

func eventName(now time.Time, flag string, e Entry) string {
	return fmt.Sprintf("%s%s-%s-%016x-%s", eventFolder, state.Stamp(now), flag, e.Digest, e.MediaID)
}

// parseEventName parses the name of a record. kept is true if it takes back what was announced up to its time.
func parseEventName(name string) (e Entry, kept bool, err error) {
	parts := strings.SplitN(strings.TrimPrefix(name, eventFolder), "-", 4)
	if len(parts) != 4 {
		return e, false, errors.New("it is no announcement")
	}
	at, err := state.ParseStamp(parts[0])
	digest, digestErr := strconv.ParseUint(parts[2], 16, 64)
	e = Entry{MediaID: parts[3], Digest: digest, At: media.WholeSecond(at).Unix(), Lead: true, Orphan: parts[1] == orphanFlag}
	flag := e.flag()
	if kept = parts[1] == keptFlag; kept {
		flag = keptFlag
	}
	if err = cmp.Or(err, digestErr, media.CheckID(e.MediaID)); err == nil && eventName(at, flag, e) != name {
		err = errors.New("it is no announcement")
	}
	return e, kept, err
}

// lateTime bounds the time by which a clock may be ahead when it takes an announcement back.
const lateTime = time.Hour

// hasEventsSince reports whether there is a record of an event or a request since a time.
func hasEventsSince(ctx context.Context, store state.Store, since time.Time) (bool, error) {
	first, err := state.First(ctx, store, eventFolder, eventFolder+state.Stamp(since))
	if err != nil {
		return false, fmt.Errorf("read the announcements: %w", err)
	}
	return first.Name != "", nil
}

// readEvents reads the records of events and requests since a time. generation is when the latest generation was written,
// by the store's clock. An announcement from before only leads to its medium: the sweep may have seen that it is not
// expired, and has written it if not.
func (r *Reader) readEvents(ctx context.Context, since, generation time.Time) error {
	for record, err := range r.store.List(ctx, eventFolder, eventFolder+state.Stamp(since)) {
		if err != nil {
			return fmt.Errorf("read the announcements: %w", err)
		}
		e, kept, err := parseEventName(record.Name)
		switch {
		case err != nil:
			r.lost(record.Name, err)
			continue
		case kept:
			r.keptAt[e.MediaID] = max(r.keptAt[e.MediaID], min(e.At, record.Written.Add(lateTime).Unix()))
			continue
		case !record.Written.After(generation):
			e = e.LeadOnly()
		}
		if err := r.events.Add(e.MediaID, e.appendLine(nil)); err != nil {
			return err
		}
	}
	return nil
}
