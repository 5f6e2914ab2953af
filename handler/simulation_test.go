package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
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
	"github.com/mediasweep/mediasweep/internal/fc"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// TestSimulation lives through random days of a deployment on a turned clock: up to
// five programs whose clocks differ by up to ten minutes share one library and one
// state bucket. Some run on the custom runtime. Timers, events, requests, holds, plans, applies
// and restores come at random instants, twice, or with too little time. Both services delay,
// refuse and lose answers. Programs are killed in the middle. On some days all
// programs get a stricter policy. What must never happen never does, and once the faults
// end, repeated runs delete exactly what has expired.
//
// MEDIASWEEP_SEEDS is the number of days. MEDIASWEEP_SEED repeats the day of one seed.
func TestSimulation(t *testing.T) { eachSeed(t, 10, simulate) }

// eachSeed runs a test for each of some seeds at a time, or for those that the environment asks for.
func eachSeed(t *testing.T, seeds int, test func(t *testing.T, seed uint64)) {
	t.Helper()
	first, err := uint64(0), error(nil)
	if text := os.Getenv("MEDIASWEEP_SEEDS"); text != "" {
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("MEDIASWEEP_SEED"); text != "" {
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		seeds = 1
	}
	for seed := first; seed < first+uint64(seeds); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, seed) })
		})
	}
}

