package handler_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

const noticed = simulated + "notice: 7d\nfullEvery: 1h\n"

// announced is a deployment with a notice on a turned clock.
type announced struct{ *simulation }

func withNotice(t *testing.T, rules string, test func(announced)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1, rules, emulator.MPSOptions{})
		defer s.end()
		s.programs = []*program{s.start(0)}
		test(announced{s})
	})
}

// night sleeps for a day, and runs the timer.
func (s announced) night() report.Report {
	time.Sleep(24 * time.Hour)
	return s.timer(10 * time.Minute)
}

// invoke answers a payload.
func (s announced) invoke(payload string) report.Report {
	s.t.Helper()
	body, _ := s.programs[0].f.Invoke(s.t.Context(), handler.Call{}, []byte(payload))
	return s.adds(body)
}

// want fails the test unless a run has these counts.
func (s announced) want(r report.Report, when string, announced, deleted int) {
	s.t.Helper()
	if c := r.Counts; c.Announced != announced || c.Deleted != deleted || c.Pending > 0 && r.Mode == "enforce" && !r.Guard.Tripped {
		s.t.Errorf("%s: %s %s, %+v, want %d announced and %d deleted; notes %q", when, r.Status, r.Error, c, announced, deleted, r.Notes)
	}
}

// addNew adds an expired medium of an object, and returns its ID.
func (s announced) addNew(key string) string {
	s.e.PutObject("media-in", key, nil, time.Now())
	return s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"}).ID
}

// unnoticed returns rules without their notice.
func unnoticed(rules string) string { return strings.Replace(rules, "notice: 7d\n", "", 1) }

// use restarts all programs with other rules.
func (s announced) use(rules string) {
	var err error
	if s.policy, err = policy.Parse("policy", []byte(rules)); err != nil {
		s.t.Fatal(err)
	}
	for i, p := range s.programs {
		p.kill()
		s.programs[i] = s.start(p.skew)
	}
}

// tag gives a medium tags.
func (s announced) tag(id string, tags ...string) {
	m, _ := s.e.Medium(id)
	m.Tags = tags
	s.e.Add(m)
}

// The first night of a backlog announces it, and deletes nothing. Seven days later it goes, and what came meanwhile later.
func TestABacklogIsAnnounced(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		s.addOld("media-in", 30)
		began := time.Now()
		r := s.timer(time.Hour)
		s.want(r, "the first night", 30, 0)
		if day := began.Add(7 * 24 * time.Hour).Format(time.DateOnly); len(r.Announced) != 1 || r.Announced[0].Day != day || r.Announced[0].Media != 30 || len(r.Announced[0].MediaIDs) != 30 || r.Status != report.Done {
			t.Errorf("%s, announced %+v, want 30 for %s", r.Status, r.Announced, day)
		}
		for night := 1; night <= 7; night++ {
			s.want(s.night(), fmt.Sprint("night ", night), 30, 0)
		}
		s.addNew("new.mp4")
		s.want(s.night(), "night 8", 1, 30)
		for night := 9; night <= 15; night++ {
			s.want(s.night(), fmt.Sprint("night ", night), 1, 0)
		}
		s.want(s.night(), "night 16", 0, 1)
	})
}

// What stops being expired, or gets another record, is announced again.
func TestALostAnnouncement(t *testing.T) {
	for name, change := range map[string]func(s announced, id string){
		"held for a night": func(s announced, id string) {
			s.tag(id, "legal-hold")
			s.night()
			s.tag(id)
		},
		"another title": func(s announced, id string) {
			m, _ := s.e.Medium(id)
			m.Title = "another"
			s.e.Add(m)
		},
		"records lost": func(s announced, _ string) {
			for _, o := range s.e.Objects("ops") {
				if strings.HasPrefix(o.Key, "state/announced/") {
					s.e.RemoveObject("ops", o.Key)
				}
			}
		},
		"a record damaged": func(s announced, _ string) {
			for _, o := range s.e.Objects("ops") {
				if strings.HasPrefix(o.Key, "state/announced/segments/") {
					s.e.PutObject("ops", o.Key, o.Body[:len(o.Body)/2], time.Now())
				}
			}
		},
		"the latest generation damaged": func(s announced, _ string) {
			for _, o := range s.e.Objects("ops") {
				if strings.HasPrefix(o.Key, "state/announced/generations/") {
					s.e.PutObject("ops", o.Key, []byte("{}"), time.Now())
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				id := s.addOld("media-in", 1)[0]
				s.timer(time.Hour)
				for range 5 {
					s.night()
				}
				change(s, id)
				for night := range 7 {
					s.want(s.night(), fmt.Sprintf("night %d after it", night+1), 1, 0)
				}
				s.night()
				if s.want(s.night(), "the last night", 0, 0); s.gone() != 1 {
					t.Error("it was announced for ever")
				}
			})
		})
	}
}

