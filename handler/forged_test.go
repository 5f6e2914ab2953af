package handler_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// guarded has the guard's defaults.
var guarded = strings.Replace(simulated, "guard: {maxPercent: 100, maxDelete: 100000}\n", "", 1)

// cutOff has a scheduled run stopped in the middle of the library. It returns the name and
// the fields of the last checkpoint.
func (s *simulation) cutOff(limit time.Duration) (name string, head map[string]any) {
	s.t.Helper()
	if r := s.timer(limit); r.Status != report.Incomplete || len(s.e.Calls()) == 0 || s.e.Count()["DeleteMedia"] > 0 {
		s.t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
	}
	var last emulator.Object
	for _, object := range s.e.Objects("ops") {
		if strings.HasPrefix(object.Key, "state/checkpoints") && strings.HasSuffix(object.Key, ".json") && object.Key > last.Key {
			last = object
		}
	}
	if err := json.Unmarshal(last.Body, &head); err != nil {
		s.t.Fatal(err)
	}
	return last.Key, head
}

// forge writes a checkpoint in the place of another, with a segment of more findings.
func (s *simulation) forge(name string, head map[string]any, findings []finding) {
	s.t.Helper()
	if len(findings) > 0 {
		var segment []byte
		for _, f := range findings {
			segment = f.appendTo(segment)
		}
		folder := name[:strings.LastIndex(name, "/")+1]
		s.e.PutObject("ops", folder+"900000.gz", zipped(string(segment)), time.Now())
		segments, _ := head["segments"].([]any)
		head["segments"] = append(segments, 900000)
	}
	text, err := json.Marshal(head)
	if err != nil {
		s.t.Fatal(err)
	}
	s.e.PutObject("ops", name, text, time.Now())
}

// finding is a finding as a segment of a checkpoint has it.
type finding struct {
	mediaID, name, rule, rankRule string
	verdict                       byte
	groups                        []string
	rankedAt                      int64 // nanoseconds
	line                          string
}

const (
	forgedKept    = 0
	forgedExpired = 4
)

// appendTo appends the finding to a segment; see scan.finding.
func (f finding) appendTo(segment []byte) []byte {
	encoded := []byte{0, f.verdict}
	for _, number := range []int64{0, 1 << 40, 0, 1, time.Now().Unix(), f.rankedAt, int64(len(f.groups))} {
		encoded = binary.AppendVarint(encoded, number)
	}
	encoded = binary.LittleEndian.AppendUint64(encoded, 7)
	for _, text := range append(append([]string{f.rule, "Published", f.rankRule}, f.groups...), f.name) {
		encoded = append(binary.AppendUvarint(encoded, uint64(len(text))), text...)
	}
	encoded = append(encoded, f.line...)
	key := "m" + f.mediaID
	segment = binary.AppendUvarint(segment, uint64(len(key)))
	segment = binary.AppendUvarint(segment, uint64(len(encoded)))
	return append(append(segment, key...), encoded...)
}

// expired is a finding that would have a medium deleted, decided on just now.
func expired(m emulator.Medium, rule string) finding {
	record := map[string]any{"MediaId": m.ID, "PublishState": m.PublishState, "CreationTime": m.CreationTime,
		"File": map[string]any{"URL": fmt.Sprintf("http://%s.oss-cn-shanghai.aliyuncs.com/%s", m.Bucket, m.Key)}}
	line, _ := json.Marshal(map[string]any{"mediaId": m.ID, "rule": rule, "reason": "forged", "expiresAt": "2000-01-01T00:00:00Z", "state": m.PublishState, "record": record})
	return finding{mediaID: m.ID, name: m.Bucket + "/" + m.Key, rule: rule, verdict: forgedExpired, line: string(line) + "\n"}
}

