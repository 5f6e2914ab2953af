package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/extsort"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
)

// eventFolder holds the announcements by runs of events and requests. It also has the media that such runs found not
// expired. The name has the time, the flag, the digest and the media ID, so that a listing suffices.
const eventFolder = "announced/events/"

// The flags of records. keptFlag takes back what was announced of the medium before.
const (
	expiredFlag = "i"
	keptFlag    = "k"
)

// MaxAnnounced bounds the media that an event or a request announces.
const MaxAnnounced = 10_000

// Announce records announcements of a run that is no sweep of the inventory.
func Announce(ctx context.Context, store state.Store, now time.Time, list []Announcement) error {
	return createEvents(ctx, store, len(list), func(i int) string { return list[i].eventName(now, list[i].flag()) })
}

// TakeBack records media that a run found not expired: what was announced of them before counts no more.
func TakeBack(ctx context.Context, store state.Store, now time.Time, mediaIDs []string) error {
	return createEvents(ctx, store, len(mediaIDs), func(i int) string { return Announcement{MediaID: mediaIDs[i]}.eventName(now, keptFlag) })
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

func (n Announcement) flag() string {
	if n.Orphan {
		return orphanFlag
	}
	return expiredFlag
}

func (n Announcement) eventName(now time.Time, flag string) string {
	return fmt.Sprintf("%s%s-%s-%016x-%s", eventFolder, state.Stamp(now), flag, n.Digest, n.MediaID)
}

// parseEventName parses the name of a record. kept is true if it takes back what was announced up to its time.
func parseEventName(name string) (n Announcement, kept bool, err error) {
	parts := strings.SplitN(strings.TrimPrefix(name, eventFolder), "-", 4)
	if len(parts) != 4 {
		return n, false, errors.New("it is no announcement")
	}
	at, err := state.ParseStamp(parts[0])
	if err != nil {
		return n, false, err
	}
	n = Announcement{MediaID: parts[3], Lead: true, Orphan: parts[1] == orphanFlag, At: at.Add(time.Second - 1).Unix()}
	flag := n.flag()
	if kept = parts[1] == keptFlag; kept {
		flag = keptFlag
	}
	n.Digest, err = strconv.ParseUint(parts[2], 16, 64)
	if err = cmp.Or(err, media.CheckID(n.MediaID)); err == nil && n.eventName(at, flag) != name {
		err = errors.New("it is no announcement")
	}
	return n, kept, err
}

// LeadTime is the time after its notice for which an announcement counts that no sweep takes up.
const LeadTime = 31 * 24 * time.Hour

// lateTime is the time by which a record may be written late, or by another clock. sweepTime bounds the time of a sweep,
// which does not see what is written after it began.
const (
	lateTime  = time.Hour
	sweepTime = 25 * time.Hour
)

// readEvents reads what events and requests announced and took back since the latest generation. Without one it reads
// the records of LeadTime before the notice of a run. An announcement from before the generation counts from now on: the
// sweep may have seen that its medium is not expired. A generation from before that time counts no more.
func (a *Announcements) readEvents(ctx context.Context, noticeBegan time.Time) error {
	after := a.since(noticeBegan, lateTime)
	if a.number > 0 && a.latest.At.Before(noticeBegan.Add(-LeadTime)) {
		a.inventory, a.lead = part{}, part{}
	}
	for record, err := range a.store.List(ctx, eventFolder, eventFolder+state.Stamp(a.since(noticeBegan, sweepTime))) {
		if err != nil {
			return fmt.Errorf("read the announcements: %w", err)
		}
		one, kept, err := parseEventName(record.Name)
		switch {
		case err != nil:
			a.lost(record.Name, err)
			continue
		case kept:
			a.keptAt[one.MediaID] = max(a.keptAt[one.MediaID], min(one.At, record.Written.Add(lateTime).Unix()))
			continue
		case record.Name < eventFolder+state.Stamp(after):
			continue
		case a.number > 0 && !record.Written.After(a.written):
			one.At = a.now.Unix()
		}
		if err := a.events.add(one); err != nil {
			return err
		}
	}
	return nil
}

// since returns the time from which a run reads records: a time before the latest generation, but not more than LeadTime
// before the notice.
func (a *Announcements) since(noticeBegan time.Time, before time.Duration) time.Time {
	first := noticeBegan.Add(-LeadTime)
	if since := a.latest.At.Add(-before); since.After(first) && since.Before(a.now) {
		return since
	}
	return first
}

// isTakenBack reports whether a run has found the medium not expired since its announcement.
func (a *Announcements) isTakenBack(one Announcement) bool { return one.At <= a.keptAt[one.MediaID] }

// Leads yields the media that sweeps look at by their IDs, in any order. A medium may come several times.
func (a *Announcements) Leads(ctx context.Context) iter.Seq2[Announcement, error] {
	return func(yield func(Announcement, error) bool) {
		for one, err := range a.events.all() {
			if err == nil && a.isTakenBack(one) {
				continue
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
		for lead := (part{segments: a.latest.Leads, leads: true}); ; {
			if err := lead.fill(ctx, a, lastID); err != nil {
				yield(Announcement{}, err)
				return
			}
			if len(lead.rest) == 0 {
				return
			}
			for _, one := range lead.rest {
				if !a.isTakenBack(one) && !yield(one, nil) {
					return
				}
			}
			lead.rest = nil
		}
	}
}

// lastID sorts after all media IDs.
const lastID = "\x7f"

// Rest yields the announcements that Until has not yielded.
func (a *Announcements) Rest(ctx context.Context) iter.Seq2[Announcement, error] {
	return a.Until(ctx, lastID)
}

// events are announcements of events and requests, sorted by media.
type events struct {
	sorter extsort.Sorter
	next   func() (extsort.Record, error, bool)
	stop   func()
	rest   []Announcement // the next one
}

func (e *events) add(one Announcement) error {
	rest := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, one.Digest), uint64(one.At)) //nolint:gosec // read back as it was
	if one.Orphan {
		rest = append(rest, orphanFlag...)
	}
	return e.sorter.Add(one.MediaID, rest)
}

func decodeEvent(r extsort.Record) Announcement {
	return Announcement{MediaID: r.Name, Digest: binary.BigEndian.Uint64(r.Rest), At: int64(binary.BigEndian.Uint64(r.Rest[8:])), //nolint:gosec // as it was added
		Lead: true, Orphan: len(r.Rest) > 16}
}

func (e *events) all() iter.Seq2[Announcement, error] {
	return func(yield func(Announcement, error) bool) {
		for record, err := range e.sorter.All() {
			if err != nil {
				yield(Announcement{}, err)
				return
			}
			if !yield(decodeEvent(record), nil) {
				return
			}
		}
	}
}

// fill reads the next announcement, if there is one and rest is empty.
func (e *events) fill() error {
	if e.next == nil {
		e.next, e.stop = iter.Pull2(e.sorter.All())
	}
	if len(e.rest) > 0 {
		return nil
	}
	record, err, ok := e.next()
	if err == nil && ok {
		e.rest = []Announcement{decodeEvent(record)}
	}
	return err
}

func (e *events) close() {
	if e.stop != nil {
		e.stop()
	}
	e.sorter.Close()
}
