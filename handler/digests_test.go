package handler_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// listening is a world whose digests go to the emulated robots.
type listening struct {
	*world
	read int // digests
}

// onListeningClock tests a world on a turned clock. One of its two media has expired.
func onListeningClock(t *testing.T, policy string, test func(t *testing.T, w *listening)) {
	t.Helper()
	onTurnedClock(t, policy, func(t *testing.T, w *world) {
		l := &listening{world: w}
		l.listen(policy)
		l.expire("clips/old.mp4")
		w.add("clips/new.mp4", 1)
		test(t, l)
		l.noSecrets()
	})
}

// listen deploys the function with targets.
func (w *listening) listen(policy string) {
	w.env["MEDIASWEEP_NOTIFY"] = strings.Join(w.e.Targets(), " ")
	w.setPolicy(policy)
}

// expire adds a medium that has expired.
func (w *listening) expire(key string) { w.add(key, 400) }

// digests returns the digests that arrived since the last call, by robot.
func (w *listening) digests() map[string]string {
	all := map[string]string{}
	for _, d := range w.e.Digests()[w.read:] {
		all[d.Robot] += string(d.Body)
		w.read++
	}
	return all
}

// oneDigest returns the digest that each robot took since the last call.
func (w *listening) oneDigest() string {
	w.t.Helper()
	digest := w.digests()
	for _, robot := range []string{"DingTalk", "Feishu", "WeCom", "Slack", "JSON"} {
		if strings.Count(digest[robot], "Run request-")+strings.Count(digest[robot], "运行 request-") != 1 {
			w.t.Fatalf("%s took %q, want one digest", robot, digest[robot])
		}
	}
	return digest["JSON"]
}

func (w *listening) noDigest() {
	w.t.Helper()
	if digest := w.digests(); len(digest) > 0 {
		w.t.Fatalf("digests arrived: %q", digest)
	}
}

// noSecrets looks for the robots' credentials in the log and in every record.
func (w *listening) noSecrets() {
	w.t.Helper()
	look := func(where, text string) {
		for _, secret := range []string{emulator.RobotToken, emulator.RobotSecret, "SECemulator", "sign="} {
			if strings.Contains(text, secret) {
				w.t.Errorf("%s has a secret: %s", where, text)
			}
		}
	}
	look("the log", w.log.String())
	_ = filepath.WalkDir(strings.TrimPrefix(w.env["MEDIASWEEP_STATE"], "file://"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			data, _ := os.ReadFile(path)
			look(path, path+string(data))
		}
		return nil
	})
}

func TestDigestOfTheNight(t *testing.T) {
	onListeningClock(t, enforcing, func(t *testing.T, w *listening) {
		w.mustInvoke(timer(`{"mode":"dry-run"}`), report.Done)
		w.noDigest()

		w.mustInvoke(everything, report.Done)
		digest := w.oneDigest()
		for _, want := range []string{`"title":"mediasweep: 1 medium deleted"`, "region cn-shanghai", "everything-else 1 (1 deleted)", "mediasweep restore request-2", `"report":{"run":"request-2"`} {
			if !strings.Contains(digest, want) {
				t.Errorf("the digest lacks %s: %s", want, digest)
			}
		}
		w.requests--
		w.mustInvoke(everything, report.Done) // the platform repeats the request
		w.noDigest()

		w.mustInvoke(everything, report.Done) // a night with nothing to do
		w.noDigest()
		w.noViolations()
	})
}

// A run that was killed between its report and its digest sends the digest when its request comes again.
func TestDigestAfterAKill(t *testing.T) {
	onListeningClock(t, enforcing, func(t *testing.T, w *listening) {
		delete(w.env, "MEDIASWEEP_NOTIFY")
		w.setPolicy(enforcing)
		w.mustInvoke(everything, report.Done)
		w.noDigest()
		w.listen(enforcing)
		w.requests--
		w.mustInvoke(everything, report.Done)
		w.oneDigest()
		w.requests--
		w.mustInvoke(everything, report.Done)
		w.noDigest()
	})
}

