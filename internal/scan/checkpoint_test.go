package scan

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// resumable is a daily sweep over objects in both forms of URLs, lists, groups, media that
// are missing, and answers that contradict each other. Each of its scans has a run and a
// minute of its own.
type resumable struct {
	*cloud
	scanner *Scanner
	request *trigger.Request
	runs    int
}

func newResumable(t *testing.T, size int) *resumable {
	c := newCloud(t)
	r := &resumable{cloud: c, scanner: c.scanner(testPolicy), request: daily}
	r.scanner.Now = func() time.Time { return now.Add(time.Duration(r.runs) * time.Minute) }
	random := rand.New(rand.NewPCG(11, 12))
	var rows strings.Builder
	rows.WriteString("mediaId,object\n")
	for i := range size {
		id := fmt.Sprintf("m%05d", i)
		key := []string{"clips/" + id, "series/" + id[:5] + "/" + id, id}[i%3]
		m := testMedium(id, key, 20+random.IntN(300)/20*20)
		switch random.IntN(10) {
		case 0:
			c.listed = append(c.listed, key) // without a medium
			continue
		case 1, 2:
			c.listed = append(c.listed, key)
			c.answers[escapedURL(key)] = append(c.answers[escapedURL(key)], m)
		case 3:
			fmt.Fprintf(&rows, "%s,\n", id)
			c.answers[id] = append(c.answers[id], m)
		case 4:
			fmt.Fprintf(&rows, "%s,\n", id) // missing
		case 5:
			c.listed = append(c.listed, key)
			other := testMedium("m00000", key, 400)
			c.answers[plainURL(key)] = append(c.answers[plainURL(key)], other)
		default:
			c.listed = append(c.listed, key)
			c.add(m)
			if random.IntN(4) == 0 {
				fmt.Fprintf(&rows, "%s,\n", id)
			}
		}
	}
	c.list = rows.String()
	return r
}

// scan runs the next scan. It is cut off before a call if that is not 0, when all calls before
// it are accounted for. killed says that it writes nothing more from then on.
func (r *resumable) scan(call int, killed bool) (o outcome) {
	r.t.Helper()
	r.runs++
	synctest.Test(r.t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.calls, r.before = 0, func(now int) error {
			if call == 0 || now < call {
				return nil
			}
			if now > call {
				<-ctx.Done()
				return ctx.Err()
			}
			synctest.Wait()
			if killed {
				r.store.Lock()
				r.store.fails = func(int, string) error { return errStore }
				r.store.Unlock()
			}
			cancel()
			return nil
		}
		o = r.cloud.scan(ctx, r.scanner, r.request, fmt.Sprint("run-", r.runs))
	})
	if killed {
		r.store.fails = nil
	}
	return o
}

// resume returns the next scan after it has loaded a checkpoint. The caller must close it.
func (r *resumable) resume() *scan {
	r.t.Helper()
	c := r.scanner.newScan(r.t.Context(), r.t.Context(), Request{r.request, "next", policy.DryRun, now}, false)
	if c.resume(r.t.Context()); !c.Origin.isHint {
		r.t.Error("not resumed")
	}
	return c
}

func (r *resumable) same(what string, got, want outcome) {
	r.t.Helper()
	if got.found.End() != nil || got.counts != want.counts || !slices.Equal(got.ids, want.ids) || got.found.Missing != want.found.Missing {
		r.t.Errorf("%s: %v, %+v, %d lines; in one go %+v, %d lines", what, got.found.End(), got.counts, len(got.ids), want.counts, len(want.ids))
	}
}