// program is one process of the deployment. Once it is killed nothing that it still
// does reaches the services.
type program struct {
	f      *handler.Function
	skew   time.Duration
	custom bool // on the custom runtime

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
	crowded  bool                 // there have been several programs
	view     emulator.DeletedView // of the library
	log      io.Writer
	calls    sync.WaitGroup

	// strict has the IDs of media that the stricter policy keeps. Programs have it from strictFrom on.
	strict     map[string]bool
	strictFrom time.Time

	mu    sync.Mutex
	held  []heldMedium
	freed map[string]bool // IDs of holds that may be released
	runs  []string        // that may have deleted media
	plans []string        // of dry runs
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

// kind says what happens on a day beside the usual.
type kind struct {
	restores bool
	stricter bool // all programs get a stricter policy
	reviewed bool // sweeps of the inventory are dry runs: a person applies their plans
}

// heldMedium is a medium that a hold keeps since a time.
type heldMedium struct {
	mediaID, hold string
	since         time.Time
}

// strictRule is the first rule of the stricter policy. It keeps no media of series, because that would
// change their ranks.
const strictRule = `{name: strict, match: {object: ["oss://media-in/clips/*3*"]}}, `

func isStrict(key string) bool { return strings.HasPrefix(key, "clips/") && strings.Contains(key, "3") }

// slow slows a policy's calls down to ten a second: what takes a while needs few media.
func slow(rules string) string { return strings.Replace(rules, "share: 1", "share: 0.1", 1) }

func newSimulation(t *testing.T, seed uint64, rules string, options emulator.MPSOptions) *simulation {
	t.Helper()
	// A turned clock starts in the year 2000, and no record of before 2010 is believed.
	time.Sleep(time.Until(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)))
	s := &simulation{t: t, rng: rand.New(rand.NewPCG(seed, 7)), network: emulator.NewPipes(), freed: map[string]bool{}, log: io.Discard, view: options.DeletedView}
	var err error
	if s.policy, err = policy.Parse("policy", []byte(rules)); err != nil {
		t.Fatal(err)
	}
	listings := emulator.OSSOptions{FoldedOrder: seed%5 == 4, EmptyPages: seed%5 == 3, StartAfterWins: seed%2 == 1}
	if seed%7 == 6 {
		listings.ListingDelay = time.Second
	}
	if s.e, err = emulator.Start(emulator.Config{Listener: s.network, MPS: options, OSS: listings, Seed: seed}); err != nil {
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
	day := kind{restores: seed%4 == 1, stricter: seed%4 == 2, reviewed: seed%4 == 3}
	s := newSimulation(t, seed, rules, emulator.MPSOptions{
		UnknownID:     pick(rng, emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial),
		DeletedView:   pick(rng, emulator.ViewNonExist, emulator.ViewDeleted, emulator.ViewInitiated),
		URLForm:       pick(rng, emulator.AnySlash, emulator.RawSlash, emulator.EscapedSlash),
		DeletionDelay: pick(rng, 0, 0, time.Second),
		EmptyNonExist: rng.IntN(2) == 0,
		Shuffled:      seed%2 == 0,
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
	happenings := 4 + rng.IntN(10)
	stricterAt := rng.IntN(happenings)
	for i := range happenings {
		s.happening(day)
		if day.stricter && i == stricterAt {
			s.deployStricter(strings.Replace(rules, "protect: [", "protect: ["+strictRule, 1))
		}
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
	}
	s.calls.Wait()
	s.e.ClearFaults()
	if rng.IntN(2) == 0 {
		s.checkHeld()
		s.releaseAll()
	}
	left := maps.Clone(due)
	for _, hold := range s.holds() {
		for _, id := range s.heldBy(&hold) {
			delete(left, id)
		}
	}
	for _, id := range slices.AppendSeq(s.restored(), maps.Keys(s.strict)) {
		delete(left, id)
	}
	s.settle(left)
	s.checkHeld()
	s.recorded()
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
		folder, _, ok := strings.Cut(strings.TrimPrefix(key, "series/"), "/")
		if ok && strings.HasPrefix(key, "series/") {
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
	p := &program{skew: skew, custom: s.rng.IntN(2) == 0}
	env := s.e.Env()
	env["MEDIASWEEP_STATE"] = "oss://ops/state/"
	p.f = handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: s.log, Policy: s.policy,
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
func (s *simulation) happening(day kind) {
	at := s.rng.IntN(len(s.programs))
	p := s.programs[at]
	limit := time.Duration(5+s.rng.IntN(60)) * time.Second
	media := s.e.Media()
	everything := everything
	if day.reviewed {
		everything = `{"mode":"dry-run","inventory":true}`
	}
	switch s.rng.IntN(17) {
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
	case 12:
		s.release(p)
	case 13, 14:
		if plan := s.latest(&s.plans); plan != "" {
			s.take(p, limit, &trigger.Request{Trigger: trigger.CLI, Mode: policy.Enforce, Plan: plan, Anyway: s.rng.IntN(2) == 0})
		}
	case 15, 16:
		if run := s.latest(&s.runs); run != "" && day.restores {
			s.take(p, limit, &trigger.Request{Trigger: trigger.CLI, Restore: run})
		}
	}
}

// latest returns the last of a list that grows, or nothing.
func (s *simulation) latest(of *[]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*of) == 0 {
		return ""
	}
	return (*of)[len(*of)-1]
}

// take lets a program take a request of the command line.
func (s *simulation) take(p *program, limit time.Duration, request *trigger.Request) {
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		r := p.f.Sweep(ctx, handler.Call{}, request)
		body, err := json.Marshal(r)
		if err != nil {
			s.t.Error(err)
		}
		s.adds(body)
	})
}

// deployStricter kills all programs and starts them with a policy that keeps more.
func (s *simulation) deployStricter(rules string) {
	stricter, err := policy.Parse("policy", []byte(rules))
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy, s.strict = stricter, map[string]bool{}
	for _, m := range s.e.Media() {
		if isStrict(m.Key) {
			s.strict[m.ID] = true
		}
	}
	for i, p := range s.programs {
		p.kill()
		s.programs[i] = s.start(p.skew)
	}
	s.strictFrom, s.crowded = time.Now(), true
}

// restored returns the IDs of media whose objects a restore may have held, and may not have added.
func (s *simulation) restored() (ids []string) {
	for _, object := range s.e.Objects("ops") {
		var mark struct{ Restored []string }
		if !strings.HasPrefix(object.Key, "state/marks/") || json.Unmarshal(object.Body, &mark) != nil {
			continue
		}
		for _, m := range s.e.Media() {
			if slices.Contains(mark.Restored, "oss://media-in/"+m.Key) {
				ids = append(ids, m.ID)
			}
		}
	}
	return ids
}

// release ends one of the holds, perhaps.
func (s *simulation) release(p *program) {
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		holds, _, err := p.f.Holds(ctx, handler.Call{})
		if err != nil || len(holds) == 0 {
			return
		}
		s.mu.Lock() // what it held may go from now on
		s.freed[holds[0].ID] = true
		s.mu.Unlock()
		_, _ = p.f.Release(ctx, handler.Call{}, holds[0].ID) // may fail as any call
	})
}

// place holds media. The hold may be there although the call failed.
func (s *simulation) place(p *program, target string) {
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		hold, err := p.f.Hold(ctx, handler.Call{}, trigger.HoldRequest{Target: target, Until: "forever", Reason: "a test"})
		if err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range s.heldBy(&hold) {
			s.held = append(s.held, heldMedium{id, hold.ID, time.Now()})
		}
	})
}