// A scheduled dry run, an event, a request and an apply end the announcement of a medium that they find not expired. A dry
// run that a person asks for changes nothing, and no run that finds the medium expired does.
func TestWhoeverFindsAMediumNotExpiredEndsItsAnnouncement(t *testing.T) {
	const dry = `{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"weekly","payload":"{\"mode\":\"dry-run\"}"}`
	for name, test := range map[string]struct {
		look  func(s announced, id, plan string) string
		keeps bool // the announcement
	}{
		"a scheduled dry run": {look: func(announced, string, string) string { return dry }},
		"an event":            {look: func(announced, string, string) string { return string(ossEvent("clips/0")) }},
		"a request":           {look: func(_ announced, id, _ string) string { return fmt.Sprintf(`{"mode":"enforce","mediaIds":[%q]}`, id) }},
		"an apply":            {look: func(_ announced, _, plan string) string { return fmt.Sprintf(`{"mode":"enforce","plan":%q}`, plan) }},
		"a person's dry run":  {look: func(announced, string, string) string { return `{"inventory":true}` }, keeps: true},
		"a person's question": {look: func(_ announced, id, _ string) string { return fmt.Sprintf(`{"mediaIds":[%q]}`, id) }, keeps: true},
		"nobody":              {look: func(announced, string, string) string { return "" }, keeps: true},
		"a scheduled dry run that finds it expired": {look: func(s announced, id, _ string) string {
			s.tag(id)
			return dry
		}, keeps: true},
		"an event that finds it expired": {look: func(s announced, id, _ string) string {
			s.tag(id)
			return string(ossEvent("clips/0"))
		}, keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				id := s.addOld("media-in", 2)[0]
				plan := s.timer(time.Hour).Plan
				time.Sleep(5 * 24 * time.Hour)
				s.tag(id, "legal-hold")
				if payload := test.look(s, id, plan); payload != "" {
					s.invoke(payload)
				}
				s.tag(id)
				time.Sleep(3 * 24 * time.Hour)
				s.timer(time.Hour)
				if m, _ := s.e.Medium(id); m.Deleted != test.keeps {
					s.t.Errorf("eight days after its announcement: deleted %v, want %v", m.Deleted, test.keeps)
				}
				time.Sleep(8 * 24 * time.Hour)
				if s.timer(time.Hour); s.gone() != 2 {
					s.t.Error("it was announced for ever")
				}
			})
		})
	}
}

// A hold ends the announcements of its media, also if it is released, or ends, before any run looks at them.
func TestAHoldEndsAnnouncements(t *testing.T) {
	lose := func(s announced, folder string) {
		for _, o := range s.e.Objects("ops") {
			if strings.HasPrefix(o.Key, "state/"+folder+"/") {
				s.e.RemoveObject("ops", o.Key)
			}
		}
	}
	for name, test := range map[string]struct {
		target string // empty for the medium's ID
		until  bool   // it ends by itself
		then   func(s announced)
		keeps  bool // the announcement
	}{
		"the medium":           {},
		"its object":           {target: "oss://media-in/clips/0"},
		"a folder":             {target: "oss://media-in/clips/**"},
		"a day":                {until: true},
		"lost once released":   {target: "oss://media-in/others/**", then: func(s announced) { lose(s, "holds") }},
		"another folder":       {target: "oss://media-in/others/**", keeps: true},
		"a request looks then": {then: func(s announced) { s.invoke(fmt.Sprintf(`{"mode":"enforce","mediaIds":[%q]}`, s.e.Media()[0].ID)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				id := s.addOld("media-in", 1)[0]
				s.timer(time.Hour)
				time.Sleep(3 * 24 * time.Hour)
				request := trigger.HoldRequest{Target: cmp.Or(test.target, id), Until: "forever", Reason: "a test"}
				if test.until {
					request.Until = time.Now().Format(time.DateOnly)
				}
				hold, err := s.programs[0].f.Hold(s.t.Context(), handler.Call{}, request)
				if err != nil {
					s.t.Fatal(err)
				}
				time.Sleep(24 * time.Hour)
				if !test.until {
					if _, err := s.programs[0].f.Release(s.t.Context(), handler.Call{}, hold.ID); err != nil {
						s.t.Fatal(err)
					}
				}
				if test.then != nil {
					test.then(s)
				}
				s.programs[0].kill() // another process reads all records
				s.programs[0] = s.start(0)
				time.Sleep(4 * 24 * time.Hour)
				forecast, _ := s.programs[0].f.Forecast(s.t.Context(), handler.Call{}, trigger.CLI, 30)
				if due := forecast.Overdue.Media == 1; due != test.keeps {
					s.t.Errorf("forecast: %+v are overdue", forecast.Overdue)
				}
				list, _ := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{id}})
				if told := !list[0].AnnouncedAt.IsZero() && list[0].AnnouncedAt.Before(time.Now().Add(-7*24*time.Hour)); told != test.keeps {
					s.t.Errorf("explain: announced at %s", list[0].AnnouncedAt)
				}
				s.timer(time.Hour)
				if m, _ := s.e.Medium(id); m.Deleted != test.keeps {
					s.t.Errorf("eight days after its announcement: deleted %v, want %v", m.Deleted, test.keeps)
				}
				time.Sleep(8 * 24 * time.Hour)
				if s.timer(time.Hour); s.gone() != 1 {
					s.t.Error("it was announced for ever")
				}
			})
		})
	}
}

