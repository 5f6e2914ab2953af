package sweep_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/scan"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// planned is a store that does something before a plan is complete, which is after the look-ups and before the deletions.
type planned struct {
	*statetest.Memory
	do func() error
}

func (s planned) Create(ctx context.Context, name string, data []byte) error {
	if strings.HasSuffix(name, "/plan.json") {
		if err := s.do(); err != nil {
			return err
		}
	}
	return s.Memory.Create(ctx, name, data)
}

func run(ctx context.Context, t *testing.T, e *cloud, now func() time.Time, whenPlanned func() error, ids []string) *report.Report {
	t.Helper()
	return runWith(ctx, t, e, now, whenPlanned, timerOf(ids), whole)
}

// timerOf is a timer's request for media.
func timerOf(ids []string) *trigger.Request {
	return &trigger.Request{Trigger: trigger.Timer, MediaIDs: ids}
}

// fullLibrary has the calls of all stages.
type fullLibrary interface {
	scan.Library
	purge.Library
}

// whole is a library as it is.
func whole(l *mps.Session) fullLibrary { return l }

func runWith(ctx context.Context, t *testing.T, e *cloud, now func() time.Time, whenPlanned func() error, request *trigger.Request, library func(*mps.Session) fullLibrary) *report.Report {
	t.Helper()
	p, err := policy.Parse("p", []byte("version: 1\nmode: enforce\nguard: {maxPercent: 100}\npace: {share: 1}\nprotect: [{name: hold, match: {tags: [legal-hold]}}]\nexpire: [{name: all, after: 1h}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	env := e.Env()
	getenv := func(name string) string { return env[name] }
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		t.Fatal(err)
	}
	a.Dial = e.network.Dial
	client, err := mps.New(a, 1)
	if err != nil {
		t.Fatal(err)
	}
	full := library(client.Session(account.NewKeyring(getenv).Or(account.Credentials{})))
	s := sweep.Sweep{
		Policy: p, Cloud: scan.Cloud{Region: a.Region, Library: full}, Deleter: full,
		Store: planned{statetest.New(), whenPlanned}, Marks: journal.NewMarks(), Events: eventbudget.New(), Claims: new(purge.Claims),
		Display: sweep.Display{Progress: func(sweep.Progress) {}, Every: time.Hour}, Now: now, Log: slog.New(slog.DiscardHandler),
	}
	r := report.New("r", request.Trigger, p, now())
	r.Mode = policy.Enforce
	s.Run(ctx, deadline.New(ctx), request, r)
	return r
}

// cloud is an emulator whose connections no network carries.
type cloud struct {
	*emulator.Emulator
	network *emulator.Pipes
}

func newCloud(t *testing.T, options emulator.MPSOptions) *cloud {
	t.Helper()
	network := emulator.NewPipes()
	e, err := emulator.Start(emulator.Config{Listener: network, MPS: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return &cloud{e, network}
}

// turnClock runs a test on a turned clock: what happens at the same time does so on any machine.
func turnClock(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// The clock starts in the year 2000, and no record of before 2010 is believed.
		time.Sleep(time.Until(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)))
		test(t)
	})
}

func library(t *testing.T, options emulator.MPSOptions, n int) (e *cloud, ids []string) {
	t.Helper()
	e = newCloud(t, options)
	for range n {
		ids = append(ids, e.Add(emulator.Medium{CreationTime: "2020-01-01T00:00:00Z"}).ID)
	}
	slices.Sort(ids)
	return e, ids
}

// Media that vanish between plan and deletion make some services refuse their
// whole batch: the others of the batch are deleted all the same.
func TestMediaThatVanishDoNotHoldTheOthers(t *testing.T) {
	for _, unknown := range []emulator.UnknownID{emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial} {
		for bad := range 11 {
			t.Run(fmt.Sprintf("%q, %d vanish", unknown, bad), func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					e, ids := library(t, emulator.MPSOptions{UnknownID: unknown}, 30)
					r := run(context.Background(), t, e, time.Now, func() error {
						for i := range bad {
							m, _ := e.Medium(ids[10+i*7%10])
							m.Deleted = true
							e.Add(m)
						}
						return nil
					}, ids)
					if r.Status != report.Done || r.Counts.Deleted != 30 {
						t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
					}
					for _, m := range e.Media() {
						if !m.Deleted {
							t.Errorf("%s is still there", m.ID)
						}
					}
				})
			})
		}
	}
}

