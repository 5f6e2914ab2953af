package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// TestSimulation lives through random days of a deployment on a turned clock: up to
// five programs whose clocks differ by up to ten minutes share one library and one
// state bucket. Timers, events and requests come at random instants, twice, with too
// little time, while both services delay, refuse and lose answers, and programs are
// killed in the middle. What must never happen never does, and once the faults end,
// repeated runs delete exactly what has expired.
//
// MEDIASWEEP_SEEDS says how many days there are; a day is told by its seed, which
// MEDIASWEEP_SEED repeats.
func TestSimulation(t *testing.T) {
	first, days := uint64(0), 30
	if text := os.Getenv("MEDIASWEEP_SEEDS"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("MEDIASWEEP_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		days = 1
	}
	for seed := first; seed < first+uint64(days); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

// program is one process of the deployment. Once it is killed nothing that it still
// does reaches the services.
type program struct {
	f    *handler.Function
	skew time.Duration

	mu     sync.Mutex
	killed bool
	conns  []net.Conn
}

func (p *program) dial(network *emulator.Pipes) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return nil, errors.New("killed")
	}
	client, err := network.Dial(context.Background(), "", "")
	if err == nil {
		p.conns = append(p.conns, client)
	}
	return client, err
}

func (p *program) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// simulation is one day.
type simulation struct {
	t        *testing.T
	rng      *rand.Rand
	network  *emulator.Pipes
	e        *emulator.Emulator
	policy   *policy.Policy
	programs []*program
	crowded  bool // there have been several programs
	calls    sync.WaitGroup

	mu   sync.Mutex
	held map[string]time.Time // media that were held, since when; zero if it is not certain
}

const simulated = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}]
protect: [{name: hold, match: {tags: [legal-hold]}}]
expire:
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
  - {name: rest, after: 180d}
