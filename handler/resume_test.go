package handler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

// The next scheduled run resumes a scan that the deadline, the kill switch or a kill cut off. The
// result is that of one long run, and few media are looked up twice.
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
	variants := []string{"raw, with a manifest", "escaped"}
	if testing.Short() {
		variants = variants[:1]
	}
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
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
			for name, cut := range cutOff {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
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
		})
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