// A scan that is cut off before any call and resumed finds what one in one go finds.
func TestResumeAfterEveryCall(t *testing.T) {
	t.Parallel()
	const size = 150
	whole := newResumable(t, size)
	want := whole.scan(0, false)
	if want.counts.Expired < 20 || want.counts.Unknown != 1 || want.counts.Absent == 0 || want.counts.Kept < 20 || want.counts.ObjectsWithoutMedia == 0 {
		t.Fatalf("the library has too little: %+v", want.counts)
	}
	calls, resumed := whole.calls, 0
	for _, killed := range []bool{false, true} {
		for call := 1; call <= calls; call++ {
			r := newResumable(t, size)
			if cut := r.scan(call, killed); cut.found.Stopped == nil {
				t.Fatalf("not cut off before call %d of %d: %v", call, calls, cut.found.End())
			}
			got := r.scan(0, false)
			r.same(fmt.Sprintf("cut off before call %d, killed %v", call, killed), got, want)
			if got.found.Draft.resumed != got.found.Origin.isHint {
				t.Errorf("cut off before call %d: the ranks of a checkpoint pass for those of this run", call)
			}
			if got.found.Origin.isHint {
				resumed++
			}
			if again := r.scan(0, false); again.found.Origin.isHint {
				t.Errorf("a scan that was finished is resumed")
			}
		}
	}
	if resumed < calls-1 {
		t.Errorf("%d scans of %d were resumed", resumed, calls)
	}
}

// A hold that was placed after a checkpoint binds the media in it.
func TestAHoldBindsAResumedScan(t *testing.T) {
	t.Parallel()
	hold := func(m *media.Medium) (mark retention.Mark) {
		if strings.HasPrefix(m.Object.Key, "clips/") {
			mark.Hold = &retention.Hold{ID: "1"}
		}
		return mark
	}
	whole := newResumable(t, 150)
	whole.scanner.Mark = hold
	want := whole.scan(0, false)
	for call := 2; call <= whole.calls; call++ {
		r := newResumable(t, 150)
		r.scan(call, false)
		r.scanner.Mark = hold
		got := r.scan(0, false)
		if !slices.Equal(got.ids, want.ids) {
			t.Errorf("held after call %d: %d lines; before the scan %d", call, len(got.ids), len(want.ids))
		}
	}
}

// However often a scan is cut off, it ends and finds the same.
func TestResumeAgainAndAgain(t *testing.T) {
	t.Parallel()
	want := newResumable(t, 300).scan(0, false)
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newResumable(t, 300)
		var got outcome
		for range 200 {
			got = r.scan(2+random.IntN(8), false)
			if got.found.Stopped == nil {
				break
			}
		}
		r.same(fmt.Sprint("seed ", seed), got, want)
	}
}

// A run with time for one call brings the scan one call nearer to its end. No call finds a medium at first.
func TestEveryRunBringsAScanForward(t *testing.T) {
	t.Parallel()
	library := func() *resumable {
		r := newResumable(t, 0)
		for i := range 45 {
			key := fmt.Sprintf("clips/%02d", i)
			r.listed = append(r.listed, key)
			r.answers[escapedURL(key)] = []media.Medium{testMedium(fmt.Sprintf("m%02d", i), key, 400)}
		}
		return r
	}
	whole := library()
	want, enough := whole.scan(0, false), whole.calls
	r := library()
	got := r.scan(2, false)
	for got.found.Stopped != nil && r.runs < enough {
		got = r.scan(2, false)
	}
	r.same(fmt.Sprintf("cut off after each of %d calls", enough), got, want)
}

// A killed scan is resumed at its last checkpoint, and looks up only what that does not have.
func TestResumeAfterAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs thousands of media")
	}
	t.Parallel()
	const size = 4500
	whole := newResumable(t, size)
	want := whole.scan(0, false)
	once := whole.calls
	if heads := len(whole.heads()); heads < 2 {
		t.Fatalf("%d checkpoints", heads)
	}
	for _, part := range []int{1, 9} {
		r := newResumable(t, size)
		r.scan(once*part/10, true)
		noted := len(r.heads())
		got := r.scan(0, false)
		r.same(fmt.Sprintf("killed after %d tenths", part), got, want)
		if noted > 0 && r.calls > once-100*noted {
			t.Errorf("killed after %d tenths and %d checkpoints: %d calls of %d", part, noted, r.calls, once)
		}
	}
	// A checkpoint that could not be written is made up for when the scan is cut off.
	r := newResumable(t, size)
	r.store.fails = func(create int, _ string) error {
		if create == 1 {
			return errStore
		}
		return nil
	}
	if cut := r.scan(once*8/10, false); !cut.found.checkpoints.series.IsWhole() || r.store.creates < 3 {
		t.Errorf("%d records: %v", r.store.creates, cut.found.Stopped)
	}
	r.same("a checkpoint failed", r.scan(0, false), want)
	if r.calls > once/2 {
		t.Errorf("a checkpoint failed: %d calls of %d", r.calls, once)
	}
}

