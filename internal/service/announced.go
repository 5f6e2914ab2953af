package service

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// announcements reads what earlier runs announced. If whole is false, it yields only announcements of given media.
func (s *Service) announcements(ctx context.Context, call Call, p *policy.Policy, whole bool) (*journal.Announcements, error) {
	if p.Notice.IsZero() {
		return &journal.Announcements{}, nil
	}
	return journal.ReadAnnouncements(ctx, s.store(call), s.account.Region, s.marks.Now().All(), s.now(), p.Notice.Began(s.asOf(), p.Timezone), whole)
}

// announcedTable has since when each medium is announced, by a hash of its ID: some 40 bytes each.
type announcedTable struct {
	of   map[uint64]announcedEntry
	from *journal.Announcements
}

type announcedEntry struct {
	digest uint64
	at     int64
}

// allAnnounced reads the announcements for a forecast, which meets media in any order.
func (s *Service) allAnnounced(ctx context.Context, call Call, p *policy.Policy) (announcedTable, error) {
	a, err := s.announcements(ctx, call, p, true)
	if err != nil {
		return announcedTable{}, err
	}
	defer a.Close()
	table := announcedTable{map[uint64]announcedEntry{}, a}
	for one, err := range a.Rest(ctx) {
		if err != nil {
			return announcedTable{}, err
		}
		key := hashOf(one.MediaID)
		if earlier, ok := table.of[key]; !ok || earlier.digest != one.Digest || one.At < earlier.at {
			table.of[key] = announcedEntry{one.Digest, one.At}
		}
	}
	return table, nil
}

func hashOf(id string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id)) // a hash returns no error
	return hash.Sum64()
}

// since returns since when a medium has been announced, or zero.
func (t announcedTable) since(m *media.Medium) time.Time {
	one, ok := t.of[hashOf(m.ID)]
	if !ok || one.at <= t.from.Held.LastOf(m) {
		return time.Time{}
	}
	if digest, err := plan.RecordDigest(m.Record); err != nil || digest != one.digest {
		return time.Time{}
	}
	return time.Unix(one.at, 0).UTC()
}

// noteNotice says what the policy's notice means for a medium that is due.
func noteNotice(p *policy.Policy, e *retention.Explanation) []string {
	switch {
	case p.Notice.IsZero() || e.DueAt.IsZero():
		return nil
	case !e.AnnouncedAt.IsZero():
		return []string{fmt.Sprintf("announced at %s: a sweep deletes it from %s on", e.AnnouncedAt.Format(time.RFC3339), e.DueAt.Format(time.RFC3339))}
	}
	return []string{fmt.Sprintf("not announced yet: the sweep that finds it expired announces it, and one at least %s later deletes it", p.Notice)}
}