// Whatever stands in a checkpoint, a run that resumes deletes no medium that a run without
// it would keep.
func TestAForgedCheckpointDeletesNothingMore(t *testing.T) {
	const day = 24 * time.Hour
	type forgery struct {
		head     map[string]any
		findings []finding
	}
	refused := []string{"a later clock", "another library", "negative counts", "a rule that is none", "another medium's line", "a verdict that is none", "an odd segment", "a segment that is missing"}
	unguarded := strings.Replace(guarded, "pace:", "guard: {maxPercent: 100}\npace:", 1)
	for name, test := range map[string]struct {
		rules string
		forge func(s *simulation, f *forgery)
		want  report.Status // empty for any
	}{
		// A bad row of a list comes before the first look-up.
		"unnamed objects to be asked for again": {strings.Replace(unguarded, "inventory: [{bucket: oss://media-in/}]", "inventory: [{bucket: oss://media-in/}, {manifest: oss://ops/list.csv}]", 1), func(s *simulation, f *forgery) {
			s.e.PutObject("ops", "list.csv", []byte("mediaId,object\n,not an object\n"), time.Now())
			var pending []any
			for _, m := range s.e.Media() {
				if m.Bucket == "others" {
					pending = append(pending, map[string]any{"name": m.Bucket + "/" + m.Key, "escaped": true})
				}
			}
			f.head["pending"] = pending
		}, ""},
		"as it was written": {guarded, func(*simulation, *forgery) {}, report.Blocked},
		"held since": {unguarded, func(s *simulation, f *forgery) {
			for _, m := range s.e.Media() {
				m.Tags = []string{"legal-hold"}
				s.e.Add(m)
			}
		}, report.Done},
		"media that must stay": {unguarded, func(s *simulation, f *forgery) {
			for _, m := range s.e.Media() {
				if m.Tags != nil || m.Bucket == "others" || m.CreationTime > "2000" || strings.HasPrefix(m.Key, "series/") {
					f.findings = append(f.findings, expired(m, "rest"))
				}
			}
		}, report.Done},
		"candidates that nobody named": {unguarded, func(s *simulation, f *forgery) {
			var pending []any
			for i, m := range s.e.Media() {
				if m.Bucket == "others" {
					pending = append(pending, map[string]any{"name": "~" + m.ID}, map[string]any{"name": m.Bucket + "/" + m.Key, "escaped": i%2 == 0})
				}
			}
			f.head["pending"] = pending
		}, report.Done},
		"nothing but candidates that nobody named": {unguarded, func(s *simulation, f *forgery) { // no batch has a medium that must be read again
			var pending []any
			for _, m := range s.e.Media() {
				if m.Bucket == "others" {
					pending = append(pending, map[string]any{"name": "~" + m.ID})
				}
			}
			f.head["pending"], f.head["segments"] = pending, []any{}
		}, report.Done},
		"a later clock": {unguarded, func(_ *simulation, f *forgery) {
			f.head["asOf"] = time.Now().Add(300 * day).UTC().Format(time.RFC3339)
		}, report.Done},
		"another library": {unguarded, func(_ *simulation, f *forgery) {
			f.head["region"] = "cn-beijing"
		}, report.Done},
		"newer media of a group": {unguarded, func(s *simulation, f *forgery) {
			for _, id := range []string{"ghost1", "ghost2"} {
				f.findings = append(f.findings, finding{mediaID: id, name: "media-in/series/" + id, rule: "series", rankRule: "series", groups: []string{"oss://media-in/series/"},
					rankedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), verdict: forgedKept})
			}
			for _, m := range s.e.Media() {
				if strings.HasPrefix(m.Key, "series/") {
					f.findings = append(f.findings, expired(m, "series"))
				}
			}
		}, report.Done},
		"more looked at": {guarded, func(_ *simulation, f *forgery) {
			for i := range 10_000 {
				f.findings = append(f.findings, finding{mediaID: fmt.Sprint("ghost", i), name: fmt.Sprint("media-in/clips/ghost", i), verdict: forgedKept})
			}
		}, report.Blocked},
		"more passed over": {guarded, func(_ *simulation, f *forgery) { f.head["known"] = 1000000 }, report.Blocked},
		"nothing found":    {guarded, func(_ *simulation, f *forgery) { f.head["segments"] = []any{} }, ""},
		"other records": {guarded, func(s *simulation, f *forgery) {
			for _, m := range s.e.Media() {
				f.findings = append(f.findings, finding{mediaID: m.ID, name: m.Bucket + "/" + m.Key, verdict: forgedKept})
			}
		}, ""},
		"negative counts":     {guarded, func(_ *simulation, f *forgery) { f.head["known"] = -2000000 }, report.Blocked},
		"a rule that is none": {guarded, func(s *simulation, f *forgery) { f.findings = append(f.findings, expired(s.e.Media()[0], "none")) }, report.Blocked},
		"another medium's line": {guarded, func(s *simulation, f *forgery) {
			one := expired(s.e.Media()[0], "rest")
			one.mediaID = "another"
			f.findings = append(f.findings, one)
		}, report.Blocked},
		"a verdict that is none": {guarded, func(_ *simulation, f *forgery) {
			f.findings = append(f.findings, finding{mediaID: "ghost", verdict: 99})
		}, report.Blocked},
		"an odd segment":            {guarded, func(_ *simulation, f *forgery) { f.head["segments"] = []any{-1} }, report.Blocked},
		"a segment that is missing": {guarded, func(_ *simulation, f *forgery) { f.head["segments"] = []any{1, 900001} }, report.Blocked},
		"everything":                {guarded, func(_ *simulation, f *forgery) { f.head["after"] = "~~~~" }, report.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, 1, test.rules, emulator.MPSOptions{})
				defer s.end()
				must := map[string]bool{} // stay
				for i := range 300 {
					m := emulator.Medium{Bucket: "media-in", Key: fmt.Sprintf("clips/%03d", i), PublishState: "Published", CreationTime: "2018-01-01T00:00:00Z"}
					switch {
					case i%100 == 0:
						m.Tags = []string{"legal-hold"}
					case i%2 == 0:
						m.CreationTime = time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05Z")
					}
					s.e.PutObject(m.Bucket, m.Key, nil, time.Now())
					if m = s.e.Add(m); i%2 == 0 {
						must[m.ID] = true
					}
				}
				for i := range 2 {
					m := s.e.Add(emulator.Medium{Bucket: "media-in", Key: fmt.Sprint("series/", i), PublishState: "Published", CreationTime: fmt.Sprintf("201%d-01-01T00:00:00Z", i)})
					s.e.PutObject(m.Bucket, m.Key, nil, time.Now())
					must[m.ID] = true
				}
				for i := range 12 {
					must[s.e.Add(emulator.Medium{Bucket: "others", Key: fmt.Sprint("clips/", i), PublishState: "Published", CreationTime: "2018-01-01T00:00:00Z"}).ID] = true
				}
				var log bytes.Buffer
				s.log = &log
				s.programs = []*program{s.start(0)}
				s.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Latency, Delay: time.Minute, After: 16})
				record, head := s.cutOff(2 * time.Second)
				if name == "held since" {
					for _, m := range s.e.Media() {
						must[m.ID] = true
					}
				}
				f := &forgery{head: head}
				if segments, _ := head["segments"].([]any); len(segments) == 0 {
					t.Fatal("a checkpoint without findings")
				}
				test.forge(s, f)
				s.forge(record, f.head, f.findings)
				s.e.ClearFaults()
				r := s.timer(time.Hour)
				if resumed := strings.Contains(log.String(), "resuming an interrupted scan"); resumed == slices.Contains(refused, name) {
					t.Errorf("resumed %v: %s", resumed, &log)
				}
				if test.want != "" && r.Status != test.want {
					t.Errorf("%s %s, %+v, %s, want %s", r.Status, r.Error, r.Counts, r.Guard.Reason, test.want)
				}
				for _, call := range s.e.Calls() {
					for _, id := range call.MediaIDs {
						if call.Operation == "DeleteMedia" && (must[id] || test.rules == guarded) {
							m, _ := s.e.Medium(id)
							t.Fatalf("%s %s was sent: %+v", m.Bucket, m.Key, r.Counts)
						}
					}
				}
			})
		})
	}
}