// A night that fails, is cut off or cannot see a medium does not cost its announcement. A dry run announces nothing.
func TestNightsThatDoNotLook(t *testing.T) {
	faulty := func(s announced, limit time.Duration, f emulator.Fault) report.Report {
		time.Sleep(24 * time.Hour)
		s.e.Inject(f)
		defer s.e.ClearFaults()
		return s.timer(limit)
	}
	for status, night := range map[report.Status]func(s announced) report.Report{
		report.Failed: func(s announced) report.Report {
			return faulty(s, time.Hour, emulator.Fault{Operation: "*", Kind: emulator.Forbidden})
		},
		report.Incomplete: func(s announced) report.Report {
			return faulty(s, 5*time.Second, emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.HangAfter, After: 1})
		},
		report.Partial: func(s announced) report.Report {
			return faulty(s, time.Hour, emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Unavailable, After: 1})
		},
		report.Done: func(s announced) report.Report {
			time.Sleep(24 * time.Hour)
			return s.invoke(`{"inventory":true}`)
		},
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				s.addOld("media-in", 12)
				s.timer(time.Hour)
				for range 3 {
					s.night()
				}
				if r := night(s); r.Status != status {
					t.Fatalf("%s %s", r.Status, r.Error)
				}
				for range 2 { // the bad night may have taken hours
					s.want(s.night(), "a good night", 12, 0)
				}
				s.night()
				if s.night(); s.gone() != 12 {
					t.Errorf("%d of 12 are gone", s.gone())
				}
			})
		})
	}
}

// A dry run and the run after it have the same plan: all expired media, announced ones included. A person can apply the
// plan of a dry run, also if all its media are only announced.
func TestANoticeAndADryRun(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		s.addOld("media-in", 5)
		dry := s.invoke(`{"inventory":true}`)
		s.want(dry, "a dry run before", 5, 0)
		if dry.Counts.Pending != 0 || len(s.generations()) != 0 {
			t.Errorf("%+v, and %d generations of a dry run", dry.Counts, len(s.generations()))
		}
		s.timer(time.Hour)
		time.Sleep(8 * 24 * time.Hour)
		s.addNew("new.mp4")
		at := time.Now().Truncate(time.Second).Add(time.Second)
		time.Sleep(time.Until(at))
		dry = s.invoke(`{"inventory":true}`)
		time.Sleep(time.Until(at.Add(999 * time.Millisecond)))
		if dry.Counts.Pending != 5 || dry.Counts.Announced != 1 {
			t.Errorf("%+v", dry.Counts)
		}
		if !dry.AsOf.Equal(at) {
			t.Fatalf("as of %s", dry.AsOf)
		}
		if time.Now().Truncate(time.Second).Equal(at) {
			r := s.timer(time.Hour)
			if s.want(r, "the real run", 1, 5); r.Plan != dry.Plan || s.entries(r.Plan) != 6 {
				t.Errorf("plans %s and %s with %d media", dry.Plan, r.Plan, s.entries(r.Plan))
			}
		}
	})
}