// A dry run takes no lease: it leaves the interrupted scan of an enforcing run to the next one.
func TestADryRunLeavesTheCheckpointsOfEnforcingRuns(t *testing.T) {
	const size = 150
	want := newResumable(t, size).scan(0, false)
	r := newResumable(t, size)
	r.mode = policy.Enforce
	if cut := r.scan(5, false); cut.found.Stopped == nil {
		t.Fatal("not interrupted")
	}
	before := r.store.Names(checkpointFolder(policy.Enforce))
	r.mode = policy.DryRun
	dry := r.scan(0, false)
	if dry.found.Origin.isHint || len(before) == 0 || !slices.Equal(before, r.store.Names(checkpointFolder(policy.Enforce))) {
		t.Errorf("resumed %v, checkpoints %q, before %q", dry.found.Origin.isHint, r.store.Names(checkpointFolder(policy.Enforce)), before)
	}
	r.same("dry run", dry, want)
	r.mode = policy.Enforce
	got := r.scan(0, false)
	if !got.found.Origin.isHint || !slices.Equal(got.ids, want.ids) {
		t.Errorf("resumed %v, %d lines, want %d", got.found.Origin.isHint, len(got.ids), len(want.ids))
	}
}

// Two policies that take turns over one state resume their own scans.
func TestTwoPoliciesResumeTheirOwnScans(t *testing.T) {
	r := newResumable(t, 150)
	one, other := r.scanner, r.cloud.scanner(testPolicy+"timezone: Asia/Shanghai\n")
	if other.Now = one.Now; one.Policy.Digest() == other.Policy.Digest() {
		t.Fatal("it is the same policy")
	}
	for _, r.scanner = range []*Scanner{one, other} {
		if cut := r.scan(5, false); cut.found.Stopped == nil {
			t.Fatal("not interrupted")
		}
	}
	for _, r.scanner = range []*Scanner{one, other} {
		if got := r.scan(0, false); !got.found.Origin.isHint {
			t.Error("not resumed")
		}
	}
}

func (r *resumable) heads() (heads []string) {
	for _, name := range r.store.Names("checkpoints") {
		if strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, "closed.json") {
			heads = append(heads, name)
		}
	}
	return heads
}

// Whichever write fails, once or from then on, the scans that follow find the same.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	const size = 150
	want := newResumable(t, size).scan(0, false)
	for failing := 1; failing <= 6; failing++ {
		for _, lasts := range []bool{false, true} {
			r := newResumable(t, size)
			r.store.fails = func(create int, _ string) error {
				if create == failing || lasts && create > failing {
					return errStore
				}
				return nil
			}
			for _, call := range []int{5, 6, 4} {
				if cut := r.scan(call, false); cut.found.Stopped == nil {
					t.Fatalf("not cut off: %v", cut.found.End())
				} else if failed := strings.Contains(cut.found.Stopped.Error(), "checkpoint not written: "+errStore.Error()); lasts && r.store.creates >= failing && !failed {
					t.Errorf("write %d fails, and the scan says %v", failing, cut.found.Stopped)
				}
			}
			r.store.fails = nil
			r.same(fmt.Sprintf("write %d failed, and the later ones: %v", failing, lasts), r.scan(0, false), want)
		}
	}
}