// A decision holds for an hour: what is older is read and decided on again, so
// that what was held or has vanished meanwhile is not sent.
func TestDecisionsThatAreTooOldAreMadeAgain(t *testing.T) {
	turnClock(t, testDecisionsThatAreTooOldAreMadeAgain)
}

func testDecisionsThatAreTooOldAreMadeAgain(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 23)
	clock := time.Now()
	now := func() time.Time { return clock }
	r := run(context.Background(), t, e, now, func() error {
		clock = clock.Add(61 * time.Minute)
		held, _ := e.Medium(ids[3])
		held.Tags = []string{"legal-hold"}
		e.Add(held)
		vanished, _ := e.Medium(ids[15])
		vanished.Deleted = true
		e.Add(vanished)
		return nil
	}, ids)
	if c := r.Counts; r.Status != report.Done || c.Deleted != 21 || c.Gone != 1 || c.Protected != 1 || c.Expired != 22 {
		t.Errorf("%s, %+v, %s", r.Status, r.Counts, r.Error)
	}
	for _, call := range e.Calls() {
		if call.Operation == "DeleteMedia" && (slices.Contains(call.MediaIDs, ids[3]) || slices.Contains(call.MediaIDs, ids[15])) {
			t.Error("a medium was sent that is held or gone")
		}
	}
	if rule := r.Rule("all"); rule.Applied != 22 || rule.Expired != 22 || rule.Deleted != 21 {
		t.Errorf("rule %+v", rule)
	}
}

// waiting is a library in which a deletion waits for its turn until something has
// happened.
type waiting struct {
	*mps.Session
	until func()
}

func (w waiting) Permit(ctx context.Context, op mps.Operation) (mps.Permit, error) {
	if op == mps.DeleteMedia {
		w.until()
	}
	return w.Session.Permit(ctx, op)
}

// So is one that has become too old while its deletion waited for its turn.
func TestDecisionsThatAreTooOldWhenTheirTurnComes(t *testing.T) {
	turnClock(t, testDecisionsThatAreTooOldWhenTheirTurnComes)
}

func testDecisionsThatAreTooOldWhenTheirTurnComes(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 10)
	clock := time.Now()
	pass := sync.OnceFunc(func() {
		clock = clock.Add(61 * time.Minute)
		held, _ := e.Medium(ids[3])
		held.Tags = []string{"legal-hold"}
		e.Add(held)
	})
	r := runWith(context.Background(), t, e, func() time.Time { return clock }, func() error { return nil }, timerOf(ids),
		func(l *mps.Session) fullLibrary { return waiting{l, pass} })
	if c := r.Counts; r.Status != report.Done || c.Deleted != 9 || c.Protected != 1 {
		t.Errorf("%s, %+v, %s", r.Status, c, r.Error)
	}
	for _, call := range e.Calls() {
		if call.Operation == "DeleteMedia" && slices.Contains(call.MediaIDs, ids[3]) {
			t.Error("a medium was sent that is held")
		}
	}
}

// A medium whose record is another by the time it is read again has that in no plan:
// it is left to the next run.
func TestARecordThatHasChangedIsNotSent(t *testing.T) {
	turnClock(t, testARecordThatHasChangedIsNotSent)
}

func testARecordThatHasChangedIsNotSent(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 12)
	clock := time.Now()
	r := run(context.Background(), t, e, func() time.Time { return clock }, func() error {
		clock = clock.Add(61 * time.Minute)
		m, _ := e.Medium(ids[4])
		m.Title = "another"
		e.Add(m)
		return nil
	}, ids)
	if c := r.Counts; r.Status != report.Done || c.Deleted != 11 || c.Kept != 1 || c.Expired != 11 {
		t.Errorf("%s, %+v, %s", r.Status, c, r.Error)
	}
	for _, call := range e.Calls() {
		if call.Operation == "DeleteMedia" && slices.Contains(call.MediaIDs, ids[4]) {
			t.Error("it was sent")
		}
	}
}