guard: {maxPercent: 100, maxDelete: 100000}
pace: {share: 1}
`

// slow slows a policy's calls down to ten a second: what takes a while needs few media.
func slow(rules string) string { return strings.Replace(rules, "share: 1", "share: 0.1", 1) }

func newSimulation(t *testing.T, seed uint64, rules string, options emulator.MPSOptions) *simulation {
	t.Helper()
	// A turned clock starts in the year 2000, and no record of before 2010 is believed.
	time.Sleep(time.Until(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)))
	s := &simulation{t: t, rng: rand.New(rand.NewPCG(seed, 7)), network: emulator.NewPipes(), held: map[string]time.Time{}}
	var err error
	if s.policy, err = policy.Parse("policy", []byte(rules)); err != nil {
		t.Fatal(err)
	}
	if s.e, err = emulator.Start(emulator.Config{Listener: s.network, MPS: options, OSS: emulator.OSSOptions{FoldedOrder: seed%5 == 4}, Seed: seed}); err != nil {
		t.Fatal(err)
	}
	s.e.PutBucket("ops", "")
	return s
}

// end ends what would keep the clock from being turned back.
func (s *simulation) end() {
	for _, p := range s.programs {
		p.kill()
	}
	if err := s.e.Close(); err != nil {
		s.t.Error(err)
	}
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	rules := simulated
	if seed%3 == 1 { // the same media by two ways
		rules = strings.Replace(rules, "inventory: [", "inventory: [{manifest: oss://ops/list.csv}, ", 1)
	}
	s := newSimulation(t, seed, rules, emulator.MPSOptions{
		UnknownID:     pick(rng, emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial),
		DeletedView:   pick(rng, emulator.ViewNonExist, emulator.ViewDeleted, emulator.ViewInitiated),
		URLForm:       pick(rng, emulator.AnySlash, emulator.RawSlash, emulator.EscapedSlash),
		DeletionDelay: pick(rng, 0, 0, time.Second),
		EmptyNonExist: rng.IntN(2) == 0,
	})
	defer s.end()
	size := 20 + rng.IntN(100)
	if seed%50 == 0 { // more than a look notes at once
		size = 1500 + rng.IntN(1500)
	}
	due := s.library(size)
	rows := "mediaId,object\n"
	for i, m := range s.e.Media() {
		switch i % 3 {
		case 0:
			rows += m.ID + ",\n"
		case 1:
			rows += ",oss://media-in/" + m.Key + "\n"
		}
	}
	s.e.PutObject("ops", "list.csv", []byte(rows), time.Now())
	for range 1 + rng.IntN(5) {
		s.programs = append(s.programs, s.start(time.Duration(rng.IntN(21)-10)*time.Minute))
	}
	s.crowded = len(s.programs) > 1
	s.faults()
	for range 4 + rng.IntN(10) {
		s.happening()
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
	}
	s.calls.Wait()
	s.e.ClearFaults()
	if rng.IntN(2) == 0 {
		s.checkHeld()
		s.releaseAll()
	}
	left := maps.Clone(due)
	for id := range s.held {
		delete(left, id)
	}
	s.settle(left)
	s.checkHeld()
	s.hold(due)
}

func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// library fills the library, and returns what is due by the policy. No medium is near
// an age at which programs whose clocks differ could disagree.
func (s *simulation) library(size int) (due map[string]bool) {
	due = map[string]bool{}
	day := 24 * time.Hour
	folders := map[string][]emulator.Medium{}
	for i := range size {
		age := time.Duration(s.rng.IntN(400))*day + 12*time.Hour
		key := fmt.Sprintf("%s/%d.mp4", pick(s.rng, "clips", "clips", "CLIPS"), i)
		if s.rng.IntN(3) == 0 {
			key = fmt.Sprintf("series/%d/%d.mp4", s.rng.IntN(5), i)
		}
		m := emulator.Medium{Bucket: "media-in", Key: key, PublishState: pick(s.rng, "Published", "UnPublish", "Initiated"),
			CreationTime: time.Now().Add(-age).UTC().Format(time.RFC3339)}
		switch s.rng.IntN(12) {
		case 0:
			m.Tags = []string{"legal-hold"}
		case 1:
			m.CreationTime = "long ago"
		case 2:
			m.PublishState = "Deleting"
		}
		m = s.e.Add(m)
		if folder, _, ok := strings.Cut(strings.TrimPrefix(key, "series/"), "/"); ok && strings.HasPrefix(key, "series/") {
			folders[folder] = append(folders[folder], m)
		} else {
			due[m.ID] = expires(m, 180*day)
		}
		s.e.PutObject("media-in", key, nil, time.Now())
	}
	for _, folder := range folders {
		ranked := slices.DeleteFunc(slices.Clone(folder), func(m emulator.Medium) bool { return m.CreationTime == "long ago" || m.PublishState == "Deleting" })
		slices.SortFunc(ranked, func(a, b emulator.Medium) int { return strings.Compare(b.CreationTime, a.CreationTime) })
		for i, m := range ranked {
			due[m.ID] = i >= 2 && m.CreationTime != ranked[1].CreationTime && expires(m, 30*day)
		}
	}
	return due
}

func expires(m emulator.Medium, after time.Duration) bool {
	created, err := time.Parse(time.RFC3339, m.CreationTime)
	return err == nil && m.PublishState != "Deleting" && len(m.Tags) == 0 && time.Since(created) > after
}

// addOld adds media that have expired, with their objects, and returns their IDs.
func (s *simulation) addOld(bucket string, n int) (ids []string) {
	for i := range n {
		key := fmt.Sprint("clips/", i)
		ids = append(ids, s.e.Add(emulator.Medium{Bucket: bucket, Key: key, PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"}).ID)
		s.e.PutObject(bucket, key, nil, time.Now())
	}
	return ids
}

func (s *simulation) start(skew time.Duration) *program {
	p := &program{skew: skew}
	env := s.e.Env()
	env["MEDIASWEEP_STATE"] = "oss://ops/state/"
	p.f = handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: io.Discard, Policy: s.policy,
		Now:  func() time.Time { return time.Now().Add(skew) },
		Dial: func(context.Context, string, string) (net.Conn, error) { return p.dial(s.network) }})
	return p
}

func (s *simulation) faults() {
	for range s.rng.IntN(4) {
		s.e.Inject(emulator.Fault{Operation: pick(s.rng, "*", "DeleteMedia", "QueryMediaList", "PutObject"), Kind: emulator.Latency,
			Delay: time.Duration(1+s.rng.IntN(800)) * time.Millisecond, Probability: s.rng.Float64(), Seed: s.rng.Uint64()})
	}
	kinds := slices.DeleteFunc(emulator.FaultKinds(), func(kind emulator.FaultKind) bool { return kind == emulator.Latency })
	operations := []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL", "PutObject", "GetObject", "ListObjectsV2"}
	for range s.rng.IntN(6) {
		f := emulator.Fault{Operation: pick(s.rng, operations...), Kind: pick(s.rng, kinds...), Seed: s.rng.Uint64()}
		if s.rng.IntN(2) == 0 {
			f.Probability = 0.2 * s.rng.Float64()
		} else {
			f.After, f.Count = s.rng.IntN(40), 1+s.rng.IntN(3)
		}
		s.e.Inject(f)
	}
}

// happening is one thing that happens to a deployment.
func (s *simulation) happening() {
	at := s.rng.IntN(len(s.programs))
	p := s.programs[at]
	limit := time.Duration(5+s.rng.IntN(60)) * time.Second
	media := s.e.Media()
	switch s.rng.IntN(12) {
	case 0, 1, 2, 3:
		id := fmt.Sprint("timer-", s.rng.IntN(100))
		s.call(p, id, limit, everything)
		if s.rng.IntN(3) == 0 { // delivered twice
			s.call(pick(s.rng, s.programs...), id, limit, everything)
		}
	case 4, 5:
		var ids []string
		for range 1 + s.rng.IntN(30) {
			ids = append(ids, pick(s.rng, media...).ID)
		}
		slices.Sort(ids)
		list, _ := json.Marshal(slices.Compact(ids))
		s.call(p, fmt.Sprint("ids-", s.rng.Uint64()), limit, fmt.Sprintf(`{"mode":"enforce","mediaIds":%s}`, list))
	case 6, 7, 8:
		for range 1 + s.rng.IntN(12) {
			m := pick(s.rng, media...)
			s.call(p, fmt.Sprint("event-", s.rng.Uint64()), limit, string(ossEvent(m.Key)))
		}
	case 9, 10:
		p.kill()
		s.programs[at], s.crowded = s.start(p.skew), true
	case 11:
		m := pick(s.rng, media...)
		s.place(p, pick(s.rng, m.ID, "oss://media-in/"+m.Key, "oss://media-in/"+path.Dir(m.Key)+"/*1*"))
	}
}

// place holds media. The hold may be there although the call failed.
func (s *simulation) place(p *program, target string) {
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, _, err := p.f.Hold(ctx, handler.Call{}, trigger.HoldRequest{Target: target, Until: "forever", Reason: "a test"})
		id, objects, parseErr := retention.ParseTarget(target)
		if parseErr != nil {
			s.t.Error(parseErr)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, m := range s.e.Media() {
			if m.ID != id && (id != "" || !objects.Match(&media.Object{Bucket: m.Bucket, Key: m.Key})) {
				continue
			}
			since, held := s.held[m.ID]
			switch {
			case err == nil && since.IsZero():
				s.held[m.ID] = time.Now()
			case !held:
				s.held[m.ID] = time.Time{}
			}
		}
	})
}

// releaseAll ends all holds: what they held must go.
func (s *simulation) releaseAll() {
	f := s.programs[0].f
	holds, _, err := f.Holds(s.t.Context(), handler.Call{})
	if err != nil {
		s.t.Error(err)
	}
	for _, hold := range holds {
		if _, err := f.Release(s.t.Context(), handler.Call{}, hold.ID); err != nil {
			s.t.Error(err)
		}
	}
	clear(s.held)
}

// checkHeld holds the calls of the day against the holds: a run reads them every second, and waits for half
// a second of a read.
func (s *simulation) checkHeld() {
	for _, call := range s.e.Calls() {
		for _, id := range call.MediaIDs {
			if since, held := s.held[id]; call.Operation == "DeleteMedia" && held && !since.IsZero() && call.Time.After(since.Add(1600*time.Millisecond)) {
				s.t.Errorf("%s was sent %s after it was held", id, call.Time.Sub(since))
			}
		}
	}
}

// call lets a program take a payload, with an end to its time.
func (s *simulation) call(p *program, id string, limit time.Duration, payload string) {
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		began := time.Now()
		body, _ := p.f.Invoke(ctx, handler.Call{RequestID: id}, []byte(payload))
		if took := time.Since(began); took > limit*98/100 { // a fortieth of the time is the answer's own
			s.t.Errorf("%s: an answer after %s, of %s: %s", id, took, limit, body)
		}
		s.adds(body)
	})
}

// adds holds a report against what every report promises.
func (s *simulation) adds(body []byte) (r report.Report) {
	if err := json.Unmarshal(body, &r); err != nil {
		s.t.Errorf("answer %s: %v", body, err)
	}
	c := r.Counts
	if c.Looked != c.Absent+c.Unknown+c.Protected+c.Kept+c.Expired || c.Expired != c.Deleted+c.Gone+c.Failed+c.Unverified+c.Pending+c.Announced || strings.Contains(r.Error, "internal error") {
		s.t.Errorf("report %s", body)
	}
	return r
}

// settle repeats the timer's call until nothing is left to do. A lease and the media
// whose deletion a library shows late need their time.
func (s *simulation) settle(due map[string]bool) {
	var last []byte
	for round := range 6 {
		time.Sleep(31 * time.Second)
		p := s.programs[round%len(s.programs)]
		last, _ = p.f.Invoke(context.Background(), handler.Call{RequestID: fmt.Sprint("settle-", round)}, []byte(everything))
		left := 0
		for _, m := range s.e.Media() {
			if due[m.ID] && !m.Deleted {
				left++
			}
		}
		if r := s.adds(last); left == 0 && (r.Status == report.Done || r.Status == report.Partial && r.Counts.Failed == 0) {
			return
		}
	}
	for _, m := range s.e.Media() {
		if due[m.ID] && !m.Deleted {
			s.t.Logf("still there: %+v", m)
		}
	}
	s.t.Errorf("what is due is not deleted after six runs; the last report: %s", last)
}

// hold holds what came of the day against the promises.
func (s *simulation) hold(due map[string]bool) {
	planned := s.planned()
	for _, call := range s.e.Calls() {
		switch call.Operation {
		case "DeleteMedia":
			if len(call.MediaIDs) > 10 {
				s.t.Errorf("a call with %d IDs", len(call.MediaIDs))
			}
			for _, id := range call.MediaIDs {
				if !due[id] {
					s.t.Errorf("%s was sent and must stay", id)
				}
				if !planned[id] {
					s.t.Errorf("%s was sent and has no record in a plan", id)
				}
			}
		case "PutObject":
			if call.Bucket != "ops" || !strings.HasPrefix(call.Key, "state/") {
				s.t.Errorf("wrote oss://%s/%s", call.Bucket, call.Key)
			}
		}
	}
	for _, violation := range s.e.Violations() {
		if !s.crowded || !strings.Contains(violation, "calls in a second") { // a pace is a process's own
			s.t.Error(violation)
		}
	}
}

// planned returns the IDs of all media whose records are in plans.
func (s *simulation) planned() map[string]bool {
	ids := map[string]bool{}
	for _, object := range s.e.Objects("ops") {
		if !strings.HasPrefix(object.Key, "state/plans/") || !strings.HasSuffix(object.Key, ".jsonl.gz") {
			continue
		}
		for _, entry := range segmentEntries(s.t, object.Body) {
			ids[entry.MediaID] = true
		}
	}
	return ids
}

// A look that does not come to its end, whether its time is up, it is told to stop or
// it is killed, is carried on by the next scheduled run, and comes to what one long run
// comes to. What it had looked at it does not look at again.
func TestALookIsCarriedOn(t *testing.T) {
	cutOff := map[string]func(*simulation) report.Report{
		"deadline": func(s *simulation) report.Report { return s.timer(6 * time.Second) },
		"stop": func(s *simulation) report.Report {
			stop := time.AfterFunc(3*time.Second, func() { s.e.PutObject("ops", "state/stop", nil, time.Now()) })
			defer stop.Stop()
			r := s.timer(time.Minute)
			if r.Status == report.Incomplete {
				s.timer(time.Minute) // it is still there
			}
			s.e.RemoveObject("ops", "state/stop")
			return r
		},
		"kill": func(s *simulation) report.Report { // a little after it has noted where it is
			noted, answer := s.checkpoints(), make(chan report.Report, 1)
			go func() { answer <- s.timer(time.Minute) }()
			for s.checkpoints() == noted && len(answer) == 0 {
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(300 * time.Millisecond)
			s.programs[0].kill()
			if r := <-answer; r.Status == report.Done {
				return r
			}
			s.programs[0] = s.start(0)
			time.Sleep(30 * time.Second) // the lease's
			return report.Report{Status: report.Incomplete}
		},
	}
	rules := slow(strings.Replace(simulated, "mode: enforce", "mode: dry-run", 1))
	variants := []string{"raw, with a manifest", "escaped", "raw"}
	if testing.Short() {
		variants = variants[:1]
	}
	for name, cut := range cutOff {
		for _, variant := range variants {
			t.Run(fmt.Sprintf("%s, %s", name, variant), func(t *testing.T) {
				t.Parallel()
				library := func(t *testing.T) *simulation {
					form, manifest, listed := strings.Cut(variant, ", with a ")
					rules := rules
					if listed {
						rules = strings.Replace(rules, "inventory: [", "inventory: [{"+manifest+": oss://ops/list.csv}, ", 1)
					}
					s := newSimulation(t, 5, rules, emulator.MPSOptions{URLForm: emulator.URLForm(form)})
					s.library(1500)
					if listed {
						s.list(700)
					}
					s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
					s.programs = []*program{s.start(0)}
					return s
				}
				var want report.Report
				var once int
				synctest.Test(t, func(t *testing.T) {
					s := library(t)
					defer s.end()
					want = s.timer(time.Hour)
					once = s.e.Count()["QueryMediaListByURL"]
				})
				synctest.Test(t, func(t *testing.T) {
					s := library(t)
					defer s.end()
					r, runs := cut(s), 1
					for ; r.Status == report.Incomplete && runs < 20; runs++ {
						r = cut(s)
					}
					if r.Status != report.Done || r.Counts != want.Counts || runs < 2 {
						t.Errorf("after %d runs %s %s, %+v; in one go %+v", runs, r.Status, r.Error, r.Counts, want.Counts)
					}
					if calls := s.e.Count()["QueryMediaListByURL"]; calls > once*3/2 {
						t.Errorf("%d look-ups, %d in one go", calls, once)
					}
					if planned := len(s.planned()); planned != r.Counts.Expired {
						t.Errorf("the plan has %d media of %d", planned, r.Counts.Expired)
					}
				})
			})
		}
	}
}

// list adds media of another bucket, and writes a list of them and of others: by their
// objects, and some by their IDs.
func (s *simulation) list(n int) {
	rows := strings.Builder{}
	rows.WriteString("mediaId,object\n")
	for _, m := range s.e.Media() {
		if m.Bucket == "media-in" && s.rng.IntN(5) == 0 {
			fmt.Fprintf(&rows, "%s,\n", m.ID)
		}
	}
	for i := range n {
		m := s.e.Add(emulator.Medium{Bucket: "others", Key: fmt.Sprint("clips/", i), PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"})
		fmt.Fprintf(&rows, "%s,\n,oss://media-in/clips/%d.mp4\n", m.ID, i)
	}
	s.e.PutObject("ops", "list.csv", []byte(rows.String()), time.Now())
}

// checkpoints counts the places that looks have noted.
func (s *simulation) checkpoints() int {
	n := 0
	for _, object := range s.e.Objects("ops") {
		if strings.HasPrefix(object.Key, "state/checkpoints") && strings.HasSuffix(object.Key, ".json") && !strings.HasSuffix(object.Key, "/closed.json") {
			n++
		}
	}
	return n
}

// A scan that is resumed reads one record for each time that it was cut off, and lists the
// bad rows of its list once.
func TestALookThatIsCutOffManyTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rules := strings.Replace(simulated, "inventory: [", "inventory: [{manifest: oss://ops/list.csv}, ", 1)
		s := newSimulation(t, 1, slow(strings.Replace(rules, "mode: enforce", "mode: dry-run", 1)), emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 600)
		s.e.PutObject("ops", "list.csv", []byte("object\nmedia-in/a\noss://media-in/clips/1\nb\n"), time.Now())
		s.programs = []*program{s.start(0)}
		r, runs, reads := s.timer(time.Second), 1, 0
		for ; r.Status == report.Incomplete && runs < 30; runs++ {
			before := s.e.Count()["GetObject"]
			r = s.timer(time.Second)
			reads = s.e.Count()["GetObject"] - before
		}
		if r.Status != report.Partial || runs < 6 || r.Counts.Looked != 600 || len(r.Failures) != 2 {
			t.Errorf("%d runs, %s %s, %+v, %+v", runs, r.Status, r.Error, r.Counts, r.Failures)
		}
		if reads > runs+8 {
			t.Errorf("the last run read %d records", reads)
		}
	})
}

const latestTwo = `
version: 1
mode: enforce
inventory: [{bucket: oss://media-in/}, {workflow: all}]
expire:
  - {name: series, match: {object: ["oss://media-in/series/**"]}, after: 30d, keepLatest: {count: 2, per: folder}}
guard: {maxPercent: 100}
pace: {share: 1}
`

// A look whose first part knew of no IDs leaves those that are named later to the next
// sweep: what it has found by its object it must not find again, and rank twice.
func TestIDsThatAreNamedOnlyLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, slow(latestTwo), emulator.MPSOptions{})
		defer s.end()
		add := func(key string, days int) string {
			s.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
			return s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published",
				CreationTime: time.Now().UTC().AddDate(0, 0, -days).Format("2006-01-02T15:04:05Z"),
				Runs:         []emulator.Run{{ID: fmt.Sprintf("%032x", days), WorkflowName: "w", WorkflowID: strings.Repeat("a", 32), Time: time.Now().Add(-time.Hour), State: "Success"}}}).ID
		}
		add("series/a/0", 40)
		add("series/a/8", 50)
		oldest := add("series/a/9", 60)
		for i := range 700 {
			s.e.PutObject("media-in", fmt.Sprintf("series/a/5/%05d.txt", i), nil, time.Now().Add(-48*time.Hour))
		}
		s.e.Inject(emulator.Fault{Operation: "ListMediaWorkflowExecutions", Kind: emulator.Forbidden, Count: 1},
			emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
		s.programs = []*program{s.start(0)}
		r, runs := s.timer(5*time.Second), 1
		for ; runs < 20 && r.Status == report.Incomplete; runs++ {
			r = s.timer(5 * time.Second)
		}
		if r.Status != report.Partial || runs < 2 || r.Counts.Looked != 3 || r.Counts.Deleted != 1 || s.gone() != 1 {
			t.Errorf("%d runs, %s %s, %+v, %+v", runs, r.Status, r.Error, r.Counts, r.Failures)
		}
		if m, _ := s.e.Medium(oldest); !m.Deleted {
			t.Error("it was not the oldest that went")
		}
	})
}

// A bucket that names keys again on its next page has no medium ranked twice.
func TestPagesThatOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, latestTwo, emulator.MPSOptions{})
		defer s.end()
		s.e.SetOSS(emulator.OSSOptions{Overlap: 3})
		var kept []string
		for i := range 1100 { // of each folder's ten the last two are the latest
			key := fmt.Sprintf("series/%03d/%d", i/10, i%10)
			m := s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: time.Now().UTC().AddDate(0, 0, i%10-100).Format("2006-01-02T15:04:05Z")})
			s.e.PutObject("media-in", key, nil, time.Now().Add(-48*time.Hour))
			if i%10 >= 8 {
				kept = append(kept, m.ID)
			}
		}
		s.programs = []*program{s.start(0)}
		if r := s.timer(time.Hour); r.Status != report.Done || r.Counts.Deleted != 880 || s.gone() != 880 {
			t.Errorf("%s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
		}
		for _, id := range kept {
			if m, _ := s.e.Medium(id); m.Deleted {
				t.Errorf("%s is one of the latest two", m.Key)
			}
		}
	})
}

// A source that takes longer to read than there is time leaves half of it to the others.
func TestAWorkflowThatIsSlowToTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, strings.Replace(simulated, "inventory: [", "inventory: [{workflow: all}, ", 1), emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 500)
		for i := range 4000 {
			s.e.Add(emulator.Medium{Bucket: "others", Key: fmt.Sprint("clips/", i), PublishState: "Published", CreationTime: time.Now().UTC().Format("2006-01-02T15:04:05Z"),
				Runs: []emulator.Run{{ID: fmt.Sprintf("%032x", i), WorkflowName: "w", WorkflowID: strings.Repeat("a", 32), Time: time.Now().Add(-time.Hour), State: "Success"}}})
		}
		s.e.Inject(emulator.Fault{Operation: "ListMediaWorkflowExecutions", Kind: emulator.Latency, Delay: 300 * time.Millisecond})
		s.programs = []*program{s.start(0)}
		var r report.Report
		for range 6 {
			r = s.timer(12 * time.Second)
		}
		if r.Status != report.Partial || s.gone() != 500 || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, "workflow:all") {
			t.Errorf("%s %s, %+v, %+v", r.Status, r.Error, r.Counts, r.Failures)
		}
	})
}

// A look that passes over everything notes where it is too.
func TestALookAtWhatIsKnownIsCarriedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, simulated, emulator.MPSOptions{})
		defer s.end()
		for i := range 24_000 {
			s.e.PutObject("media-in", fmt.Sprintf("clips/%05d.txt", i), nil, time.Now().Add(-48*time.Hour))
		}
		s.programs = []*program{s.start(0)}
		if r := s.timer(time.Hour); r.Status != report.Done || r.Counts.ObjectsWithoutMedia != 24_000 {
			t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
		}
		s.e.Inject(emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Latency, Delay: 6 * time.Second})
		began, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			s.timer(time.Hour)
		}()
		for !s.wrote("/000004.json", began) { // the checkpoint at the end of the first quarter of the bucket
			time.Sleep(time.Second)
		}
		s.programs[0].kill()
		<-ended
		first := s.pages(began)
		s.programs[0] = s.start(0)
		time.Sleep(30 * time.Second)
		again, looks := time.Now(), s.e.Count()["QueryMediaListByURL"]
		r := s.timer(time.Hour)
		if second := s.pages(again); first < 16 || second >= 6 { // of 24, and the one after a lane
			t.Errorf("%d pages listed, and %d before", second, first)
		}
		if r.Status != report.Done || s.e.Count()["QueryMediaListByURL"] != looks || !strings.Contains(strings.Join(r.Notes, ""), "24000 skipped") {
			t.Errorf("%s %s, %+v, %q", r.Status, r.Error, r.Counts, r.Notes)
		}
	})
}

// pages counts the pages of the inventory that were listed since then.
func (s *simulation) pages(since time.Time) (n int) {
	for _, c := range s.e.Calls() {
		if c.Operation == "ListObjectsV2" && c.Bucket == "media-in" && !c.Time.Before(since) {
			n++
		}
	}
	return n
}

// wrote reports whether a record was written since then whose name ends so.
func (s *simulation) wrote(end string, since time.Time) bool {
	return slices.ContainsFunc(s.e.Calls(), func(c emulator.Call) bool {
		return c.Operation == "PutObject" && !c.Time.Before(since) && strings.HasSuffix(c.Key, end)
	})
}

// timer runs a scheduled sweep in the first program.
func (s *simulation) timer(limit time.Duration) report.Report {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	body, _ := s.programs[0].f.Invoke(ctx, handler.Call{}, []byte(everything))
	return s.adds(body)
}

// Of a run that was killed in the middle of its deletions everything comes back, before
// and after the next run has finished its plan; at the pace of the service, with one
// record for all that is held.
func TestRestoreOfARunThatWasKilledWhileItDeleted(t *testing.T) {
	for _, finished := range []bool{false, true} {
		for _, view := range []emulator.DeletedView{emulator.ViewNonExist, emulator.ViewInitiated} {
			t.Run(fmt.Sprintf("finished %v, view %q", finished, view), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSimulation(t, 1, simulated, emulator.MPSOptions{DeletedView: view})
					defer s.end()
					s.addOld("media-in", 300)
					s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
					s.programs = []*program{s.start(0)}
					s.calls.Go(func() {
						_, _ = s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "killed"}, []byte(everything))
					})
					for s.e.Count()["DeleteMedia"] < 10 {
						time.Sleep(10 * time.Millisecond)
					}
					s.programs[0].kill()
					s.calls.Wait()
					s.programs[0] = s.start(0)
					gone := s.gone()
					if finished {
						time.Sleep(31 * time.Second)
						if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != 300 {
							t.Fatalf("%s %s, %d are gone", r.Status, r.Error, s.gone())
						}
						gone = 300
					}
					if gone < 50 {
						t.Fatalf("only %d are gone", gone)
					}
					began := time.Now()
					done := s.programs[0].f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: "killed"})
					if done.Status != report.Done {
						t.Fatal(done.Status, done.Error, done.Failures)
					}
					if restored := done.Restore.Restored; view == emulator.ViewNonExist && restored != gone || s.e.Count()["AddMedia"] != restored {
						t.Errorf("%d of %d restored, %+v", restored, gone, done.Restore)
					}
					if took := time.Since(began); took > time.Duration(gone)*10*time.Millisecond+3*time.Second {
						t.Errorf("it took %s to restore %d media", took, gone)
					}
				})
			})
		}
	}
}

// gone counts the media that are deleted.
func (s *simulation) gone() int {
	n := 0
	for _, m := range s.e.Media() {
		if m.Deleted {
			n++
		}
	}
	return n
}

// A store that takes no more records from any write on stops a run before it deletes
// what has no record, and loses nothing: the next run does what is left.
func TestAStoreThatTakesNoMoreRecords(t *testing.T) {
	for _, kind := range []emulator.FaultKind{emulator.Forbidden, emulator.Unavailable, emulator.Conflict, emulator.Hang, emulator.HangAfter, emulator.Empty, emulator.DropAfter} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				failed := 0
				for write := range 10 {
					s := newSimulation(t, uint64(write), simulated, emulator.MPSOptions{})
					due := s.library(30)
					s.programs = []*program{s.start(0)}
					s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: kind, After: write})
					r := s.timer(time.Minute)
					if r.Status != report.Done {
						failed++
					}
					if r.Status == report.Failed && s.e.Count()["DeleteMedia"] > 0 {
						t.Errorf("from write %d on: failed (%s), and %d deleted", write, r.Error, s.gone())
					}
					s.hold(due)
					s.e.ClearFaults()
					s.settle(due)
					s.hold(due)
					s.end()
				}
				if kind != emulator.DropAfter && failed < 4 { // what is only lost is found to be there
					t.Errorf("%d runs met the fault", failed)
				}
			})
		})
	}
}

// What a request over given media leaves when its time is up, the next scheduled run
// finishes, whatever its inventory names.
func TestWhatARequestLeavesIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("others", 600)
		s.programs = []*program{s.start(0)}
		list, _ := json.Marshal(ids)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "ids"}, fmt.Appendf(nil, `{"mode":"enforce","mediaIds":%s}`, list))
		if r := s.adds(body); r.Status != report.Incomplete || s.gone() == 0 || s.gone() == len(ids) {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != len(ids) {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// A call that finishes a plan has done something: it has not failed, however little time
// that leaves for its sweep, and its answer comes in time.
func TestACallThatFinishesAPlanHasNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 10)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.HangAfter})
		if r := s.timer(2 * time.Second); r.Status != report.Incomplete || s.gone() != 10 {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		s.e.ClearFaults()
		for _, operation := range []string{"DeleteMedia", "QueryMediaList", "QueryMediaListByURL"} {
			s.e.Inject(emulator.Fault{Operation: operation, Kind: emulator.Latency, Delay: time.Second})
		}
		time.Sleep(time.Minute)
		began := time.Now()
		if r := s.timer(2 * time.Second); r.Status != report.Incomplete || !strings.Contains(r.Error, "finished") {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		if took := time.Since(began); took > 1950*time.Millisecond {
			t.Errorf("an answer after %v", took)
		}
	})
}

// Media that nobody could look at after their deletion was sent, and that did not go, are
// sent again by the next run: only a library that shows them after it took the deletion
// has them left alone.
func TestWhatCouldNotBeReadBackIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 30)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.DropBefore, Count: 1}, emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Unavailable})
		if r := s.timer(10 * time.Minute); r.Status != report.Partial || r.Counts.Unverified != 30 || s.gone() != 20 {
			t.Fatalf("%s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
		}
		s.e.ClearFaults()
		if r := s.timer(time.Minute); r.Status != report.Done || r.Counts.Deleted != 10 || s.gone() != 30 {
			t.Errorf("%s %s, %+v, %d gone", r.Status, r.Error, r.Counts, s.gone())
		}
	})
}

// A function whose time is short and whose store is slow comes to its end all the same,
// call by call.
func TestLittleTimeAndASlowStore(t *testing.T) {
	for delay, limit := range map[time.Duration]time.Duration{50 * time.Millisecond: 2 * time.Second, 150 * time.Millisecond: 3 * time.Second, 300 * time.Millisecond: 6 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
				defer s.end()
				s.addOld("media-in", 400)
				s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: delay})
				s.programs = []*program{s.start(0)}
				for calls := 1; ; calls++ {
					began := time.Now()
					r := s.timer(limit)
					if took := time.Since(began); took > limit*98/100 {
						t.Errorf("call %d: an answer after %s", calls, took)
					}
					if r.Status == report.Done {
						break
					}
					if calls == 30 {
						t.Fatalf("after %d calls %s %s, %d gone", calls, r.Status, r.Error, s.gone())
					}
					time.Sleep(time.Minute)
				}
				if s.gone() != 400 {
					t.Errorf("%d are gone", s.gone())
				}
			})
		})
	}
}

// A look whose end could not be noted is not carried on: its media were sent.
func TestALookIsNotCarriedOnTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 2500)
		s.programs = []*program{s.start(0)}
		if r := s.timer(time.Hour); r.Counts.Deleted != 2500 {
			t.Fatalf("%+v", r.Counts)
		}
		for _, object := range s.e.Objects("ops") {
			if strings.HasSuffix(object.Key, "/closed.json") {
				s.e.RemoveObject("ops", object.Key)
			}
		}
		sent := s.e.Count()["DeleteMedia"]
		if r := s.timer(time.Hour); r.Counts.Expired != 0 || s.e.Count()["DeleteMedia"] != sent {
			t.Errorf("%+v, %d more deletions", r.Counts, s.e.Count()["DeleteMedia"]-sent)
		}
	})
}

// A plan of which a record is damaged is not made again: the run after the one that says
// so makes another.
func TestADamagedPlanIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 2500)
		s.programs = []*program{s.start(0)}
		go func() {
			for !s.hasRecord("/plan.json") {
				time.Sleep(time.Millisecond)
			}
			s.programs[0].kill()
		}()
		s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		s.timer(time.Hour)
		for _, object := range s.e.Objects("ops") {
			if strings.HasSuffix(object.Key, "/plan.json") {
				s.e.PutObject("ops", object.Key, object.Body[:20], time.Now())
			}
			if strings.HasSuffix(object.Key, "/closed.json") || strings.HasPrefix(object.Key, "state/index/") {
				s.e.RemoveObject("ops", object.Key)
			}
		}
		s.programs[0] = s.start(0)
		time.Sleep(time.Minute)
		if r := s.timer(time.Hour); r.Status != report.Failed || !strings.Contains(r.Error, "plan.json") {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		if r := s.timer(time.Hour); r.Status != report.Done || s.gone() != 2500 {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// hasRecord reports whether the state has a record whose name ends so.
func (s *simulation) hasRecord(suffix string) bool {
	return slices.ContainsFunc(s.e.Objects("ops"), func(o emulator.Object) bool { return strings.HasSuffix(o.Key, suffix) })
}

// Two restores at once add nothing twice: one of them is told that it is too many.
func TestTwoRestoresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		s.addOld("media-in", 50)
		s.programs = []*program{s.start(0), s.start(0)}
		r := s.timer(time.Hour)
		s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		busy := make(chan bool, 2)
		for _, p := range s.programs {
			s.calls.Go(func() {
				undone := p.f.Sweep(t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: r.Run})
				busy <- undone.Status == report.Busy
			})
		}
		s.calls.Wait()
		if first, second := <-busy, <-busy; first == second || s.e.Count()["AddMedia"] != 50 {
			t.Errorf("%d media added of 50", s.e.Count()["AddMedia"])
		}
	})
}

// Of requests of one ID at once one is carried out, and its report answers all. One that
// failed is carried out again, also within the second.
func TestTheSameRequestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		ids := s.addOld("media-in", 40)
		list, _ := json.Marshal(ids)
		payload := fmt.Appendf(nil, `{"mode":"enforce","mediaIds":%s}`, list)
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, Count: 1})
		if body, err := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "one"}, payload); err == nil {
			t.Errorf("%s", body)
		}
		s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 10 * time.Millisecond})
		for range 4 {
			s.calls.Go(func() {
				body, err := s.programs[0].f.Invoke(t.Context(), handler.Call{RequestID: "one"}, payload)
				if r := s.adds(body); err != nil || r.Counts.Deleted != 40 {
					t.Errorf("%v, %s", err, body)
				}
			})
		}
		s.calls.Wait()
		if calls := s.e.Count()["DeleteMedia"]; calls > 8 { // of which four were denied, at most
			t.Errorf("%d deletions of 40 media", calls)
		}
	})
}

// What a manifest's event leaves when its time is up, the next scheduled run finishes.
func TestWhatAnEventLeavesIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated+"manifests: [\"oss://ops/lists/**\"]\n", emulator.MPSOptions{})
		defer s.end()
		rows := "mediaId\n" + strings.Join(s.addOld("others", 600), "\n") + "\n"
		s.e.PutObject("ops", "lists/a.csv", []byte(rows), time.Now())
		s.programs = []*program{s.start(0)}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "event"}, []byte(strings.ReplaceAll(string(ossEvent("lists/a.csv")), "media-in", "ops")))
		if r := s.adds(body); r.Status != report.Incomplete || s.gone() == 0 || s.gone() == 600 {
			t.Fatalf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
		if r := s.timer(time.Minute); r.Status != report.Done || s.gone() != 600 {
			t.Errorf("%s %s, %d gone", r.Status, r.Error, s.gone())
		}
	})
}

// A checkpoint that cannot be written is none that the next one builds on.
func TestACheckpointThatFailsIsNotBuiltOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, strings.Replace(simulated, "mode: enforce", "mode: dry-run", 1), emulator.MPSOptions{})
		defer s.end()
		s.library(7000)
		s.programs = []*program{s.start(0)}
		go func() {
			for s.checkpoints() == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden, Count: 1})
		}()
		if r := s.timer(8 * time.Second); r.Status != report.Incomplete {
			t.Fatalf("%s %s", r.Status, r.Error)
		}
		looks := s.e.Count()["QueryMediaListByURL"]
		if r := s.timer(time.Hour); r.Status != report.Done || r.Counts.Looked != 7000 || s.e.Count()["QueryMediaListByURL"] > 720 {
			t.Errorf("%s %s, %+v, %d and %d look-ups", r.Status, r.Error, r.Counts, looks, s.e.Count()["QueryMediaListByURL"]-looks)
		}
	})
}

// A timer that comes once a day carries on what the one before could not finish.
func TestALookIsCarriedOnADayLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 5, strings.Replace(simulated, "mode: enforce", "mode: dry-run", 1), emulator.MPSOptions{})
		defer s.end()
		s.library(7000)
		s.programs = []*program{s.start(0)}
		began := time.Now()
		if r := s.timer(5 * time.Second); r.Status != report.Incomplete {
			t.Fatalf("%s %s", r.Status, r.Error)
		}
		time.Sleep(24*time.Hour + 500*time.Millisecond - time.Since(began))
		if r := s.timer(time.Hour); r.Status != report.Done || r.Counts.Looked != 7000 || s.e.Count()["QueryMediaListByURL"] > 720 {
			t.Errorf("%s %s, %+v, %d look-ups", r.Status, r.Error, r.Counts, s.e.Count()["QueryMediaListByURL"])
		}
	})
}

// Promise 6: in no second does the service see more calls of an operation than the
// policy's share of the quota, and nearly as many in each while there is work.
func TestTheShareOfTheQuota(t *testing.T) {
	for _, share := range []float64{1, 0.5} {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, 1, strings.Replace(simulated, "share: 1", fmt.Sprint("share: ", share), 1), emulator.MPSOptions{})
			defer s.end()
			s.addOld("media-in", 2000)
			s.programs = []*program{s.start(0)}
			if r := s.timer(time.Hour); r.Status != report.Done || r.Calls.Throttled > 0 || s.gone() != 2000 {
				t.Fatalf("%s %s, %+v, %d gone", r.Status, r.Error, r.Calls, s.gone())
			}
			times := map[string][]time.Time{}
			for _, call := range s.e.Calls() {
				times[call.Operation] = append(times[call.Operation], call.Time)
			}
			for _, op := range []string{"QueryMediaListByURL", "QueryMediaList", "DeleteMedia"} {
				most, first := 0, 0
				for i, now := range times[op] {
					for now.Sub(times[op][first]) >= time.Second {
						first++
					}
					most = max(most, i-first+1)
				}
				if limit := 100 * share; float64(most) > limit || float64(most) < 0.9*limit {
					t.Errorf("%s: %d calls in a second, the share is %g", op, most, limit)
				}
			}
		})
	}
}

// A look at a bucket that is in no order, cut off after that has shown, is carried on from
// a place before that: no object is left out, and none counts twice.
func TestALookAtAnUnorderedBucketIsCarriedOn(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(s *simulation){
		"deadline": func(s *simulation) { s.timer(4 * time.Second) },
		"kill": func(s *simulation) {
			answer := make(chan report.Report, 1)
			go func() { answer <- s.timer(time.Minute) }()
			time.Sleep(3800 * time.Millisecond)
			s.programs[0].kill()
			<-answer
			s.programs[0] = s.start(0)
			time.Sleep(30 * time.Second) // the lease's
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 4, strings.Replace(simulated, "mode: enforce", "mode: dry-run", 1), emulator.MPSOptions{}) // case counts for nothing
				defer s.end()
				for i := range 7000 {
					key := fmt.Sprintf("a/%05d", i)
					if i >= 5000 {
						key = fmt.Sprintf("%c/%05d", "bB"[i%2], i)
					}
					s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"})
					s.e.PutObject("media-in", key, nil, time.Now())
				}
				s.programs = []*program{s.start(0)}
				cut(s)
				if noted, looked := s.checkpoints(), s.e.Count()["QueryMediaListByURL"]; noted == 0 || looked < 250 || looked > 390 {
					t.Fatalf("%d places noted, %d look-ups", noted, looked)
				}
				r := s.timer(time.Hour)
				if c := r.Counts; r.Status != report.Done || c.Looked != 7000 || c.Expired != 7000 || len(s.planned()) != 7000 {
					t.Errorf("%s %s, %+v, %d planned", r.Status, r.Error, c, len(s.planned()))
				}
				if calls := s.e.Count()["QueryMediaListByURL"]; calls > 390+2*700 {
					t.Errorf("%d look-ups", calls) // it began again once, with sorted listings
				}
			})
		})
	}
}