// A plan that a person applies is not bound: the person is the notice. It has all expired media, whichever run made it.
func TestAPlanIsNotBoundByTheNotice(t *testing.T) {
	for name, makes := range map[string]func(s announced) report.Report{
		"a dry run": func(s announced) report.Report { return s.invoke(`{"inventory":true}`) },
		"a sweep":   func(s announced) report.Report { return s.timer(time.Hour) },
		"an event":  func(s announced) report.Report { return s.invoke(string(ossEvent("clips/0"))) },
		"a sweep that deletes some": func(s announced) report.Report {
			s.timer(time.Hour)
			time.Sleep(8 * 24 * time.Hour)
			s.addNew("new.mp4")
			r := s.timer(time.Hour)
			s.want(r, "the sweep", 1, 5)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				s.addOld("media-in", 5)
				r := makes(s)
				if r.Counts.Announced == 0 || s.entries(r.Plan) != r.Counts.Expired {
					s.t.Errorf("%+v, and the plan has %d media", r.Counts, s.entries(r.Plan))
				}
				page, err := s.programs[0].f.Plans(s.t.Context(), handler.Call{}, "")
				deleted := 0
				for _, p := range page.Plans {
					if p.Run == r.Run {
						deleted += p.Entries
					}
					if p.ID == r.Plan && p.Run != "" {
						s.t.Errorf("plan %s with announced media is that of run %s", p.ID, p.Run)
					}
				}
				if err != nil || deleted != r.Counts.Deleted {
					s.t.Errorf("the plans of the run have %d media; %v", deleted, err)
				}
				s.want(s.invoke(fmt.Sprintf(`{"mode":"enforce","plan":%q}`, r.Plan)), "the plan applied", 0, r.Counts.Announced)
			})
		})
	}
}

// entries returns the number of media of a saved plan.
func (s announced) entries(id string) int {
	s.t.Helper()
	contents, _, err := s.programs[0].f.Entries(s.t.Context(), handler.Call{}, id)
	if err != nil {
		s.t.Error(err)
	}
	return contents.Entries
}

// An unfinished plan of a sweep is held against the notice again. That of a person's apply is not. A restore of the run
// brings back only what the run may have deleted.
func TestUnfinishedPlansAndTheNotice(t *testing.T) {
	lose := func(s announced) {
		for _, o := range s.e.Objects("ops") {
			if strings.HasPrefix(o.Key, "state/announced/") {
				s.e.RemoveObject("ops", o.Key)
			}
		}
	}
	for name, test := range map[string]struct {
		between func(s announced)
		apply   bool
		gone    int // of 300
	}{
		"a sweep":                         {func(announced) {}, false, 300},
		"a sweep, and announcements lost": {lose, false, 0},
		"an apply":                        {lose, true, 300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, noticed, func(s announced) {
				s.addOld("media-in", 300)
				first := s.timer(time.Hour)
				payload := everything
				if test.apply {
					payload = fmt.Sprintf(`{"mode":"enforce","plan":%q}`, first.Plan)
				} else {
					time.Sleep(8 * 24 * time.Hour)
				}
				other := s.addNew("new.mp4")
				s.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 40 * time.Millisecond})
				s.calls.Go(func() {
					_, _ = s.programs[0].f.Invoke(s.t.Context(), handler.Call{RequestID: "killed"}, []byte(payload))
				})
				for s.e.Count()["DeleteMedia"] < 10 {
					time.Sleep(10 * time.Millisecond)
				}
				s.programs[0].kill()
				s.calls.Wait()
				s.programs[0] = s.start(0)
				s.e.ClearFaults()
				before := s.gone()
				if before == 0 || before >= 300 {
					s.t.Fatal(before, " are gone")
				}
				somebody, _ := s.e.Medium(other) // deletes it
				somebody.Deleted = true
				s.e.Add(somebody)
				if r := s.programs[0].f.Sweep(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: "killed", DryRun: true}); r.Restore.Restored != before {
					s.t.Errorf("a restore would bring back %d of %d media", r.Restore.Restored, before)
				}
				test.between(s)
				time.Sleep(time.Minute)
				s.timer(time.Hour)
				if gone := s.gone() - 1; gone != max(before, test.gone) {
					s.t.Errorf("%d are gone after the next sweep, and %d before", gone, before)
				}
			})
		})
	}
}

// The guard counts what a run would delete. A note warns of a later sweep that it will block.
func TestANoticeAndTheGuard(t *testing.T) {
	withNotice(t, strings.Replace(noticed, "maxDelete: 100000", "maxDelete: 9", 1), func(s announced) {
		s.addOld("media-in", 20)
		r := s.timer(time.Hour)
		if s.want(r, "the first night", 20, 0); r.Status != report.Done || !strings.Contains(strings.Join(r.Notes, "\n"), "guard will block") || !strings.Contains(r.Announced[0].Guard, "guard.maxDelete is 9") {
			t.Errorf("%s %s, notes %q", r.Status, r.Guard.Reason, r.Notes)
		}
		time.Sleep(8 * 24 * time.Hour)
		if r = s.timer(time.Hour); r.Status != report.Blocked || r.Counts.Pending != 20 || r.Counts.Announced != 0 {
			t.Errorf("%s, %+v", r.Status, r.Counts)
		}
		s.want(s.invoke(fmt.Sprintf(`{"mode":"enforce","plan":%q}`, r.Plan)), "the plan applied", 0, 20)
	})
}