// A deletion whose call was lost on its way is sent again, for as often as a call is
// tried.
func TestADeletionThatWasLostIsSentAgain(t *testing.T) {
	for _, lost := range []int{1, 5} {
		t.Run(fmt.Sprint(lost, " lost"), func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				e, ids := library(t, emulator.MPSOptions{}, 30)
				e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Unavailable, Count: lost})
				r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
				if calls := e.Count()["DeleteMedia"]; r.Status != report.Done || r.Counts.Deleted != 30 || calls != 3+lost {
					t.Errorf("%s, %+v, %d deletions", r.Status, r.Counts, calls)
				}
			})
		})
	}
}

// A run whose time is up while it waits to try again has not failed.
func TestTimeIsUpInAPause(t *testing.T) {
	for operation, want := range map[string]int{"QueryMediaList": 0, "DeleteMedia": 30} {
		for _, fault := range []emulator.FaultKind{emulator.Throttle, emulator.Unavailable} {
			t.Run(fmt.Sprint(operation, " ", fault), func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					e, ids := library(t, emulator.MPSOptions{}, 30)
					e.Inject(emulator.Fault{Operation: operation, Kind: fault, After: min(1, 1-want/30)})
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					r := run(ctx, t, e, time.Now, func() error { return nil }, ids)
					if r.Status != report.Incomplete || r.Counts.Failed+r.Counts.Unverified > 0 || len(r.Failures) > 0 || want > 0 && r.Counts.Pending != want {
						t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
					}
				})
			})
		}
	}
}

// The plan's write that the deadline cuts off leaves the run to the next one.
func TestTimeIsUpWhileThePlanIsWritten(t *testing.T) { turnClock(t, testTimeIsUpWhileThePlanIsWritten) }

func testTimeIsUpWhileThePlanIsWritten(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 3)
	r := run(context.Background(), t, e, time.Now, func() error { return context.DeadlineExceeded }, ids)
	if r.Status != report.Incomplete || e.Count()["DeleteMedia"] != 0 {
		t.Errorf("%s, %+v", r.Status, r.Counts)
	}
}

// The short batch is the last that is sent, however long the full ones take.
func TestTheShortBatchIsTheLast(t *testing.T) { turnClock(t, testTheShortBatchIsTheLast) }

func testTheShortBatchIsTheLast(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 43)
	e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Latency, Delay: 100 * time.Millisecond, Count: 3})
	run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
	var sizes []int
	for _, call := range e.Calls() {
		if call.Operation == "DeleteMedia" {
			sizes = append(sizes, len(call.MediaIDs))
		}
	}
	if !slices.Equal(sizes, []int{10, 10, 10, 10, 3}) {
		t.Errorf("batches of %v", sizes)
	}
}

// Batches are verified side by side, the short one too: a library that is slow to
// show deletions costs a run three seconds once, not for each batch.
func TestSlowDeletionsAreWaitedForOnce(t *testing.T) { turnClock(t, testSlowDeletionsAreWaitedForOnce) }

func testSlowDeletionsAreWaitedForOnce(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{DeletionDelay: 2 * time.Second}, 23)
	start := time.Now()
	r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
	if took := time.Since(start); r.Status != report.Done || r.Counts.Deleted != 23 || took > 5*time.Second {
		t.Errorf("%s, %+v after %v", r.Status, r.Counts, took)
	}
}

// A run whose time is up deletes nothing after half of its look-ups. It is never done, even if the pace foresees the end
// early.
func TestTimeIsUpWhileLooking(t *testing.T) { turnClock(t, testTimeIsUpWhileLooking) }

