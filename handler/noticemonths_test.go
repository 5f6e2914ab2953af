package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// TestMonthsWithANotice lives through random months of a deployment with a notice: media come, are tagged and
// change, the policy changes and loses its notice for a time, nights fail, programs are killed, and announcements are lost
// and damaged. No medium goes before its notice has run, and none is announced for ever.
//
// MEDIASWEEP_SEEDS and MEDIASWEEP_SEED choose the months, as for TestSimulation.
func TestMonthsWithANotice(t *testing.T) {
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		s := newSimulation(t, seed, noticed, emulator.MPSOptions{})
		defer s.end()
		m := &noticeMonths{announced: announced{s}, random: rand.New(rand.NewPCG(seed, 9)), since: map[string]time.Time{}, sent: 0}
		m.live()
	})
}

// noticeMonths is a deployment, and a model of since when each medium may be announced.
type noticeMonths struct {
	announced
	random *rand.Rand
	// since is the earliest time of a valid announcement: when the medium came or changed, or when a run last saw it
	// kept.
	since map[string]time.Time
	keys  int
	sent  int // calls that were checked
}

// skew is the most by which the programs' clocks differ, and a run may last.
const skew = 30 * time.Minute

func (m *noticeMonths) live() {
	for range 1 + m.random.IntN(2) {
		m.programs = append(m.programs, m.start(time.Duration(m.random.IntN(9)-4)*time.Minute))
	}
	m.come(4 + m.random.IntN(8))
	for range 45 {
		if m.random.IntN(3) == 0 {
			m.change()
		}
		if m.policy.Notice.IsZero() && m.random.IntN(3) == 0 { // while announcements count
			m.use(noticed)
		}
		m.oneNight()
		m.check()
	}
	m.e.ClearFaults()
	m.use(noticed)
	for range 10 {
		m.sweep("", time.Hour)
		m.check()
		time.Sleep(24 * time.Hour)
	}
	for _, one := range m.e.Media() {
		if expired := m.isExpired(one); expired != one.Deleted {
			m.t.Errorf("%s: expired %v, deleted %v, announced %v", one.Key, expired, one.Deleted, m.since[one.ID])
		}
	}
}

func (m *noticeMonths) come(n int) {
	for range n {
		m.keys++
		key := fmt.Sprintf("%s/%d.mp4", pick(m.random, "clips", "clips", "elsewhere"), m.keys)
		one := m.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"})
		m.e.PutObject("media-in", key, nil, time.Now())
		m.since[one.ID] = time.Now()
	}
}

// isExpired says what the policy of the programs says, by its one rule for all folders.
func (m *noticeMonths) isExpired(one emulator.Medium) bool {
	keeps := m.policy.ExpireRule("rest").After.String() != "180d"
	return len(one.Tags) == 0 && !keeps
}

// change is something that a person, or a broken disk, does.
func (m *noticeMonths) change() {
	live := slices.DeleteFunc(m.e.Media(), func(one emulator.Medium) bool { return one.Deleted })
	if len(live) == 0 {
		m.come(1)
		return
	}
	one := pick(m.random, live...)
	switch m.random.IntN(8) {
	case 0:
		m.come(1 + m.random.IntN(3))
	case 1, 2:
		m.tag(one.ID, "legal-hold")
	case 3:
		m.tag(one.ID)
	case 4:
		one.Title += "x"
		m.e.Add(one)
		m.since[one.ID] = time.Now()
	case 5:
		keeping := strings.Replace(noticed, "after: 180d", "after: 50y", 1)
		m.use(pick(m.random, noticed, noticed, keeping, strings.Replace(noticed, "notice: 7d", "notice: 8d", 1), unnoticed(noticed), unnoticed(keeping)))
	default:
		for _, o := range m.e.Objects("ops") {
			if strings.HasPrefix(o.Key, "state/announced/") && m.random.IntN(4) == 0 {
				m.damage(o)
			}
		}
	}
}

func (m *noticeMonths) damage(o emulator.Object) {
	switch m.random.IntN(3) {
	case 0:
		m.e.RemoveObject("ops", o.Key)
	case 1:
		m.e.PutObject("ops", o.Key, o.Body[:len(o.Body)/2], time.Now())
	default:
		m.e.PutObject("ops", o.Key, []byte("{}"), time.Now())
	}
}

func (m *noticeMonths) oneNight() {
	time.Sleep(time.Duration(6+m.random.IntN(40)) * time.Hour)
	limit := time.Hour
	switch m.random.IntN(8) {
	case 0:
		m.faults()
		limit = time.Duration(1+m.random.IntN(20)) * time.Second
	case 1:
		i := m.random.IntN(len(m.programs))
		p := m.programs[i]
		time.AfterFunc(time.Duration(m.random.IntN(60))*time.Millisecond, p.kill)
		m.sweepOf(p, "", limit)
		m.programs[i] = m.start(p.skew)
		time.Sleep(31 * time.Second) // the lease's
		return
	case 2:
		m.sweep(strings.Replace(everything, `"payload":""`, `"payload":"{\"mode\":\"dry-run\"}"`, 1), limit)
	case 3:
		one := pick(m.random, m.e.Media()...)
		m.sweep(string(ossEvent(one.Key)), time.Minute)
	case 4:
		list, _ := json.Marshal([]string{pick(m.random, m.e.Media()...).ID})
		m.sweep(fmt.Sprintf(`{"mode":"enforce","mediaIds":%s}`, list), time.Minute)
	}
	m.sweep("", limit)
	m.e.ClearFaults()
	time.Sleep(31 * time.Second)
}

func (m *noticeMonths) sweep(payload string, limit time.Duration) {
	m.sweepOf(pick(m.random, m.programs...), payload, limit)
}

// sweepOf runs a request, by default the timer's. A run that was done has seen which media are kept. Without a notice only
// a sweep ends their announcements.
func (m *noticeMonths) sweepOf(p *program, payload string, limit time.Duration) {
	timer := payload == "" || strings.Contains(payload, "triggerTime")
	if payload == "" {
		payload = everything
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	body, _ := p.f.Invoke(ctx, handler.Call{}, []byte(payload))
	if r := m.adds(body); r.Status != report.Done {
		return
	}
	for _, one := range m.e.Media() {
		if !m.isExpired(one) && (timer || !m.policy.Notice.IsZero() && strings.Contains(payload, one.ID)) {
			m.since[one.ID] = began
		}
	}
}

// check holds the deletions since the last check against the model. Under a policy without a notice media go at once.
func (m *noticeMonths) check() {
	m.t.Helper()
	calls := m.e.Calls()
	for _, call := range calls[m.sent:] {
		if call.Operation != "DeleteMedia" {
			continue
		}
		for _, id := range call.MediaIDs {
			one, _ := m.e.Medium(id)
			if early := m.since[id].Add(7*24*time.Hour - skew).Sub(call.Time); early > 0 && !m.policy.Notice.IsZero() || len(one.Tags) > 0 {
				m.t.Errorf("%s: %s was sent %s too early: seen as kept, or new, at %s; tags %q", call.Time, one.Key, early, m.since[id], one.Tags)
			}
		}
	}
	m.sent = len(calls)
}