// The guard of a sweep does not count announced media. A person who applies its plan overrides the guard, once.
func TestAnApplyOfAnnouncedMediaOverridesTheGuard(t *testing.T) {
	withNotice(t, strings.Replace(noticed, "maxDelete: 100000", "maxDelete: 9", 1), func(s announced) {
		s.addOld("media-in", 20)
		plan := s.timer(time.Hour).Plan
		r := s.invoke(fmt.Sprintf(`{"mode":"enforce","plan":%q}`, plan))
		if s.want(r, "the plan applied", 0, 20); !strings.Contains(r.Guard.Overridden, "and would be now: 20 media have expired and guard.maxDelete is 9") {
			t.Errorf("overridden: %q", r.Guard.Overridden)
		}
	})
}

// No guard counted the announced media of a plan, also if the policy has no notice any more when a person applies it.
func TestAnApplyOfAnnouncedMediaAfterTheNotice(t *testing.T) {
	rules := strings.Replace(noticed, "maxDelete: 100000", "maxDelete: 9", 1)
	withNotice(t, rules, func(s announced) {
		s.addOld("media-in", 20)
		made := s.timer(time.Hour).Plan
		var err error
		if s.policy, err = policy.Parse("policy", []byte(strings.Replace(rules, "notice: 7d\n", "", 1))); err != nil {
			s.t.Fatal(err)
		}
		s.programs = append(s.programs, s.start(0))
		r := s.programs[1].f.Sweep(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Mode: policy.Enforce, Plan: made, Anyway: true})
		if s.want(*r, "the plan applied", 0, 20); !strings.Contains(r.Guard.Overridden, "and would be now: 20 media have expired and guard.maxDelete is 9") {
			s.t.Errorf("overridden: %q", r.Guard.Overridden)
		}
	})
}

// A sweep announces at its end. One that starts a whole notice after its start is too early, as docs/policy.md says.
func TestTheNightOfTheDeletion(t *testing.T) {
	for notice, last := range map[string]int{"7d": 9, "6d12h": 8} {
		t.Run(notice, func(t *testing.T) {
			t.Parallel()
			withNotice(t, strings.Replace(noticed, "notice: 7d", "notice: "+notice, 1), func(s announced) {
				s.addOld("media-in", 3)
				s.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Latency, Delay: 2 * time.Second})
				first := time.Now()
				for night := 1; night < last; night++ {
					s.want(s.timer(time.Hour), fmt.Sprint("night ", night), 3, 0)
					time.Sleep(time.Until(first.AddDate(0, 0, night)))
				}
				s.want(s.timer(time.Hour), fmt.Sprint("night ", last), 0, 3)
			})
		})
	}
}

// An event announces, and the next sweeps look at its medium, wherever it is. Another event deletes only what was
// announced long enough ago, also without any sweep.
func TestEventsAnnounce(t *testing.T) {
	elsewhere := strings.Replace(noticed, "oss://media-in/}", "oss://media-in/other/}", 1)
	for name, scenario := range map[string]func(s announced, event string){
		"sweeps": func(s announced, _ string) {
			for night := range 7 {
				s.want(s.night(), fmt.Sprint("night ", night), 1, 0)
			}
			s.want(s.night(), "the eighth night", 0, 1)
		},
		"events": func(s announced, event string) {
			time.Sleep(7*24*time.Hour - 2*time.Second)
			s.want(s.invoke(event), "an event too early", 1, 0)
			time.Sleep(4 * time.Second)
			s.want(s.invoke(event), "an event in time", 0, 1)
		},
		"an event after sweeps": func(s announced, event string) {
			for range 7 {
				s.night()
			}
			time.Sleep(time.Hour)
			s.want(s.invoke(event), "an event in time", 0, 1)
		},
		"a sweep that saw it kept": func(s announced, event string) {
			id := s.e.Media()[0].ID
			s.tag(id, "legal-hold")
			s.want(s.night(), "a night with a hold", 0, 0)
			s.tag(id)
			time.Sleep(7 * 24 * time.Hour)
			s.want(s.invoke(event), "an event", 1, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withNotice(t, elsewhere, func(s announced) {
				s.addOld("media-in", 1)
				event := string(ossEvent("clips/0"))
				r := s.invoke(event)
				if s.want(r, "the event", 1, 0); len(r.Announced) != 1 || len(r.Announced[0].MediaIDs) != 1 {
					t.Errorf("%+v", r.Announced)
				}
				scenario(s, event)
			})
		})
	}
}

