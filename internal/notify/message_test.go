package notify

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const plan = "sha256:0f3a000000000000000000000000000000000000000000000000000000000000"

func newReport(mode policy.Mode, status report.Status, counts report.Counts, change func(*report.Report)) *report.Report {
	r := report.New("run-1", trigger.Timer, nil, time.Date(2026, time.January, 1, 2, 0, 0, 0, time.UTC))
	r.Mode, r.Counts, r.Plan, r.Policy = mode, counts, plan, plan
	if change != nil {
		change(r)
	}
	r.Finish(status, r.StartedAt)
	return r
}

func cases() map[string]Digest {
	return map[string]Digest{
		"deleted": {Report: newReport(policy.Enforce, report.Done, report.Counts{Looked: 1000, Kept: 860, Protected: 10, Unknown: 1, Absent: 1, Expired: 128, Deleted: 127, Gone: 1}, func(r *report.Report) {
			r.Rules = []report.Rule{{Name: "legal-hold", Kind: "protect", Applied: 10}, {Name: "drafts", Kind: "expire", Expired: 28, Deleted: 28},
				{Name: "series", Kind: "expire", Applied: 3}, {Name: "everything-else", Kind: "expire", Expired: 100, Deleted: 99}}
			r.Due = []report.Due{{Day: "2026-01-03", Media: 1}}
		})},
		"one": {Report: newReport(policy.Enforce, report.Done, report.Counts{Looked: 1, Expired: 1, Deleted: 1}, nil)},
		"blocked": {Held: 3, Report: newReport(policy.Enforce, report.Blocked, report.Counts{Looked: 6000, Expired: 6000, Pending: 6000}, func(r *report.Report) {
			r.Guard = report.Guard{Tripped: true, Reason: "6000 media would be deleted: the limit is 5000"}
			r.Due = []report.Due{{Day: "2026-01-01", Media: 2}, {Day: "2026-01-08", Media: 10}, {Day: "2026-01-09", Media: 100}}
		})},
		"blocked-dry-run": {Report: newReport(policy.DryRun, report.Blocked, report.Counts{Looked: 6000, Expired: 6000, Pending: 6000}, func(r *report.Report) {
			r.Guard = report.Guard{Tripped: true, Reason: "6000 media would be deleted: the limit is 5000"}
		})},
		"approved": {Report: newReport(policy.Enforce, report.Done, report.Counts{Looked: 6000, Expired: 6000, Deleted: 6000}, func(r *report.Report) {
			r.Guard = report.Guard{Tripped: true, Reason: "too many", Overridden: "plan " + plan + ", applied by ops@host"}
		})},
		"failed": {Report: newReport(policy.Enforce, report.Failed, report.Counts{}, func(r *report.Report) {
			r.Plan, r.Policy, r.Error = "", "", "no policy: the object oss://ops/retention.yaml cannot be read"
		})},
		"partial": {Report: newReport(policy.Enforce, report.Partial, report.Counts{Looked: 10, Expired: 10, Deleted: 4, Failed: 5, Unverified: 1}, func(r *report.Report) {
			for i := range 5 {
				r.Fail(report.Failure{MediaID: fmt.Sprintf("%032d", i), Code: "Forbidden.RAM", Message: "not allowed"})
			}
		})},
		"interrupted": {Report: newReport(policy.Enforce, report.Incomplete, report.Counts{Looked: 10, Expired: 10, Deleted: 4, Pending: 6}, func(r *report.Report) {
			r.Error = "time limit reached"
		})},
		"stopped": {Report: newReport(policy.Enforce, report.Incomplete, report.Counts{Looked: 10, Expired: 10, Deleted: 4, Pending: 6}, func(r *report.Report) {
			r.Stopped = "oss://ops/mediasweep/stop"
		})},
		"restored": {Report: newReport(policy.Enforce, report.Done, report.Counts{}, func(r *report.Report) {
			r.Restore = &report.Restore{Of: "run-0", Restored: 12, Skipped: 2, Failed: 1}
		})},
		"announced": {Report: newReport(policy.Enforce, report.Done, report.Counts{Looked: 40, Kept: 10, Expired: 30, Announced: 30}, func(r *report.Report) {
			r.Due = []report.Due{{Day: "2026-01-10", Media: 4}}
			r.Announced = []report.Announced{{Day: "2026-01-08", Media: 29, Guard: "29 media have expired and guard.maxDelete is 9"}, {Day: "2026-01-09", Media: 1}}
		})},
		"hostile": {Report: newReport(policy.Enforce, report.Blocked, report.Counts{Looked: 2, Expired: 2, Pending: 2}, func(r *report.Report) {
			r.Guard = report.Guard{Tripped: true, Reason: "oss://in/[x](http://e.example)<@all>**b**\n# head\u202e token=hunter2hunter2 & `c`"}
			r.Rules = []report.Rule{{Name: "a_b*c", Kind: "expire", Expired: 2}}
			r.Fail(report.Failure{Object: "oss://in/<font color=\"red\">", Code: "x|y", Message: "https://oapi.dingtalk.com/robot/send?access_token=hunter2hunter2&sign=hunter2hunter2"})
		})},
	}
}