func TestDigestOfABlockedNight(t *testing.T) {
	blocking := strings.Replace(enforcing, "maxPercent: 100", "maxDelete: 0", 1)
	onListeningClock(t, blocking, func(t *testing.T, w *listening) {
		w.env["MEDIASWEEP_LANG"] = "zh"
		w.listen(blocking)
		r := w.mustInvoke(everything, report.Blocked)
		if digest := w.oneDigest(); !strings.Contains(digest, "mediasweep apply "+trigger.ShortPlan(r.Plan)) || !strings.Contains(digest, "已被阻止") || !strings.Contains(digest, r.Guard.Reason) {
			t.Errorf("digest: %s", digest)
		}
		w.env["MEDIASWEEP_LANG"] = "en"
		w.listen(blocking)
		w.mustInvoke(`{"mode":"enforce","plan":"`+r.Plan+`"}`, report.Done)
		if digest := w.oneDigest(); !strings.Contains(digest, "Overridden: plan "+r.Plan) {
			t.Errorf("digest: %s", digest)
		}
	})
}

func TestDigestsOfEvents(t *testing.T) {
	blocking := strings.Replace(enforcing, "maxPercent: 100", "maxDelete: 0", 1)
	onListeningClock(t, enforcing, func(t *testing.T, w *listening) {
		w.mustInvoke(string(ossEvent("clips/old.mp4")), report.Done)
		w.noDigest()

		w.listen(blocking)
		w.expire("clips/older.mp4")
		event := string(ossEvent("clips/older.mp4"))
		w.mustInvoke(event, report.Blocked)
		w.oneDigest()
		for range 3 {
			time.Sleep(3 * time.Minute)
			w.mustInvoke(event, report.Blocked)
			w.noDigest()
		}
		time.Sleep(3 * time.Minute)
		w.mustInvoke(event, report.Blocked)
		if digest := w.oneDigest(); !strings.Contains(digest, "held back since the last message: 3.") {
			t.Errorf("digest: %s", digest)
		}
		w.requests--
		w.mustInvoke(event, report.Blocked)
		time.Sleep(time.Hour)
		w.mustInvoke(event, report.Blocked)
		if digest := w.oneDigest(); strings.Contains(digest, "held back") {
			t.Errorf("a repeated event counts: %s", digest)
		}
	})
}

// A message that no target took does not lose the number of those held back.
func TestHeldBackDigestsCountUntilATargetTakesAMessage(t *testing.T) {
	onListeningClock(t, strings.Replace(enforcing, "maxPercent: 100", "maxDelete: 0", 1), func(t *testing.T, w *listening) {
		block := func() { w.mustInvoke(string(ossEvent("clips/old.mp4")), report.Blocked) }
		block()
		w.oneDigest()
		block()
		w.noDigest()
		for _, robot := range []string{"DingTalk", "Feishu", "WeCom", "Slack", "JSON"} {
			w.e.Inject(emulator.Fault{Operation: robot, Kind: emulator.Forbidden, Count: 1})
		}
		time.Sleep(time.Hour)
		block()
		w.noDigest()
		time.Sleep(time.Hour)
		block()
		if digest := w.oneDigest(); !strings.Contains(digest, "held back since the last message: 2.") {
			t.Errorf("digest: %s", digest)
		}
	})
}

// A failed night is announced once, however often the platform repeats it. A state store is not needed for that.
func TestDigestOfAFailedNight(t *testing.T) {
	for name, fail := range map[string]func(w *listening){
		"no MPS": func(w *listening) {
			w.e.Inject(emulator.Fault{Operation: "QueryMediaListByURL", Kind: emulator.Forbidden})
		},
		"no policy": func(w *listening) { w.setPolicy("version: 2\n") },
		"no state": func(w *listening) {
			w.env["MEDIASWEEP_STATE"] = "oss://none/mediasweep/"
			w.listen(enforcing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			onListeningClock(t, enforcing, func(t *testing.T, w *listening) {
				fail(w)
				w.mustInvoke(everything, report.Failed)
				if digest := w.oneDigest(); !strings.Contains(digest, "mediasweep: failed") {
					t.Errorf("digest: %s", digest)
				}
				w.requests--
				w.mustInvoke(everything, report.Failed)
				w.noDigest()
				if records, err := os.ReadDir("."); err != nil || len(records) > 0 {
					t.Errorf("records in the working folder: %v, %v", records, err)
				}
			})
		})
	}
}