// A request is bound as an event is.
func TestRequestsAnnounce(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		ids := s.addOld("others", 25)
		list, _ := json.Marshal(ids)
		request := fmt.Sprintf(`{"mode":"enforce","mediaIds":%s}`, list)
		s.want(s.invoke(request), "the request", 25, 0)
		time.Sleep(time.Minute)
		explained, _ := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: ids[:1]})
		if notes := explained[0].Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "announced at ") {
			s.t.Errorf("explained before a sweep that looks at it: %q", notes)
		}
		s.want(s.night(), "the night after", 25, 0)
		time.Sleep(7 * 24 * time.Hour)
		s.want(s.invoke(request), "the request again", 0, 25)
	})
}

// An orphan that an event announced is deleted by a sweep, if its source is still gone then.
func TestOrphansAreAnnounced(t *testing.T) {
	rules := strings.Replace(noticed, "expire:\n", "expire:\n  - {name: orphans, onSourceRemoved: true}\n", 1)
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("back %v", back), func(t *testing.T) {
			t.Parallel()
			withNotice(t, rules, func(s announced) {
				m := s.e.Add(emulator.Medium{Bucket: "media-in", Key: "a.mp4", PublishState: "Published", CreationTime: time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)})
				s.e.RemoveObject("media-in", "a.mp4")
				s.want(s.invoke(removal("ObjectRemoved:DeleteObject", "a.mp4")), "the event", 1, 0)
				due := time.Now().Add(7 * 24 * time.Hour)
				s.want(s.night(), "the first night", 1, 0)
				announced, deleted, verdict := 1, 1, retention.Expired
				if back {
					s.e.PutObject("media-in", "a.mp4", nil, time.Now())
					announced, deleted, verdict = 0, 0, retention.Keep
				}
				list, _ := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{m.ID}})
				if e := list[0]; e.Verdict != verdict || (e.DueRule == "orphans" && e.DueAt.Sub(due).Abs() < time.Minute) == back {
					t.Errorf("explained as %v by %s, due %s by %s, want due %s", e.Verdict, e.Rule, e.DueAt, e.DueRule, due)
				}
				for range 6 {
					s.want(s.night(), "a night", announced, 0)
				}
				s.want(s.night(), "the last night", 0, deleted)
				if m, _ = s.e.Medium(m.ID); m.Deleted == back {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

// A sweep under a policy without a notice deletes the orphans that events announced. It ends the announcement of one whose
// source returned, which is announced again once the source is gone again.
func TestOrphansOfANoticeThatLeaves(t *testing.T) {
	rules := strings.Replace(noticed, "expire:\n", "expire:\n  - {name: orphans, onSourceRemoved: true}\n", 1)
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("back %v", back), func(t *testing.T) {
			t.Parallel()
			withNotice(t, rules, func(s announced) {
				id := s.e.Add(emulator.Medium{Bucket: "media-in", Key: "a.mp4", PublishState: "Published", CreationTime: time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}).ID
				s.e.RemoveObject("media-in", "a.mp4")
				s.want(s.invoke(removal("ObjectRemoved:DeleteObject", "a.mp4")), "the event", 1, 0)
				if back {
					s.e.PutObject("media-in", "a.mp4", nil, time.Now())
				}
				s.use(unnoticed(rules))
				s.want(s.night(), "the night", 0, map[bool]int{false: 1}[back])
				s.e.RemoveObject("media-in", "a.mp4") // without an event
				s.use(rules)
				time.Sleep(7 * 24 * time.Hour)
				s.want(s.night(), "a night after the notice returned", map[bool]int{true: 1}[back], 0)
				if m, _ := s.e.Medium(id); m.Deleted == back {
					t.Errorf("deleted: %v", m.Deleted)
				}
			})
		})
	}
}

// An event of a source's return ends the announcement: the next removal is announced again.
func TestAReturnedSourceEndsTheAnnouncement(t *testing.T) {
	rules := strings.Replace(noticed, "expire:\n", "expire:\n  - {name: orphans, onSourceRemoved: true}\n", 1)
	withNotice(t, rules, func(s announced) {
		id := s.e.Add(emulator.Medium{Bucket: "media-in", Key: "a.mp4", PublishState: "Published", CreationTime: time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}).ID
		s.e.RemoveObject("media-in", "a.mp4")
		s.want(s.invoke(removal("ObjectRemoved:DeleteObject", "a.mp4")), "its removal", 1, 0)
		time.Sleep(24 * time.Hour)
		s.e.PutObject("media-in", "a.mp4", nil, time.Now())
		s.want(s.invoke(removal("ObjectCreated:PutObject", "a.mp4")), "its return", 0, 0)
		s.e.RemoveObject("media-in", "a.mp4") // without an event
		time.Sleep(7 * 24 * time.Hour)
		s.timer(time.Hour)
		if m, _ := s.e.Medium(id); m.Deleted {
			s.t.Error("it was deleted as announced before its return")
		}
	})
}