// A record that is damaged costs a checkpoint, or all of them, and nothing else.
func TestDamagedCheckpoints(t *testing.T) {
	t.Parallel()
	const size = 150
	want := newResumable(t, size).scan(0, false)
	damages := map[string]func([]byte) []byte{
		"empty":    func([]byte) []byte { return nil },
		"cut off":  func(data []byte) []byte { return data[:len(data)/2] },
		"one byte": func(data []byte) []byte { return data[:len(data)-1] },
		"zeros":    func(data []byte) []byte { return make([]byte, len(data)) },
		"a bit":    func(data []byte) []byte { data[len(data)/2] ^= 4; return data },
		"missing":  nil,
	}
	for at := range 6 {
		for name, damage := range damages {
			r := newResumable(t, size)
			for _, call := range []int{5, 6, 4} {
				if cut := r.scan(call, false); cut.found.Stopped == nil {
					t.Fatalf("not cut off: %v", cut.found.End())
				}
			}
			records := r.store.Names(checkpointFolder(policy.DryRun))
			if len(records) != 6 {
				t.Fatalf("records %q", records)
			}
			if name == "a bit" && strings.HasSuffix(records[at], ".json") {
				continue // JSON has no checksum
			}
			if damage == nil {
				delete(r.store.Records, records[at])
			} else {
				r.store.Records[records[at]] = damage(bytes.Clone(r.store.Records[records[at]]))
			}
			got := r.scan(0, false)
			r.same(fmt.Sprintf("%s: %s", records[at], name), got, want)
			// The first segment is in all heads; else an earlier head is whole.
			if first := at == 0; got.found.Origin.isHint == first {
				t.Errorf("%s: %s: resumed %v", records[at], name, !first)
			}
		}
	}
}

// A checkpoint is not resumed if it is closed, too old, from the future, of another policy or
// region, or forged.
func TestCheckpointsOfOtherScans(t *testing.T) {
	const size = 150
	whole := newResumable(t, size)
	whole.scan(0, false)
	calls := whole.calls
	for name, test := range map[string]struct {
		change  func(r *resumable)
		resumed bool
	}{
		"the same":        {func(*resumable) {}, true},
		"25 hours later":  {func(r *resumable) { r.later(checkpointAge - 2*time.Minute) }, true},
		"too old":         {func(r *resumable) { r.later(checkpointAge) }, false},
		"from the future": {func(r *resumable) { r.later(-time.Hour) }, false},
		"beside one of a clock that is ahead": {func(r *resumable) {
			r.store.Put(checkpointFolder(policy.DryRun)+state.RunName(now.AddDate(1, 0, 0), "ahead")+"/000001.json", []byte("{}"))
		}, true},
		"another policy": {func(r *resumable) {
			r.scanner.Policy = r.cloud.scanner(strings.Replace(testPolicy, "180d", "181d", 1)).Policy
		}, false},
		"another region": {func(r *resumable) { r.scanner.Region = "cn-beijing" }, false},
		"closed": {func(r *resumable) {
			head := r.heads()[0]
			r.store.Records[head[:strings.LastIndex(head, "/")+1]+"closed.json"] = []byte("{}")
		}, false},
		"its clock is old": {func(r *resumable) { r.forge(`"asOf":"2026-06-30`, `"asOf":"2026-06-28`) }, false},
		"its run has begun to delete": {func(r *resumable) {
			if _, err := journal.SaveIntent(r.t.Context(), r.store, now, journal.Intent{Run: "run-1", AsOf: now.Add(time.Minute)}); err != nil {
				r.t.Fatal(err)
			}
		}, false},
		"a rule that the policy lacks": {func(r *resumable) {
			before := r.scanner.Policy.Digest()
			r.scanner.Policy = r.cloud.scanner(strings.Replace(testPolicy, "name: rest", "name: others", 1)).Policy
			r.forge(before, r.scanner.Policy.Digest())
		}, false},
		"a group of a rule that ranks nothing": {func(r *resumable) {
			before := r.scanner.Policy.Digest()
			r.scanner.Policy = r.cloud.scanner(strings.Replace(testPolicy, ", keepLatest: {count: 2, per: folder}", "", 1)).Policy
			r.forge(before, r.scanner.Policy.Digest())
		}, false},
		"another format": {func(r *resumable) {
			r.forge(fmt.Sprintf(`"format":%d`, checkpointFormat), `"format":1`)
		}, false},
	} {
		r := newResumable(t, size)
		if cut := r.scan(calls-1, false); cut.found.Stopped == nil || !strings.Contains(cut.found.Stopped.Error(), "the next scheduled run resumes it") {
			t.Fatalf("%s: %v", name, cut.found.End())
		}
		test.change(r)
		if got := r.scan(0, false); got.found.End() != nil || got.found.Origin.isHint != test.resumed {
			t.Errorf("%s: resumed %v, %v", name, got.found.Origin.isHint, got.found.End())
		}
	}
}