func testTimeIsUpWhileLooking(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 1500) // a second has time for a thousand
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r := run(ctx, t, e, time.Now, func() error {
		t.Error("a plan was written of half a look")
		return nil
	}, ids)
	if r.Status != report.Incomplete || r.Counts.Looked == 0 || r.Counts.Looked == len(ids) || e.Count()["DeleteMedia"] != 0 {
		t.Errorf("%s, %+v", r.Status, r.Counts)
	}
}

// A run that is denied halfway stops at once and says so.
func TestDeniedHalfway(t *testing.T) { turnClock(t, testDeniedHalfway) }

func testDeniedHalfway(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 800)
	e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.Forbidden, After: 20})
	r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
	if r.Status != report.Incomplete || r.Counts.Deleted != 200 || r.Counts.Failed == 0 || r.Counts.Pending == 0 || r.Error == "" {
		t.Errorf("%s, %+v, %q", r.Status, r.Counts, r.Error)
	}
	if calls := e.Count()["DeleteMedia"]; calls > 60 {
		t.Errorf("%d calls although all after the 20th are denied", calls)
	}
}

// A rejected look-up is split until the rejected ID is alone. The other media are decided and deleted.
func TestALookUpThatIsRefusedIsSplit(t *testing.T) { turnClock(t, testALookUpThatIsRefusedIsSplit) }

func testALookUpThatIsRefusedIsSplit(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 30)
	e.SetMPS(emulator.MPSOptions{Refused: []string{ids[3], ids[17]}})
	r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
	if c := r.Counts; r.Status != report.Partial || c.Looked != 28 || c.Deleted != 28 || len(r.Failures) != 2 {
		t.Errorf("%s, %+v, %+v", r.Status, c, r.Failures)
	}
	for _, failure := range r.Failures {
		if failure.MediaID != ids[3] && failure.MediaID != ids[17] || failure.Code == "" {
			t.Errorf("failure %+v", failure)
		}
	}
	if calls := e.Count()["QueryMediaList"]; calls > 3+2*8+4 { // look-ups, splits, read-backs
		t.Errorf("%d look-ups to find two IDs", calls)
	}
}

// A batch that the service refuses takes at most about 2·k·log2(10) more calls for
// k bad media: here they are refused each time, as held ones might be.
func TestCallsToIsolate(t *testing.T) {
	for bad := range 11 {
		t.Run(fmt.Sprint(bad, " bad"), func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				e, ids := library(t, emulator.MPSOptions{UnknownID: emulator.RefuseWhole}, 10)
				r := run(context.Background(), t, e, time.Now, func() error {
					for _, id := range ids[:bad] {
						m, _ := e.Medium(id)
						m.Deleted = true
						e.Add(m)
					}
					return nil
				}, ids)
				if calls := e.Count()["DeleteMedia"]; r.Counts.Deleted != 10 || calls > 2 {
					t.Errorf("%d calls, %+v", calls, r.Counts)
				}
			})
		})
	}
}

// Where nothing can be read back, nothing more is sent.
func TestReadBackThatIsDenied(t *testing.T) { turnClock(t, testReadBackThatIsDenied) }

func testReadBackThatIsDenied(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 1000)
	e.Inject(emulator.Fault{Operation: "QueryMediaList", Kind: emulator.Forbidden, After: 100}) // the look-ups
	r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
	if r.Status == report.Done || !strings.Contains(r.Error, "Forbidden") || r.Counts.Pending == 0 || e.Count()["DeleteMedia"] > 50 {
		t.Errorf("%s, %q, %+v, %d deletions", r.Status, r.Error, r.Counts, e.Count()["DeleteMedia"])
	}
}

// A library that is slow to show deletions and also refuses or loses answers has
// deleted what it deleted.
func TestSlowDeletionsThatAreRefused(t *testing.T) {
	for _, unknown := range []emulator.UnknownID{emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial} {
		t.Run(fmt.Sprintf("%q", unknown), func(t *testing.T) {
			t.Parallel()
			turnClock(t, func(t *testing.T) {
				e, ids := library(t, emulator.MPSOptions{UnknownID: unknown, DeletionDelay: 1500 * time.Millisecond}, 30)
				e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: emulator.DropAfter, Count: 1})
				r := run(context.Background(), t, e, time.Now, func() error { return nil }, ids)
				if c := r.Counts; r.Status != report.Done || c.Deleted != 30 || e.Count()["DeleteMedia"] != 3 {
					t.Errorf("%s, %+v, %d deletions", r.Status, c, e.Count()["DeleteMedia"])
				}
			})
		})
	}
}