func TestMessage(t *testing.T) {
	from := report.Origin{Function: "mediasweep", Region: "cn-shanghai", State: "oss://ops/mediasweep/"}
	for name, d := range cases() {
		for _, lang := range []words.Lang{words.English, words.Chinese} {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				m := d.Message(lang, from)
				if !strings.Contains(m.Title, "mediasweep") {
					t.Error("the title lacks the keyword of robots")
				}
				got := m.Title + "\n\n" + m.text() + "\n"
				if name == "hostile" { // elsewhere nothing is escaped
					got += "\n--- markdown\n" + m.markdown("\n", maxWeCom) + "\n\n--- slack\n" + m.slack() + "\n"
				}
				if strings.Contains(got, "hunter2") {
					t.Error("the message shows a secret")
				}
				file := filepath.Join("testdata", name+"."+string(lang)+".golden")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("message (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A dry run announces nothing: neither its title nor its text says that media go.
func TestAMessageOfADryRunAnnouncesNothing(t *testing.T) {
	for mode, want := range map[policy.Mode]bool{policy.Enforce: true, policy.DryRun: false} {
		r := newReport(mode, report.Partial, report.Counts{Looked: 30, Expired: 30, Announced: 30}, func(r *report.Report) {
			r.Announced = []report.Announced{{Day: "2026-01-08", Media: 30}}
		})
		m := Digest{Report: r}.Message(words.English, report.Origin{})
		if got := strings.Contains(m.Title, "30 media announced"); got != want {
			t.Errorf("%s: title %q", mode, m.Title)
		}
		if got := strings.Contains(m.text(), "To be deleted: 30 media from 2026-01-08 on"); got != want {
			t.Errorf("%s: text %q", mode, m.text())
		}
	}
}

// A dry run of a restore has restored nothing.
func TestMessageOfADryRunOfARestore(t *testing.T) {
	r := newReport(policy.DryRun, report.Partial, report.Counts{}, func(r *report.Report) {
		r.Restore = &report.Restore{Of: "run-0", DryRun: true, Restored: 3, Failed: 1}
	})
	for lang, want := range map[words.Lang][2]string{
		words.English: {"mediasweep: dry run: partial, 3 media would be restored", "Restorable media of run-0: 3 would be restored, 0 skipped, 1 failed."},
		words.Chinese: {"mediasweep: 试运行：部分完成，将恢复 3 个媒体", "run-0 可恢复的媒体：将恢复 3，跳过 0，失败 1。"},
	} {
		m := Digest{Report: r}.Message(lang, report.Origin{})
		if m.Title != want[0] || !strings.Contains(m.text(), want[1]) {
			t.Errorf("%s: %q", m.Title, m.text())
		}
	}
}

func TestMattersOfRestoresAndAnnouncements(t *testing.T) {
	for name, test := range map[string]struct {
		report report.Report
		want   bool
	}{
		"restored":          {report.Report{Restore: &report.Restore{Restored: 1}}, true},
		"nothing restored":  {report.Report{Restore: &report.Restore{Skipped: 1}}, false},
		"restore previewed": {report.Report{Restore: &report.Restore{Restored: 1, DryRun: true}}, false},
		"announced":         {report.Report{Mode: policy.Enforce, Tally: report.Tally{Counts: report.Counts{Announced: 1}}}, true},
		"dry run":           {report.Report{Mode: policy.DryRun, Tally: report.Tally{Counts: report.Counts{Announced: 1}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.report.Status = report.Done
			if Matters(&test.report, true) != test.want || Matters(&test.report, false) {
				t.Errorf("want %t for the library, and nothing for a request", test.want)
			}
		})
	}
}

// A message of hostile values keeps to the sizes of every target, and has a whole text and the next step.
func TestMessageFits(t *testing.T) {
	for name, value := range map[string]string{
		"quotes": `"\`, "angles": "<>&", "characters": "媒体", "emoji": "👩‍👩‍👧‍👦", "bytes": "\xff\xfe", "lines": "\n\u2028",
	} {
		t.Run(name, func(t *testing.T) {
			long := strings.Repeat(value, 5000)
			r := newReport(policy.Enforce, report.Blocked, report.Counts{Looked: 2000, Expired: 2000, Pending: 2000}, func(r *report.Report) {
				r.Error, r.Guard = long, report.Guard{Tripped: true, Reason: long}
				for i := range 1000 {
					r.Rules = append(r.Rules, report.Rule{Name: long[:500], Kind: "expire", Expired: 2 + i})
					r.Fail(report.Failure{MediaID: long, Code: long, Message: long})
				}
			})
			for _, lang := range []words.Lang{words.English, words.Chinese} {
				m := Digest{Report: r, Held: 1}.Message(lang, report.Origin{State: "file:///" + long})
				for _, k := range []kind{dingtalk, feishu, wecom, slack} {
					_, content := requestOf(t, target{kind: k, secret: "s"}, m)
					var body struct{ Markdown struct{ Content string } }
					err := json.Unmarshal(content, &body)
					switch {
					case err != nil || !utf8.Valid(content):
						t.Errorf("%s: %v", k, err)
					case len(content) > 20_000 || len(body.Markdown.Content) > 4096 && k == wecom:
						t.Errorf("%s: %d bytes, of markdown %d", k, len(content), len(body.Markdown.Content))
					case !strings.Contains(string(content), "mediasweep apply "+trigger.ShortPlan(plan)):
						t.Errorf("%s does not say how to approve", k)
					}
				}
			}
		})
	}
}

func TestMatters(t *testing.T) {
	some := report.Counts{Looked: 1, Expired: 1, Deleted: 1}
	for name, test := range map[string]struct {
		status           report.Status
		counts           report.Counts
		kind             trigger.Kind
		refused          bool
		library, request bool
	}{
		"deleted":             {status: report.Done, counts: some, library: true},
		"nothing to do":       {status: report.Done},
		"interrupted":         {status: report.Incomplete, counts: some, library: true},
		"nothing interrupted": {status: report.Incomplete},
		"busy":                {status: report.Busy},
		"partial":             {status: report.Partial, library: true},
		"blocked":             {status: report.Blocked, library: true, request: true},
		"failed":              {status: report.Failed, library: true, request: true},
		"refused timer":       {status: report.Failed, kind: trigger.Timer, refused: true, library: true, request: true},
		"refused caller":      {status: report.Failed, kind: trigger.HTTP, refused: true},
		"refused command":     {status: report.Failed, kind: trigger.CLI, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &report.Report{Status: test.status, Tally: report.Tally{Counts: test.counts}, Trigger: test.kind, Hidden: report.Hidden{Refused: test.refused}}
			if got := Matters(r, true); got != test.library {
				t.Errorf("for the library: %t", got)
			}
			if got := Matters(r, false); got != test.request {
				t.Errorf("for a request: %t", got)
			}
		})
	}
}