// forge changes the text of the first checkpoint.
func (r *resumable) forge(before, after string) {
	head := r.heads()[0]
	forged := bytes.Replace(r.store.Records[head], []byte(before), []byte(after), 1)
	if bytes.Equal(forged, r.store.Records[head]) {
		r.t.Fatalf("%s has no %s", head, before)
	}
	r.store.Records[head] = forged
}

// A resumed scan names the media of the inventory's prefixes and lists, and no others that a checkpoint may have.
func TestNamesOfAResumedScan(t *testing.T) {
	r := newResumable(t, 150)
	r.scan(5, false)
	got := r.scan(0, false)
	listed, _, _ := strings.Cut(strings.TrimPrefix(r.list, "mediaId,object\n"), ",")
	for _, test := range []struct {
		id, bucket string
		want       bool
	}{{"x", "media-in", true}, {"x", "others", false}, {listed, "others", true}} {
		m := testMedium(test.id, "clips/x", 400)
		m.Object.Bucket = test.bucket
		if names := got.found.Origin.Names(&m); names != test.want || !got.found.Origin.isHint {
			t.Errorf("%s in %s: named %v, resumed %v", test.id, test.bucket, names, got.found.Origin.isHint)
		}
	}
}

// A list that cannot be read names nothing, and the log says so. The prefixes of the inventory name their media all the same.
func TestNamesOfTheInventory(t *testing.T) {
	for name, test := range map[string]struct {
		list            string
		read            bool
		listed, unnamed bool // whether the lists name the medium, and whether the log says that one was not read
		temporary       string
	}{
		"a list":         {list: "mediaId\nx\n", read: true, listed: true},
		"a bad row":      {list: "mediaId\nno ID\nx\n", read: true, listed: true, unnamed: true},
		"a broken list":  {list: "[", read: true, unnamed: true},
		"lists left out": {list: "[", read: false},
		"no temporary file": {list: "mediaId\nx\n" + strings.Repeat(strings.Repeat("y", 60)+"\n", 100_000), read: true, unnamed: true,
			temporary: filepath.Join(t.TempDir(), "missing")},
	} {
		t.Setenv("TMPDIR", test.temporary)
		c := newCloud(t)
		c.list = test.list
		found := c.scanner(testPolicy).Inventory(t.Context(), t.Context(), test.read)
		inside, outside := testMedium("y", "clips/y", 400), testMedium("x", "clips/x", 400)
		outside.Object.Bucket = "others"
		if !found.Names(&inside) || found.Names(&outside) != test.listed || strings.Contains(c.log.String(), " not read: ") != test.unnamed {
			t.Errorf("%s: %v, %v, log %s", name, found.Names(&inside), found.Names(&outside), c.log.String())
		}
	}
}

func (r *resumable) later(by time.Duration) {
	clock := r.scanner.Now
	r.scanner.Now = func() time.Time { return clock().Add(by) }
}

// A resumed scan knows of a pending candidate all that the earlier one knew.
func TestPendingCandidatesAreKept(t *testing.T) {
	for name, one := range map[string]pending{
		"an object":            {Candidate: inventory.Candidate{Object: media.Object{Bucket: "media-in", Key: "a"}, Modified: 7}, escaped: true},
		"an ID of a list":      {Candidate: inventory.Candidate{MediaID: "m1", Named: true, Beside: 9}},
		"a lead":               {Candidate: inventory.Candidate{MediaID: "m1", Lead: true, Orphan: true}},
		"a lead and of a list": {Candidate: inventory.Candidate{MediaID: "m1", Lead: true, Named: true}},
	} {
		want := one.record()
		kept, err := want.pending()
		if got := kept.record(); err != nil || got != want || kept.Lead != one.Lead || kept.Named != one.Named || kept.Orphan != one.Orphan || kept.Beside != one.Beside {
			t.Errorf("%s: %+v became %+v, %v", name, one, kept, err)
		}
	}
}