// heldBy returns the IDs of media that a hold keeps.
func (s *simulation) heldBy(hold *retention.Hold) (ids []string) {
	id, objects, err := retention.ParseTarget(hold.Target)
	if err != nil {
		s.t.Error(err)
	}
	for _, m := range s.e.Media() {
		if m.ID == id || id == "" && objects.Match(&media.Object{Bucket: m.Bucket, Key: m.Key}) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// releaseAll ends all holds: what they held must go.
func (s *simulation) releaseAll() {
	for _, hold := range s.holds() {
		s.freed[hold.ID] = true
		if _, err := s.programs[0].f.Release(s.t.Context(), handler.Call{}, hold.ID); err != nil {
			s.t.Error(err)
		}
	}
}

// holds returns the holds in force, once the faults have ended.
func (s *simulation) holds() []retention.Hold {
	holds, _, err := s.programs[0].f.Holds(s.t.Context(), handler.Call{})
	if err != nil {
		s.t.Error(err)
	}
	return holds
}

// checkHeld holds the calls of the day against the holds: a run reads them every second, and waits for half
// a second of a read.
func (s *simulation) checkHeld() {
	since := map[string]time.Time{}
	for _, one := range s.held {
		if earlier, known := since[one.mediaID]; !s.freed[one.hold] && (!known || one.since.Before(earlier)) {
			since[one.mediaID] = one.since
		}
	}
	for _, call := range s.e.Calls() {
		for _, id := range call.MediaIDs {
			if from, held := since[id]; call.Operation == "DeleteMedia" && held && call.Time.After(from.Add(1600*time.Millisecond)) {
				s.t.Errorf("%s was sent %s after it was held", id, call.Time.Sub(from))
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
		body := p.invoke(ctx, id, limit, payload)
		if took := time.Since(began); took > limit*98/100 { // a fortieth of the time is the answer's own
			s.t.Errorf("%s: an answer after %s, of %s: %s", id, took, limit, body)
		}
		s.adds(body)
	})
}

// invoke hands a payload to the program, as its runtime does.
func (p *program) invoke(ctx context.Context, id string, limit time.Duration, payload string) []byte {
	if !p.custom {
		body, _ := p.f.Invoke(ctx, handler.Call{RequestID: id}, []byte(payload))
		return body
	}
	runtime := &fc.Custom{Function: p.f, Timeout: time.Minute, Log: io.Discard, Logger: slog.New(slog.DiscardHandler)}
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/invoke", strings.NewReader(payload))
	r.Header.Set("X-Fc-Control-Path", "/invoke")
	r.Header.Set("X-Fc-Request-Id", id)
	r.Header.Set("X-Fc-Function-Timeout", strconv.Itoa(int(limit.Seconds())))
	runtime.ServeHTTP(w, r)
	return w.Body.Bytes()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Mode == policy.DryRun && r.Plan != "":
		s.plans = append(s.plans, r.Plan)
	case c.Deleted > 0:
		s.runs = append(s.runs, r.Run)
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
				if !due[id] || s.strict[id] && call.Time.After(s.strictFrom) {
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

// recorded holds the outcomes against the library: each medium that is gone has one, once the runs that were killed
// cannot be under way any more.
func (s *simulation) recorded() {
	time.Sleep(30 * time.Minute) // also by the clock that is last
	s.adds(s.programs[0].invoke(context.Background(), "last", time.Hour, everything))
	ids := map[string]bool{}
	for _, object := range s.e.Objects("ops") {
		if strings.HasPrefix(object.Key, "state/ledger/") {
			for _, entry := range segmentEntries(s.t, object.Body) {
				ids[entry.MediaID] = true
			}
		}
	}
	for _, m := range s.e.Media() {
		// One that was Initiated before looks alive if the library shows what is deleted as Initiated.
		if m.Deleted && !ids[m.ID] && (m.PublishState != "Initiated" || s.view != emulator.ViewInitiated) {
			s.t.Errorf("%s is gone, and no run has recorded its outcome", m.ID)
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

// timer runs a scheduled sweep in the first program.
func (s *simulation) timer(limit time.Duration) report.Report {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	body, _ := s.programs[0].f.Invoke(ctx, handler.Call{}, []byte(everything))
	return s.adds(body)
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