// A look that is carried on comes through its guard as one long look does: what it deletes
// is a small part of what the inventory has. Ranks that stand in a checkpoint are read
// again, and then count.
func TestALookThatIsCarriedOnPassesItsGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, guarded, emulator.MPSOptions{})
		defer s.end()
		due := 0
		add := func(key string, old bool) {
			m := emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2026-01-01T00:00:00Z"}
			if m.CreationTime = time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:05Z"); old {
				m.CreationTime = fmt.Sprintf("2012-01-01T00:00:%02dZ", due)
				due++
			}
			s.e.Add(m)
			s.e.PutObject(m.Bucket, m.Key, nil, time.Now())
		}
		for i := range 600 {
			add(fmt.Sprintf("clips/%03d", i), i%25 == 0)
		}
		for i := range 20 { // the newest two stay
			add(fmt.Sprintf("series/%02d", i), true)
		}
		s.programs = []*program{s.start(0)}
		s.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Latency, Delay: time.Minute, After: 61})
		s.cutOff(2 * time.Second)
		s.e.ClearFaults()
		if r := s.timer(time.Hour); r.Status != report.Done || r.Counts.Deleted != due-2 || r.Counts.Looked != 620 {
			t.Errorf("%s %s, %+v, %s, want %d deleted", r.Status, r.Error, r.Counts, r.Guard.Reason, due-2)
		}
	})
}