// FuzzSweep runs random libraries through random behaviours and faults. Whatever
// happens: nothing is sent that must stay, no call is too long, the counts add up,
// and what the report calls deleted is.
func FuzzSweep(f *testing.F) {
	f.Add(uint64(1), byte(30), uint16(0))
	f.Add(uint64(2), byte(25), uint16(0xffff))
	f.Add(uint64(3), byte(11), uint16(0x1234))
	kinds := slices.DeleteFunc(emulator.FaultKinds(), func(kind emulator.FaultKind) bool {
		return kind == emulator.Hang || kind == emulator.HangAfter || kind == emulator.Latency // these only take time
	})
	f.Fuzz(func(t *testing.T, seed uint64, size byte, choices uint16) {
		turnClock(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(choices)))
			options := emulator.MPSOptions{
				UnknownID:     []emulator.UnknownID{emulator.AcceptUnknown, emulator.RefuseWhole, emulator.RefusePartial}[choices%3],
				DeletedView:   []emulator.DeletedView{emulator.ViewNonExist, emulator.ViewDeleted, emulator.ViewInitiated}[choices/3%3],
				EmptyNonExist: choices&1 == 1,
			}
			e := newCloud(t, options)
			due := map[string]bool{}
			var ids, later []string
			for range size % 40 {
				m := emulator.Medium{CreationTime: "2020-01-01T00:00:00Z"}
				switch rng.IntN(6) {
				case 0:
					m.CreationTime = time.Now().UTC().Format(time.RFC3339)
				case 1:
					m.CreationTime = "soon"
				case 2:
					m.Deleted = true
				}
				m = e.Add(m)
				ids = append(ids, m.ID)
				// A library may show what is deleted as it shows what is new.
				seen := !m.Deleted || options.DeletedView == emulator.ViewInitiated
				due[m.ID] = m.CreationTime == "2020-01-01T00:00:00Z" && seen
				if due[m.ID] && rng.IntN(8) == 0 {
					later = append(later, m.ID) // somebody else deletes it meanwhile
				}
			}
			if len(ids) == 0 {
				return
			}
			for range rng.IntN(4) {
				e.Inject(emulator.Fault{Operation: []string{"DeleteMedia", "QueryMediaList"}[rng.IntN(2)], Kind: kinds[rng.IntN(len(kinds))],
					After: rng.IntN(3), Count: 1 + rng.IntN(3)})
			}
			r := run(t.Context(), t, e, time.Now, func() error {
				for _, id := range later {
					m, _ := e.Medium(id)
					m.Deleted = true
					e.Add(m)
				}
				return nil
			}, ids)
			if c := r.Counts; c.Looked != c.Absent+c.Unknown+c.Protected+c.Kept+c.Expired || c.Expired != c.Deleted+c.Gone+c.Failed+c.Unverified+c.Pending+c.Announced {
				t.Errorf("counts %+v", c)
			}
			gone := 0
			for _, m := range e.Media() {
				if m.Deleted && due[m.ID] {
					gone++
				}
			}
			if r.Counts.Deleted > gone {
				t.Errorf("%d reported as deleted, %d are", r.Counts.Deleted, gone)
			}
			for _, call := range e.Calls() {
				if call.Operation != "DeleteMedia" {
					continue
				}
				if len(call.MediaIDs) > mps.MaxBatch {
					t.Errorf("a call with %d IDs", len(call.MediaIDs))
				}
				for _, id := range call.MediaIDs {
					if !due[id] {
						t.Errorf("%s was sent and must stay", id)
					}
				}
			}
		})
	})
}