// A store that is down postpones deletions, and costs no announcement.
func TestAnnouncementsThatCannotBeRead(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		s.addOld("media-in", 3)
		s.timer(time.Hour)
		time.Sleep(8 * 24 * time.Hour)
		s.e.Inject(emulator.Fault{Operation: "GetObject", Kind: emulator.Forbidden, After: 1, Count: 50})
		r := s.timer(time.Hour)
		if s.want(r, "a night without the store", 0, 0); r.Status != report.Failed {
			t.Errorf("%s %s", r.Status, r.Error)
		}
		s.e.ClearFaults()
		s.want(s.timer(time.Hour), "the run after it", 0, 3)
	})
}

// generations returns the names of the records of generations, latest first.
func (s announced) generations() (names []string) {
	for _, o := range s.e.Objects("ops") {
		if strings.HasPrefix(o.Key, "state/announced/generations/") {
			names = append(names, o.Key)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// A run that could not record its announcements has announced and deleted nothing.
func TestAnnouncementsThatCannotBeWritten(t *testing.T) {
	failed := 0
	for write := range 12 {
		withNotice(t, noticed, func(s announced) {
			s.addOld("media-in", 3)
			s.timer(time.Hour)
			time.Sleep(8 * 24 * time.Hour)
			s.addNew("new.mp4")
			before := len(s.generations())
			s.e.Inject(emulator.Fault{Operation: "PutObject", Kind: emulator.Forbidden, After: write, Count: 1})
			r := s.timer(time.Hour)
			if len(s.generations()) > before {
				return
			}
			if failed++; r.Counts.Announced > 0 || s.e.Count()["DeleteMedia"] > 0 {
				t.Errorf("write %d: %s %s, %+v, and no generation", write, r.Status, r.Error, r.Counts)
			}
		})
	}
	if failed == 0 {
		t.Error("no fault hit the record of a generation")
	}
}

// Explain and forecast name a day. The first sweep after that day deletes the media.
func TestExplainAndForecastKnowTheNotice(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		ids := s.addOld("media-in", 6)
		for i := range 3 {
			key := fmt.Sprintf("young/%d.mp4", i)
			ids = append(ids, s.e.Add(emulator.Medium{Bucket: "media-in", Key: key, PublishState: "Published",
				CreationTime: time.Now().Add(-177 * 24 * time.Hour).UTC().Format(time.RFC3339)}).ID)
			s.e.PutObject("media-in", key, nil, time.Now())
		}
		explain := func() map[string]*retention.Explanation {
			list, r := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: ids})
			if r.Status != report.Done || len(list) != len(ids) {
				s.t.Fatalf("%s %s, %d explained", r.Status, r.Error, len(list))
			}
			of := map[string]*retention.Explanation{}
			for _, e := range list {
				of[e.MediaID] = e
			}
			return of
		}
		began := time.Now()
		if e := explain()[ids[0]]; !e.AnnouncedAt.IsZero() || !strings.Contains(strings.Join(e.Notes, ""), "not announced yet") {
			s.t.Errorf("%+v", e)
		}
		s.timer(time.Hour)
		s.night()
		told := explain()
		if e := told[ids[0]]; e.AnnouncedAt.Sub(began) > time.Minute || e.DueAt != e.AnnouncedAt.Add(7*24*time.Hour) || !strings.Contains(strings.Join(e.Notes, ""), "announced at") {
			s.t.Errorf("%+v", e)
		}
		forecast, r := s.programs[0].f.Forecast(s.t.Context(), handler.Call{}, trigger.CLI, 30)
		if r.Status != report.Done || forecast.Overdue.Media != 0 || forecast.Days[6].Media != 6 || forecast.Days[9].Media != 3 {
			s.t.Errorf("%s %s, %+v", r.Status, r.Error, forecast)
		}
		for range 12 {
			night := s.night()
			forecast, _ := s.programs[0].f.Forecast(s.t.Context(), handler.Call{}, trigger.CLI, 30)
			sameDue(s.t, "a sweep with a notice", night, forecast.Days)
		}
		for _, id := range ids {
			m, _ := s.e.Medium(id)
			if due := told[id].DueAt; !m.Deleted || m.DeletedAt.Before(due) || m.DeletedAt.After(due.Add(48*time.Hour)) {
				s.t.Errorf("%s: deleted %v at %s, told %s", m.Key, m.Deleted, m.DeletedAt, due)
			}
		}
	})
}