// An open record is a hint: it deletes nothing that a guard holds, nothing of a time to
// come, and of the inventory nothing that it does not name.
func TestAForgedOpenPlanDeletesNothingMore(t *testing.T) {
	for name, test := range map[string]struct {
		policy string // of the next run
		open   func(open, contents map[string]any)
		media  func(w *world)
		want   int // deleted by the plan
	}{
		"as it was":           {"", func(map[string]any, map[string]any) {}, nil, 25},
		"of a blocked plan":   {"", func(_, contents map[string]any) { contents["blocked"] = "25 of 30 media" }, nil, 0},
		"of too large a plan": {"guard: {maxPercent: 100, maxDelete: 24}", func(map[string]any, map[string]any) {}, nil, 0},
		"of a time to come":   {"", func(open, _ map[string]any) { open["asOf"] = "9999-01-01T00:00:00Z" }, nil, 0},
		"of another region":   {"", func(_, contents map[string]any) { contents["region"] = "cn-beijing" }, nil, 0},
		"of another policy":   {"", func(open, _ map[string]any) { open["policy"] = "sha256:0" }, nil, 0},
		"of no plan":          {"", func(open, _ map[string]any) { open["plan"] = "../lease" }, nil, 0},
		"of an odd plan":      {"", func(_, contents map[string]any) { contents["segments"] = []string{"runs/request-1/000001.json"} }, nil, 0},
		"of a negative plan":  {"", func(_, contents map[string]any) { contents["entries"] = -1 }, nil, 0},
		"of media that are held": {"", func(map[string]any, map[string]any) {}, func(w *world) {
			for _, m := range w.e.Media() {
				m.Tags = []string{"legal-hold"}
				w.e.Add(m)
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_HTTP_AUTH", "function")
			for i := range 25 {
				w.add(fmt.Sprint("clips/", i), 300)
			}
			_, planned := w.askReport("POST", "/v1/plans", `{"inventory":true}`)
			folder := strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://")
			kept := filepath.Join(folder, "plans", strings.ReplaceAll(planned.Plan, ":", "-"), "plan.json")
			open := map[string]any{"format": 1, "run": "killed", "plan": planned.Plan, "policy": planned.Policy, "asOf": planned.AsOf.Format(time.RFC3339)}
			var contents map[string]any
			data, err := os.ReadFile(kept)
			if err = errors.Join(err, json.Unmarshal(data, &contents)); err != nil {
				t.Fatal(err)
			}
			test.open(open, contents)
			write := func(name string, record map[string]any) {
				text, err := json.Marshal(record)
				if err = errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, text, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			write(kept, contents)
			write(filepath.Join(folder, "open", "20260101T000000Z-20260101T000000.000000000Z-killed.json"), open)
			if test.media != nil {
				test.media(w)
			}
			if test.policy != "" {
				w.setPolicy(strings.Replace(enforcing, "guard: {maxPercent: 100}", test.policy, 1))
			}
			_, _ = w.invoke(everything)
			runs, err := w.runs()
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, r := range runs {
				if r.Plan == planned.Plan && !strings.HasPrefix(r.Run, "request-") { // of another run within the second
					got += r.Counts.Deleted
				}
			}
			if got != test.want {
				t.Errorf("%d deleted, want %d: %s", got, test.want, w.log.String())
			}
			_, _ = w.invoke(everything)
			again, err := w.runs()
			if test.want == 0 && len(again) > len(runs)+1 && !slices.Contains([]string{"of an odd plan", "of a negative plan", "of another region"}, name) {
				t.Errorf("the plan is finished again: %d runs more, %v", len(again)-len(runs), err)
			}
		})
	}
}

// A record of events that gives back what none has spent is refused by its name.
func TestAForgedBudgetOfEvents(t *testing.T) {
	w := newWorld(t, emulator.Config{}, strings.Replace(enforcing, "maxPercent: 100", "maxPercent: 100, maxDelete: 3", 1))
	for _, key := range []string{"clips/a", "clips/b", "clips/c", "clips/d"} {
		w.add(key, 300)
	}
	spent := func(rest string) {
		t.Helper()
		name := filepath.Join(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), "spent", time.Now().UTC().Format("20060102T150405.000000000Z")+rest)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	spent("--1000000-X") // the run X has spent nothing
	if r, err := w.invoke(string(ossEvent("clips/a"))); err != nil || r.Status != report.Done || len(w.sent()) != 1 {
		t.Errorf("%s %s, %v", r.Status, r.Error, err)
	}
	spent("-2-Y")
	if r, _ := w.invoke(string(ossEvent("clips/b"))); r.Status != report.Blocked || len(w.sent()) != 1 {
		t.Errorf("with the budget spent: %s %s", r.Status, r.Error)
	}
	spent("-many-Z")
	if r, err := w.invoke(string(ossEvent("clips/c"))); err == nil || !strings.Contains(r.Error, "-many-Z") || len(w.sent()) != 1 {
		t.Errorf("with a record that has no number: %s %s", r.Status, r.Error)
	}
}

// What is asked for by long names is deleted by a plan that can be read back: it can be
// applied, and undone.
func TestAPlanOfLongNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, simulated, emulator.MPSOptions{})
		defer s.end()
		var names []string
		for i := range 900 {
			key := fmt.Sprintf("%s%04d", strings.Repeat("<&>", 330), i)
			names = append(names, "oss://media-in/"+key)
			if i%300 == 0 {
				s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2018-01-01T00:00:00Z"})
				s.e.PutObject("media-in", key, nil, time.Now())
			}
		}
		s.programs = []*program{s.start(0)}
		ctx := context.Background()
		body, _ := s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "plan"}, []byte(request("objects", names)))
		planned := s.adds(body)
		if planned.Status != report.Done || planned.Counts.Pending+planned.Counts.Deleted != 3 {
			t.Fatalf("%s %s, %+v", planned.Status, planned.Error, planned.Counts)
		}
		body, _ = s.programs[0].f.Invoke(ctx, handler.Call{RequestID: "apply"}, fmt.Appendf(nil, `{"mode":"enforce","plan":%q}`, planned.Plan))
		applied := s.adds(body)
		if applied.Status != report.Done || applied.Counts.Expired != applied.Counts.Deleted {
			t.Fatalf("%s %s, %+v", applied.Status, applied.Error, applied.Counts)
		}
		run := "plan"
		if applied.Counts.Deleted > 0 {
			run = "apply"
		}
		if r := s.programs[0].f.Sweep(ctx, handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: run}); r.Status != report.Done || r.Restore.Restored != 3 {
			t.Errorf("%s %s, %+v", r.Status, r.Error, r.Restore)
		}
		for _, object := range s.e.Objects("ops") {
			if strings.HasSuffix(object.Key, "/plan.json") && len(object.Body) > 1<<20 {
				t.Errorf("%s has %d bytes", object.Key, len(object.Body))
			}
		}
	})
}

// An event whose plan cannot be saved deletes nothing, and takes nothing from the budget of
// the events after it.
func TestAPlanThatIsNotSavedCostsNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, strings.Replace(simulated, "maxDelete: 100000", "maxDelete: 1", 1), emulator.MPSOptions{})
		defer s.end()
		s.e.Add(emulator.Medium{Bucket: "media-in", Key: "clips/a", PublishState: "Published", CreationTime: "2018-01-01T00:00:00Z"})
		s.programs = []*program{s.start(0)}
		invoke := func(id string) report.Report {
			body, _ := s.programs[0].f.Invoke(context.Background(), handler.Call{RequestID: id}, ossEvent("clips/a"))
			return s.adds(body)
		}
		s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Latency, Delay: time.Millisecond, Count: 3}, // the beginning of the log, the policy, the spending
			emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden, After: 1, Count: 1}) // the plan
		if r := invoke("first"); r.Status != report.Failed || s.e.Count()["DeleteMedia"] > 0 {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		if r := invoke("second"); r.Status != report.Done || r.Counts.Deleted != 1 {
			t.Errorf("%s %s, %+v, %s", r.Status, r.Error, r.Counts, r.Guard.Reason)
		}
	})
}
