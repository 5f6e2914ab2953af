package handler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// TestMonthsOfLeads lives through random months of a deployment with a notice whose inventory names few media: events lead to
// others, a list cannot be read now and then, and programs are killed while they delete. Whatever an event led to goes, and the
// media of the list, none of them before its notice has run. Of a folder the latest stay.
//
// MEDIASWEEP_SEEDS and MEDIASWEEP_SEED choose the months, as for TestSimulation.
func TestMonthsOfLeads(t *testing.T) {
	rules := strings.NewReplacer("{bucket: oss://media-in/}", "{bucket: oss://media-in/series/}, {manifest: oss://ops/list.csv}", "fullEvery: 1h", "fullEvery: 3d").Replace(noticed)
	eachSeed(t, 1, func(t *testing.T, seed uint64) {
		s := newSimulation(t, seed, rules, emulator.MPSOptions{})
		defer s.end()
		m := &leadMonths{s, rand.New(rand.NewPCG(seed, 19)), map[string]bool{}}
		m.fill()
		for range 1 + m.random.IntN(2) {
			s.programs = append(s.programs, s.start(time.Duration(m.random.IntN(21)-10)*time.Minute))
		}
		m.live()
		m.check()
	})
}

type leadMonths struct {
	*simulation
	random *rand.Rand
	due    map[string]bool
}

// fill adds media to which events may lead, and media of the list. Of five folders with five media each, two stay.
func (m *leadMonths) fill() {
	rows := "mediaId\n"
	add := func(key string, age int) string {
		m.e.PutObject("media-in", key, nil, time.Now())
		created := time.Now().Add(-time.Duration(age) * 24 * time.Hour).UTC().Format(time.RFC3339)
		return m.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: created}).ID
	}
	for i := range 40 {
		add(fmt.Sprint("lead/", i), 400)
		listed := add(fmt.Sprint("list/", i), 400)
		rows, m.due[listed] = rows+listed+"\n", true
	}
	for i := range 25 {
		m.due[add(fmt.Sprintf("series/%d/%d", i/5, i), 300-i)] = i%5 < 3
	}
	m.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
}

func (m *leadMonths) live() {
	for range 40 {
		m.event()
		time.Sleep(time.Duration(m.random.IntN(60)) * time.Minute)
	}
	for range 25 {
		time.Sleep(time.Duration(12+m.random.IntN(20)) * time.Hour)
		m.oneNight()
	}
	for range 10 {
		time.Sleep(24 * time.Hour)
		m.run(m.programs[0], everything, time.Hour)
	}
}

// event sends an event of some medium.
func (m *leadMonths) event() {
	one := pick(m.random, m.e.Media()...)
	if r := m.run(pick(m.random, m.programs...), string(ossEvent(one.Key)), time.Minute); strings.HasPrefix(one.Key, "lead/") && r.Counts.Announced == 1 {
		m.due[one.ID] = true
	}
}

// oneNight runs the timer, perhaps beside faults, after an event, with little time, or in a program that is killed.
func (m *leadMonths) oneNight() {
	limit := time.Hour
	if m.random.IntN(4) == 0 {
		m.faults()
		limit = time.Duration(1+m.random.IntN(20)) * time.Second
	}
	if m.random.IntN(4) == 0 {
		m.e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Unavailable, After: m.random.IntN(20), Count: 1 + m.random.IntN(5)})
	}
	if m.random.IntN(3) == 0 {
		m.event()
	}
	i := m.random.IntN(len(m.programs))
	p := m.programs[i]
	if m.random.IntN(3) == 0 {
		m.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 20 * time.Millisecond})
		time.AfterFunc(time.Duration(m.random.IntN(1200))*time.Millisecond, p.kill)
		m.programs[i] = m.start(p.skew)
	}
	m.run(p, everything, limit)
	m.e.ClearFaults()
	time.Sleep(31 * time.Second) // the lease's
}

func (m *leadMonths) run(p *program, payload string, limit time.Duration) report.Report {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	body, _ := p.f.Invoke(ctx, handler.Call{}, []byte(payload))
	return m.adds(body)
}

// check holds the months against what is due. The media came at their start.
func (m *leadMonths) check() {
	earliest := m.e.Calls()[0].Time.Add(7*24*time.Hour - skew)
	for _, call := range m.e.Calls() {
		for _, id := range call.MediaIDs {
			if one, _ := m.e.Medium(id); call.Operation == "DeleteMedia" && (!m.due[id] || call.Time.Before(earliest)) {
				m.t.Errorf("%s was sent at %s", one.Key, call.Time)
			}
		}
	}
	for _, one := range m.e.Media() {
		if m.due[one.ID] && !one.Deleted {
			m.t.Errorf("%s is still there", one.Key)
		}
	}
}