// Whatever the robots do, the run and its answer are the same, and one call reaches each robot.
func TestDigestFaults(t *testing.T) {
	for _, kind := range []emulator.FaultKind{
		emulator.Hang, emulator.HangAfter, emulator.DropBefore, emulator.DropAfter, emulator.Truncate, emulator.HTML500, emulator.HTML502,
		emulator.Empty, emulator.Unavailable, emulator.Throttle, emulator.TokenExpired, emulator.Forbidden, emulator.Redirect,
	} {
		t.Run(string(kind), func(t *testing.T) {
			onListeningClock(t, enforcing, func(t *testing.T, w *listening) {
				robots := []string{"DingTalk", "Feishu", "WeCom", "Slack", "JSON"}
				for _, robot := range robots {
					w.e.Inject(emulator.Fault{Operation: robot, Kind: kind})
				}
				done := make(chan struct{})
				go func() {
					for {
						select {
						case <-w.e.Hangs():
						case <-done:
							return
						}
					}
				}()
				defer close(done)
				start := time.Now()
				r := w.mustInvoke(everything, report.Done)
				if took := time.Since(start); r.Counts.Deleted != 1 || took > 10*time.Second {
					t.Errorf("%+v after %v", r.Counts, took)
				}
				unsent := strings.Count(w.log.String(), "digest not sent")
				if took := kind != emulator.Empty && kind != emulator.Truncate; took && unsent != len(robots) || unsent == 0 {
					t.Errorf("%d targets are logged: %s", unsent, w.log.String())
				}
				for _, robot := range robots {
					if n := w.e.Count()[robot]; n != 1 && kind != emulator.Throttle && kind != emulator.Unavailable || n > 6 {
						t.Errorf("%d calls to %s", n, robot)
					}
				}
				w.e.ClearFaults()
				w.requests--
				before := len(w.e.Digests())
				w.mustInvoke(everything, report.Done)
				if after := len(w.e.Digests()); after != before {
					t.Errorf("a repeated request sends %d digests", after-before)
				}
			})
		})
	}
}

func TestDigestTargetsAreChecked(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_NOTIFY", "slack+https://hooks.slack.com/x https://hunter2.example/hunter2")
	r := w.mustInvoke(everything, report.Failed)
	if !strings.Contains(r.Error, "MEDIASWEEP_NOTIFY: target 2: ") || strings.Contains(r.Error+w.log.String(), "hunter2") {
		t.Errorf("error %s", r.Error)
	}
}

// A record of a digest must not lead to an event whose failure leads to another record.
func TestNoDigestOfOwnRecords(t *testing.T) {
	w := &listening{world: newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://ops/mediasweep/")}
	w.e.PutBucket("ops", "")
	w.env["MEDIASWEEP_POLICY"] = "oss://ops/none.yaml" // every run fails
	w.listenInOSS()
	own := strings.ReplaceAll(string(ossEvent("mediasweep/digests/run-1/failed.json")), "media-in", "ops")
	w.mustInvoke(own, report.Failed)
	w.noDigest()
	w.mustInvoke(string(ossEvent("clips/a.mp4")), report.Failed)
	w.oneDigest()
}

// Nothing about a digest is written before the state bucket is known to have no versioning.
func TestNoRecordOfADigestInAnUncheckedBucket(t *testing.T) {
	w := &listening{world: newWorld(t, emulator.Config{}, enforcing, "MEDIASWEEP_STATE", "oss://ops/mediasweep/")}
	w.e.PutBucket("ops", "Enabled")
	w.env["MEDIASWEEP_POLICY"] = "oss://ops/none.yaml"
	w.listenInOSS()
	w.mustInvoke(everything, report.Failed)
	w.oneDigest()
	for _, o := range w.e.Objects("ops") {
		if strings.Contains(o.Key, "/digests/") {
			t.Errorf("record %s", o.Key)
		}
	}
}

// listenInOSS deploys the function with targets and with the policy of the environment.
func (w *listening) listenInOSS() {
	env := maps.Clone(w.env)
	env["MEDIASWEEP_NOTIFY"] = strings.Join(w.e.Targets(), " ")
	w.f = handler.New(handler.Options{Getenv: func(name string) string { return env[name] }, Log: &w.log})
}