// A forecast does not count the announcement of another record of the medium.
func TestAForecastOfAChangedRecord(t *testing.T) {
	withNotice(t, noticed, func(s announced) {
		same, changed := s.addNew("clips/same"), s.addNew("clips/changed")
		s.timer(time.Hour)
		time.Sleep(3 * 24 * time.Hour)
		s.tag(changed, "a new tag")
		forecast, r := s.programs[0].f.Forecast(s.t.Context(), handler.Call{}, trigger.CLI, 30)
		days := map[int]int{}
		for i, day := range forecast.Days {
			if day.Media > 0 {
				days[i] = day.Media
			}
		}
		if want := map[int]int{4: 1, 7: 1}; r.Status != report.Done || forecast.Overdue.Media != 0 || !maps.Equal(days, want) {
			s.t.Errorf("%s and %s by days: %v, want %v", same, changed, days, want)
		}
	})
}

// A sweep that resumes a scan reads due media again. A medium that it finds protected then loses its announcement.
func TestADueMediumThatIsProtectedWhenItIsReadAgain(t *testing.T) {
	withNotice(t, slow(noticed), func(s announced) {
		ids := s.addOld("media-in", 1500)
		s.want(s.timer(time.Hour), "the first night", 1500, 0)
		time.Sleep(8 * 24 * time.Hour)
		if r := s.timer(10 * time.Second); r.Status != report.Incomplete || r.Counts.Deleted > 0 {
			s.t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
		}
		time.Sleep(24 * time.Hour)
		s.tag(ids[0], "legal-hold")
		if r := s.timer(time.Hour); r.Counts.Protected != 1 || r.Counts.Deleted != 1499 {
			s.t.Fatalf("%s %s, %+v", r.Status, r.Error, r.Counts)
		}
		s.tag(ids[0])
		s.want(s.night(), "the night after the tag", 1, 0)
	})
}

// An explanation under a policy without a notice knows what events announced under one with a notice: sweeps look at it.
func TestExplainKnowsEarlierAnnouncements(t *testing.T) {
	for name, send := range map[string]func(s announced) string{
		"outside the inventory": func(s announced) string {
			id := s.addNew("lead/1")
			s.want(s.invoke(string(ossEvent("lead/1"))), "the event", 1, 0)
			return id
		},
		"without its source": func(s announced) string {
			m := s.e.Add(emulator.Medium{Bucket: "media-in", Key: "series/1", PublishState: "Published", CreationTime: time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)})
			s.e.RemoveObject("media-in", "series/1")
			s.want(s.invoke(removal("ObjectRemoved:DeleteObject", "series/1")), "the event", 1, 0)
			return m.ID
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := strings.NewReplacer("oss://media-in/}", "oss://media-in/series/}", "expire:", "expire:\n  - {name: orphans, onSourceRemoved: true}").Replace(noticed)
			withNotice(t, rules, func(s announced) {
				id := send(s)
				s.use(unnoticed(rules))
				time.Sleep(time.Hour)
				list, _ := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{id}})
				if e := list[0]; e.Verdict != retention.Expired || !e.AnnouncedAt.IsZero() || len(e.Notes) > 0 {
					s.t.Errorf("explained as %v by %s, announced %v, notes %q", e.Verdict, e.Rule, e.AnnouncedAt, e.Notes)
				}
				s.want(s.timer(time.Hour), "the sweep", 0, 1)
			})
		})
	}
}

// What an event announced of one medium says nothing of another one.
func TestLeadsToOtherMedia(t *testing.T) {
	rules := strings.Replace(noticed, "oss://media-in/}", "oss://media-in/series/}", 1)
	withNotice(t, rules, func(s announced) {
		id := func(n int) string {
			m := emulator.Medium{ID: fmt.Sprint("m", n), Bucket: "media-in", Key: fmt.Sprint("lead/", n), PublishState: "Published", CreationTime: "2015-01-01T00:00:00Z"}
			return s.e.Add(m).ID
		}
		led, other := id(1), id(2)
		s.want(s.invoke(string(ossEvent("lead/1"))), "the event", 1, 0)
		for one, want := range map[string]int{led: 1, other: 2} { // beside the note on the notice
			list, _ := s.programs[0].f.Explain(s.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, MediaIDs: []string{one}})
			if len(list[0].Notes) != want {
				s.t.Errorf("%s: notes %q, want %d", one, list[0].Notes, want)
			}
		}
	})
}
