package console_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// hostile is a title with markup and control characters.
const hostile = `</td><script>alert(1)</script>"><img src=//evil.example/x onerror=alert(1)>` + "\u202e\x1b[2J"

// library is a service that has one plan.
type library struct {
	zone     *time.Location // nil for UTC
	entries  []plan.Entry
	contents plan.Contents
	list     []retention.Hold
	unread   error  // of the holds
	rules    string // further lines of the policy
	requests []*trigger.Request
	answer   *report.Report // of Sweep
	saved    map[string]*report.Report
	reads    int // of the entries of the plan
	later    []*report.Report
	made     []plan.Contents
}

// newLibrary returns a service with a plan of n media. Every third is in drafts.
func newLibrary(t *testing.T, n int) *library {
	t.Helper()
	l := &library{saved: map[string]*report.Report{}, answer: &report.Report{Run: "r1", Status: report.Done}}
	for i := range n {
		id, rule, folder := fmt.Sprintf("%032x", i), "everything-else", fmt.Sprintf("clips/%d", i%5)
		if i%3 == 0 {
			rule, folder = "drafts", "drafts"
		}
		object := media.Object{Bucket: "media-in", Key: fmt.Sprintf("%s/clip-%d.mp4", folder, i)}
		title := fmt.Sprintf("clip %d 片头", i)
		tags := []string{fmt.Sprint("tag", i%2)}
		if i == 1 {
			title, tags = hostile, append(tags, "two\nlines")
		}
		record, err := json.Marshal(map[string]any{
			"MediaId": id, "Title": title, "Size": fmt.Sprint((n - i) * 1_000_000), "Duration": "60", "CreationTime": now.AddDate(0, 0, -i%400).Format(time.RFC3339),
			"PublishState": "Published", "Tags": map[string]any{"Tag": tags}, "File": map[string]string{"URL": object.URL("cn-shanghai", media.SlashPlain)},
		})
		if err != nil {
			t.Fatal(err)
		}
		l.entries = append(l.entries, plan.Entry{MediaID: id, Rule: rule, Reason: "rule " + rule, State: "Published", ExpiresAt: now, Record: record})
	}
	p, _ := l.Policy(t.Context(), service.Call{})
	l.contents = plan.Contents{ID: "sha256:" + strings.Repeat("ab", 32), Head: plan.Head{AsOf: now, Policy: p.Digest()}, Entries: n}
	return l
}

func (l *library) Zone(context.Context, service.Call) (*time.Location, []string) {
	return cmp.Or(l.zone, time.UTC), nil
}
func (l *library) Policy(context.Context, service.Call) (*policy.Policy, error) {
	return policy.Parse("p", []byte("version: 1\nexpire: [{name: all, after: 7d}]\n"+l.rules))
}
func (l *library) Runs(_ context.Context, _ service.Call, f service.RunFilter) (service.RunList, error) {
	r := &report.Report{Run: "a/b ?", Trigger: trigger.Timer, Mode: policy.DryRun, Status: report.Blocked, Plan: l.contents.ID, AsOf: now, FinishedAt: now, Guard: report.Guard{Tripped: true, Reason: hostile},
		Due: []report.Due{{Day: "2026-11-26", Media: 3}, {Day: "2026-12-20", Media: 5}}}
	list := slices.DeleteFunc(append(slices.Clone(l.later), r), func(r *report.Report) bool {
		return f.Trigger != "" && f.Trigger != r.Trigger || f.Status != "" && f.Status != r.Status
	})
	return service.RunList{Reports: list[:min(len(list), f.Limit)], Notes: []string{hostile}, Next: "cursor"}, nil
}
func (l *library) Run(_ context.Context, _ service.Call, id string) (*report.Report, error) {
	if r, ok := l.saved[id]; ok {
		return r, nil
	}
	return nil, state.ErrNotFound
}
func (l *library) Plans(_ context.Context, _ service.Call, before string) (service.PlanList, error) {
	if before != "" {
		return service.PlanList{Plans: []plan.Contents{l.contents}}, nil
	}
	return service.PlanList{Plans: append(slices.Clone(l.made), l.contents), Next: l.contents.ID}, nil
}
func (l *library) Items(_ context.Context, _ service.Call, reference string) (plan.Contents, iter.Seq2[review.Item, error], error) {
	if reference != l.contents.ID && reference != trigger.LatestPlan {
		return plan.Contents{}, nil, state.ErrNotFound
	}
	return l.contents, func(yield func(review.Item, error) bool) {
		l.reads++
		for _, entry := range l.entries {
			m, err := media.Parse(entry.Record)
			if !yield(review.ItemOf(entry, m), err) {
				return
			}
		}
	}, nil
}
func (l *library) Holds(context.Context, service.Call) ([]retention.Hold, []string, error) {
	return l.list, nil, l.unread
}
func (l *library) Hold(_ context.Context, _ service.Call, request trigger.HoldRequest) (retention.Hold, error) {
	hold := retention.Hold{ID: fmt.Sprint(len(l.list) + 1), Target: request.Target, Media: request.Media, Reason: request.Reason, By: "me", At: now}
	if err := hold.Check(); err != nil {
		return hold, err
	}
	l.list = append(l.list, hold)
	return hold, nil
}
func (l *library) HoldNotes(_ context.Context, _ service.Call, hold retention.Hold) []string {
	return []string{"MPS has no medium " + hold.Target + ": check its spelling, unless it is yet to be added"}
}
func (l *library) Release(context.Context, service.Call, string) (retention.Hold, error) {
	if len(l.list) == 0 {
		return retention.Hold{}, state.ErrNotFound
	}
	l.list = nil
	return retention.Hold{}, nil
}
func (l *library) Explain(_ context.Context, _ service.Call, request *trigger.Request) ([]*retention.Explanation, *report.Report) {
	return []*retention.Explanation{{
		MediaID: request.MediaIDs[0], Title: hostile, Reason: hostile, Notes: []string{hostile}, Holds: l.list,
		Changes: []retention.Change{{What: "the tag " + hostile + " is removed", Verdict: retention.Expired, Reason: hostile, Unless: "unless it is then among the latest 2 of its group"}},
		Deleted: &retention.Deletion{At: now, Outcome: "deleted", Run: "r 7", Plan: l.contents.ID, Reason: "MPS does not know it", Next: "it was restored as m9"},
	}}, &report.Report{Status: report.Done}
}
func (l *library) History(_ context.Context, _ service.Call, name string) (*history.History, error) {
	return &history.History{Of: name, Decisions: []history.Decision{{MediaID: name, At: now, Outcome: history.Restored, NewID: "m9", Run: "r 7"}, {MediaID: name, At: now, Outcome: "deleted", Reason: hostile, Run: "r"}}}, nil
}
func (l *library) Stats(context.Context, service.Call, string, string) (*report.Stats, error) {
	s := report.NewStats(report.ByMonth, "UTC")
	s.Add(now, report.StatsTotal{Runs: 1, Deleted: 7, Lost: 2}, map[string]report.StatsTotal{"drafts": {Runs: 1, Deleted: 7, Lost: 2}})
	s.Finish()
	return s, nil
}
func (l *library) Sweep(_ context.Context, _ service.Call, request *trigger.Request) *report.Report {
	l.requests = append(l.requests, request)
	return l.answer
}
func (l *library) PreviewRestore(context.Context, service.Call, *trigger.Request) *report.Report {
	return l.answer
}

// site is the console over a library.
type site struct {
	t     *testing.T
	pages http.Handler
	lib   *library
	plan  string // the path of the plan
}

func optionsOf(lib console.Service, runs *console.Runs) console.Options {
	return console.Options{
		Service: lib, Origin: report.Origin{Account: "1000000000000001", Region: "cn-shanghai", State: "oss://ops/mediasweep/"}, Log: slog.New(slog.DiscardHandler), Trigger: trigger.CLI, Runs: runs, Now: func() time.Time { return now },
		Call: func(*http.Request) service.Call { return service.Call{Caller: "me"} },
	}
}

func pagesOf(t *testing.T, lib console.Service, runs *console.Runs) http.Handler {
	t.Helper()
	return console.New(optionsOf(lib, runs))
}

func newSite(t *testing.T, lib *library, runs *console.Runs) *site {
	t.Helper()
	return &site{t, pagesOf(t, lib, runs), lib, "/plans/" + lib.contents.ID}
}

func (s *site) get(target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, r)
	return w
}

func (s *site) post(target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, r)
	return w
}

// nodes returns the elements of a page that match.
func nodes(t *testing.T, page *bytes.Buffer, match func(*html.Node) bool) (found []*html.Node) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// field returns the value of the first input of a name.
func (s *site) field(page *bytes.Buffer, name string) string {
	s.t.Helper()
	found := nodes(s.t, page, func(n *html.Node) bool { return n.Data == "input" && attribute(n, "name") == name })
	if len(found) == 0 {
		s.t.Fatalf("the page has no input %s", name)
	}
	return attribute(found[0], "value")
}

func (s *site) ids(page *bytes.Buffer) (ids []string) {
	for _, n := range nodes(s.t, page, func(n *html.Node) bool { return n.Data == "input" && attribute(n, "name") == "m" }) {
		ids = append(ids, attribute(n, "value"))
	}
	return ids
}

// Every page is shown in both languages. Whatever media are called, nothing of it runs, and nothing is
// loaded from elsewhere.
func TestPages(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	s.lib.saved["r1"] = &report.Report{Run: "r1", Status: report.Partial, Mode: policy.Enforce, Plan: s.lib.contents.ID, Error: hostile, Notes: []string{hostile},
		Tally: report.Tally{Counts: report.Counts{Expired: 1}, Rules: []report.Rule{{Name: hostile}}}, Failures: []report.Failure{{MediaID: hostile, Object: hostile, Message: hostile}}}
	s.lib.list = []retention.Hold{{ID: "1", Target: "00000000000000000000000000000001", Reason: hostile, By: hostile, At: now, Until: now.AddDate(0, 0, 3)}}
	s.lib.answer = &report.Report{Run: "r2", Status: report.Done, Restore: &report.Restore{Of: "r1", DryRun: true, Restored: 1, Media: []report.RestoredMedium{{MediaID: hostile, Object: hostile, Reason: hostile}}}}
	for _, path := range []string{"/", "/runs", "/runs/r1", "/runs/r1/restore", "/plans", s.plan, "/media", "/media?id=m1", "/holds", "/policy", "/nowhere", "/runs/none"} {
		for _, lang := range []string{"en", "zh"} {
			w := s.get(path, "Accept-Language", lang)
			want := http.StatusOK
			if path == "/nowhere" || path == "/runs/none" {
				want = http.StatusNotFound
			}
			if w.Code != want {
				t.Errorf("%s: %d, %s", path, w.Code, w.Body)
			}
			if strings.ContainsAny(w.Body.String(), "\u202e\x1b") {
				t.Errorf("%s: a character that turns the text round, or a control character", path)
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: CSP %s", path, csp)
			}
			checkInert(t, path, w.Body)
			if zh := strings.Contains(w.Body.String(), `lang="zh-Hans"`); zh != (lang == "zh") {
				t.Errorf("%s: not in %s", path, lang)
			}
		}
	}
}

func checkInert(t *testing.T, path string, page *bytes.Buffer) {
	t.Helper()
	for _, n := range nodes(t, page, func(*html.Node) bool { return true }) {
		if n.Data == "img" || n.Data == "iframe" || n.Data == "style" || n.Data == "script" && attribute(n, "src") != "/static/select.js" {
			t.Errorf("%s: element %s", path, n.Data)
		}
		for _, a := range n.Attr {
			local := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "?") || strings.HasPrefix(a.Val, "#")
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || slices.Contains([]string{"href", "src", "action"}, a.Key) && !local {
				t.Errorf("%s: %s of %s is %s", path, a.Key, n.Data, a.Val)
			}
		}
	}
}

func TestReview(t *testing.T) {
	s := newSite(t, newLibrary(t, 250), nil)
	tests := map[string]struct {
		query string
		rows  int
		says  string
		first string // of the media IDs
	}{
		"first page":  {"", 100, "250 of 250 media", "00000000000000000000000000000000"},
		"last page":   {"?page=3", 50, "201 to 250 of 250", "000000000000000000000000000000c8"},
		"rule":        {"?rule=drafts", 84, "84 of 250 media", ""},
		"tag":         {"?tag=tag1", 100, "125 of 250 media", ""},
		"folder":      {"?folder=" + url.QueryEscape("oss://media-in/clips/2/"), 34, "34 of 250 media", ""},
		"age":         {"?age=30", 31, "31 of 250 media", ""},
		"search":      {"?q=CLIP+24", 11, "11 of 250 media", ""},
		"Chinese":     {"?q=" + url.QueryEscape("249 片头"), 1, "1 of 250 media", ""},
		"two filters": {"?rule=drafts&tag=tag0", 42, "42 of 250 media", ""},
		"sorted":      {"?sort=size", 100, "250 of 250 media", "000000000000000000000000000000f9"},
		"turned":      {"?sort=-size", 100, "250 of 250 media", "00000000000000000000000000000000"},
		"nothing":     {"?q=nothing", 0, "No medium matches.", ""},
		"beyond":      {"?page=99", 50, "201 to 250 of 250", ""},
		"no state":    {"?state=" + url.QueryEscape(hostile), 0, "0 of 250 media", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			page := s.get(s.plan + test.query).Body
			ids := s.ids(page)
			if len(ids) != test.rows || !strings.Contains(page.String(), test.says) || test.first != "" && ids[0] != test.first {
				t.Errorf("%d rows, want %d, and %q", len(ids), test.rows, test.says)
			}
			checkInert(t, name, page)
		})
	}
	// All pages have every medium once.
	seen := map[string]bool{}
	for target := s.plan; target != ""; {
		page := s.get(target).Body
		for _, id := range s.ids(page) {
			if seen[id] {
				t.Errorf("%s is shown twice", id)
			}
			seen[id] = true
		}
		target = ""
		for _, next := range nodes(t, page, func(n *html.Node) bool { return attribute(n, "rel") == "next" }) {
			target = s.plan + attribute(next, "href")
		}
	}
	if len(seen) != 250 {
		t.Errorf("the pages have %d media", len(seen))
	}
}

func TestExport(t *testing.T) {
	s := newSite(t, newLibrary(t, 250), nil)
	if rows := strings.Count(s.get(s.plan+"/csv?rule=drafts").Body.String(), ",drafts,"); rows != 84 {
		t.Errorf("%d rows", rows)
	}
	if csv := s.get(s.plan + "/csv?&excel=true").Body.String(); !strings.HasPrefix(csv, "\ufeffmediaId,") {
		t.Errorf("%.50q", csv)
	}
}

// A plan is approved by the number of its media, and deletes that plan.
func TestApprove(t *testing.T) {
	for name, test := range map[string]struct {
		plan, count string
		applied     bool
	}{
		"right":        {"", "10", true},
		"white space":  {"", " 10 ", true},
		"wrong":        {"", "9", false},
		"empty":        {"", "", false},
		"not a number": {"", "10.0", false},
		"two numbers":  {"", "10 11", false},
		"latest":       {"latest", "10", false},
		"unknown":      {"sha256:" + strings.Repeat("00", 32), "10", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, newLibrary(t, 10), nil)
			target := s.plan
			if test.plan != "" {
				target = "/plans/" + test.plan
			}
			form := url.Values{"count": {test.count}}
			if name == "two numbers" {
				form["count"] = strings.Fields(test.count)
			}
			w := s.post(target+"/apply", form)
			if !test.applied {
				if len(s.lib.requests) != 0 || w.Code < 400 {
					t.Errorf("%d, %d requests", w.Code, len(s.lib.requests))
				}
				return
			}
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/runs/r1" || len(s.lib.requests) != 1 {
				t.Fatalf("%d %v, %d requests", w.Code, w.Header(), len(s.lib.requests))
			}
			if r := s.lib.requests[0]; r.Plan != s.lib.contents.ID || r.Mode != policy.Enforce || r.Anyway {
				t.Errorf("request %+v", r)
			}
		})
	}
}

// A plan that a run has deleted awaits nothing.
func TestAppliedPlan(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	if page := s.get(s.plan).Body.String(); !strings.Contains(page, "/apply") {
		t.Error("a plan that was not applied has no form")
	}
	s.lib.contents.Run = "r 7" // while it is in memory
	page := s.get(s.plan).Body.String()
	for _, form := range []string{"/apply", `name="which"`} {
		if strings.Contains(page, form) {
			t.Errorf("a plan that was applied has %s", form)
		}
	}
	for path, page := range map[string]string{s.plan: page, "/plans": s.get("/plans").Body.String()} {
		if !strings.Contains(page, `href="/runs/r%207"`) {
			t.Errorf("%s does not name the run", path)
		}
	}
}

// A plan that an apply refuses cannot be renewed by a hold either: the new plan would be of today's policy.
func TestRefusedPlan(t *testing.T) {
	for says, change := range map[string]func(*plan.Head){
		"under another policy": func(h *plan.Head) { h.Policy = "sha256:1" },
		"guard.planMaxAge":     func(h *plan.Head) { h.AsOf = now.AddDate(0, 0, -8) },
		"in the future":        func(h *plan.Head) { h.AsOf = now.AddDate(0, 0, 1) },
	} {
		s := newSite(t, newLibrary(t, 10), nil)
		change(&s.lib.contents.Head)
		page := s.get(s.plan).Body.String()
		if !strings.Contains(page, says) || strings.Contains(page, `/apply"`) || strings.Contains(page, `name="which"`) {
			t.Errorf("%s: the page does not say so, or has a form", says)
		}
		w := s.post(s.plan+"/hold", url.Values{"which": {"selected"}, "m": {s.lib.entries[3].MediaID}, "reason": {"x"}})
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), says) || len(s.lib.list)+len(s.lib.requests) > 0 {
			t.Errorf("%s: %d %s, %d holds, %d requests", says, w.Code, w.Body, len(s.lib.list), len(s.lib.requests))
		}
	}
}

// Without a policy no run starts: the page of a plan says why in place of its forms, and shows the times of the other pages.
func TestPlanWithoutAPolicy(t *testing.T) {
	lib := newLibrary(t, 10)
	lib.zone, lib.rules = time.FixedZone("Asia/Shanghai", 8*3600), "mode: odd\n"
	s := newSite(t, lib, nil)
	page := s.get(s.plan).Body.String()
	if !strings.Contains(page, "is not a mode") || strings.Contains(page, `/apply"`) || strings.Contains(page, `name="which"`) || !strings.Contains(page, "2026-11-25 20:00:00") {
		t.Error(page)
	}
}

// An approval overrides the policy's notice and the guard, and the page says so.
func TestApprovalOverrides(t *testing.T) {
	const says, guard = "notice of 7d does not count here", "overrides the guard"
	s := newSite(t, newLibrary(t, 2), nil)
	if page := s.get(s.plan).Body.String(); strings.Contains(page, says) || strings.Contains(page, guard) {
		t.Error("the page speaks of what is not overridden")
	}
	s.lib.contents.Blocked = "2 media have expired and guard.maxDelete is 1"
	if page := s.get(s.plan).Body.String(); !strings.Contains(page, guard) {
		t.Error(page)
	}
	s.lib.rules = "notice: 7d\n"
	p, _ := s.lib.Policy(t.Context(), service.Call{})
	s.lib.contents.Head.Policy = p.Digest()
	if page := s.get(s.plan).Body.String(); !strings.Contains(page, says) || !strings.Contains(page, `/apply"`) {
		t.Error(page)
	}
}

// Every page names the state: a hold in another one does not bind the function.
func TestPagesNameTheState(t *testing.T) {
	s := newSite(t, newLibrary(t, 2), nil)
	for _, path := range []string{"/", "/holds", s.plan} {
		if page := s.get(path).Body.String(); !strings.Contains(page, "1000000000000001 cn-shanghai · oss://ops/mediasweep/ · UTC") {
			t.Errorf("%s: %s", path, page)
		}
	}
}

// A hold is released by a second step: the first shows the form.
func TestReleaseTakesTwoSteps(t *testing.T) {
	s := newSite(t, newLibrary(t, 2), nil)
	s.lib.list = []retention.Hold{{ID: "7", Target: "m1", Reason: "a dispute", By: "ann", At: now}}
	page := s.get("/holds").Body.String()
	if !strings.Contains(page, `<details><summary aria-label="Release hold 7">Release</summary><form method="post" action="/holds/7">`) {
		t.Error(page)
	}
}

// The usual reason is said in the person's language and timezone, and others as they are.
func TestReasons(t *testing.T) {
	s := newSite(t, newLibrary(t, 2), nil)
	s.lib.entries[0].Reason = "rule drafts: expired since " + now.Format(time.RFC3339)
	page := s.get(s.plan, "Accept-Language", "zh").Body.String()
	if !strings.Contains(page, "自 2026-11-25 12:00:00 UTC 起已到期") || !strings.Contains(page, "rule everything-else") {
		t.Error(page)
	}
}

// What the program says in words is Chinese on Chinese pages, and what people wrote stays as it is.
func TestChineseSentences(t *testing.T) {
	s := newSite(t, newLibrary(t, 2), nil)
	s.lib.entries[0].Reason = "held by hold:3 until its release, by ann: no expire rule applies <b>"
	s.lib.contents.Blocked = "2 media have expired and guard.maxDelete is 1"
	s.lib.saved["r1"] = &report.Report{Run: "r1", Status: report.Blocked, Guard: report.Guard{Tripped: true, Reason: s.lib.contents.Blocked},
		Notes: []string{"3 skipped: unchanged since an earlier sweep, and not due", "a new note"}, Next: "the next scheduled run resumes this one"}
	s.lib.saved["r1"].Guard.Overridden = "plan p was blocked: 2 media have expired and guard.maxDelete is 1; applied by a signed request"
	s.lib.list = []retention.Hold{{ID: "7", Target: "m1", Reason: "a dispute", By: "a holder of MEDIASWEEP_HTTP_TOKEN", At: now}}
	for path, texts := range map[string][]string{
		"/holds":       {"MEDIASWEEP_HTTP_TOKEN 的持有者"},
		"/media?id=m1": {"MEDIASWEEP_HTTP_TOKEN 的持有者"},
		s.plan:         {"操作人 ann：no expire rule applies &lt;b&gt;", "已有 2 个媒体到期，而 guard.maxDelete 为 1"},
		"/plans":       {"已有 2 个媒体到期，而 guard.maxDelete 为 1"},
		"/runs/r1":     {"已有 2 个媒体到期，而 guard.maxDelete 为 1", "跳过 3 个：自更早的扫描以来没有变化，也未到期", "a new note", "下一次定时运行会继续此次运行", "由 已签名的请求 执行"},
		"/policy":      {"没有 inventory：定时器没有可检查的媒体", "all：所有媒体，在创建 7 天后删除。"},
	} {
		chinese, english := s.get(path, "Accept-Language", "zh").Body.String(), s.get(path, "Accept-Language", "en").Body.String()
		for _, text := range texts {
			if !strings.Contains(chinese, text) || text != "a new note" && strings.Contains(english, text) {
				t.Errorf("%s: %q is missing, or on the English page:\n%s", path, text, chinese)
			}
		}
	}
}

// The form that approves has one field that is seen, and its action ends in /apply.
func TestApproveForm(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	forms := nodes(t, s.get(s.plan).Body, func(n *html.Node) bool {
		return n.Data == "form" && strings.HasSuffix(attribute(n, "action"), "/apply")
	})
	if len(forms) != 1 || attribute(forms[0], "method") != "post" {
		t.Fatalf("%d forms", len(forms))
	}
	fields := 0
	for n := range forms[0].Descendants() {
		if n.Data == "input" {
			fields++
		}
	}
	if fields != 1 {
		t.Errorf("%d fields", fields)
	}
}

// An address answers another method with those that it has, in the words of the page's language.
func TestOtherMethods(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	const read, send = "GET, HEAD", "POST"
	for path, allow := range map[string]string{
		"/": read, "/static/style.css": read, "/runs": read, "/runs/r1": read, "/runs/r1/restore": "GET, HEAD, POST", "/plans": "GET, HEAD, POST", s.plan: read, s.plan + "/csv": read,
		s.plan + "/hold": send, s.plan + "/apply": send, "/media": read, "/holds": "GET, HEAD, POST", "/holds/1": send, "/policy": read, "/nowhere": "", "/runs/r1/nowhere": "", "/holds/": "",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Accept-Language", "zh")
			w := httptest.NewRecorder()
			s.pages.ServeHTTP(w, r)
			want, says := http.StatusMethodNotAllowed, "此地址接受 "+allow
			if allow == "" {
				want, says = http.StatusNotFound, "未找到"
			}
			if w.Code != want || w.Header().Get("Allow") != allow || !strings.Contains(w.Body.String(), says) {
				t.Errorf("%s %s: %d, Allow %q; want %d, %q\n%s", method, path, w.Code, w.Header().Get("Allow"), want, allow, w.Body)
			}
		}
	}
	if len(s.lib.requests) > 0 {
		t.Errorf("%d requests", len(s.lib.requests))
	}
}

// What cannot be read as a whole is refused: nothing is done for a part of it.
func TestMalformed(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	if w := s.get(s.plan+"?rule=drafts;tag=x", "Accept-Language", "zh"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "无法读取地址或表单") {
		t.Errorf("a query with a semicolon: %d %s", w.Code, w.Body)
	}
	for name, test := range map[string]struct {
		form url.Values
		want int
	}{
		"too large": {url.Values{"m": {strings.Repeat("a", 70_000)}, "which": {"selected"}, "reason": {"x"}}, http.StatusRequestEntityTooLarge},
		"whole":     {url.Values{"m": {"00000000000000000000000000000001"}, "which": {"selected"}, "reason": {"x"}}, http.StatusSeeOther},
	} {
		if w := s.post(s.plan+"/hold", test.form); w.Code != test.want || (len(s.lib.list) > 0) != (test.want == http.StatusSeeOther) {
			t.Errorf("a form that is %s: %d %s, %d holds", name, w.Code, w.Body, len(s.lib.list))
		}
		s.lib.list = nil
	}
}

// A run in the background shows its progress, then its report, whatever pages are closed meanwhile.
func TestProgress(t *testing.T) {
	runs := console.NewRuns(context.Background(), 0)
	lib := &waiting{library: newLibrary(t, 10), goOn: make(chan struct{})}
	s := newSite(t, lib.library, runs)
	s.pages = pagesOf(t, lib, runs)
	page := s.post(s.plan+"/apply", url.Values{"count": {"10"}}).Header().Get("Location")
	runs.Show(sweep.Progress{Run: strings.TrimPrefix(page, "/runs/"), Deleting: true, Done: 3, Total: 10})
	runs.Show(sweep.Progress{Run: "another", Deleting: true, Done: 9, Total: 9})
	for range 2 {
		if w := s.get(page); !strings.Contains(w.Body.String(), "Deleting: 3 of 10 media") || w.Header().Get("Refresh") == "" {
			t.Errorf("%v %s", w.Header(), w.Body)
		}
	}
	close(lib.goOn)
	runs.Wait()
	if w := s.get(page); !strings.Contains(w.Body.String(), `class="done"`) || w.Header().Get("Refresh") != "" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

// waiting is a library whose runs wait.
type waiting struct {
	*library
	goOn chan struct{}
}

func (w *waiting) Sweep(ctx context.Context, call service.Call, request *trigger.Request) *report.Report {
	<-w.goOn
	return w.library.Sweep(ctx, call, request)
}

// A blocked plan waits until it was applied, or a later sweep was not blocked.
func TestBlockedPlansWait(t *testing.T) {
	later := now.Add(time.Hour)
	for name, test := range map[string]struct {
		after   *report.Report
		applied string // the run that applied the plan
		waits   bool
	}{
		"nothing after it":       {waits: true},
		"a night that failed":    {after: &report.Report{Trigger: trigger.Timer, Status: report.Failed}, waits: true},
		"a night that was busy":  {after: &report.Report{Trigger: trigger.Timer, Status: report.Busy}, waits: true},
		"a request for a medium": {after: &report.Report{Trigger: trigger.HTTP, Status: report.Done}, waits: true},
		"a sweep by request":     {after: &report.Report{Trigger: trigger.HTTP, Status: report.Done, Due: []report.Due{}}},
		"a night":                {after: &report.Report{Trigger: trigger.Timer, Status: report.Done}},
		"a night with failures":  {after: &report.Report{Trigger: trigger.Timer, Status: report.Partial}},
		"applied":                {applied: "r7"},
	} {
		s := newSite(t, newLibrary(t, 10), nil)
		s.lib.contents.Run = test.applied
		for range 11 { // a morning of requests
			s.lib.later = append(s.lib.later, &report.Report{Run: "r", Trigger: trigger.Invoke, Status: report.Done, FinishedAt: later})
		}
		if test.after != nil {
			test.after.Run, test.after.FinishedAt = "later", later
			first := 0
			if test.after.Trigger == trigger.Timer {
				first = len(s.lib.later)
			}
			s.lib.later = slices.Insert(s.lib.later, first, test.after)
		}
		if got := strings.Contains(s.get("/").Body.String(), "waiting for approval"); got != test.waits {
			t.Errorf("%s: waits %t", name, got)
		}
	}
}

// A plan is read once: when it waits for approval, when the list of plans is shown, or when its own page is.
func TestPlansAreReadOnce(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		runs   *console.Runs
		ahead  int
	}{
		"read ahead from the overview": {"/", console.NewRuns(context.Background(), 0), 1},
		"read ahead from the list":     {"/plans", console.NewRuns(context.Background(), 0), 1},
		"not in the background":        {"/plans", nil, 0},
	} {
		s := newSite(t, newLibrary(t, 250), test.runs)
		s.get(test.before)
		if test.runs != nil {
			test.runs.Wait()
		}
		if s.lib.reads != test.ahead {
			t.Errorf("%s: %d reads, want %d", name, s.lib.reads, test.ahead)
		}
		for range 3 {
			s.get(s.plan + "?rule=drafts")
		}
		if s.lib.reads != 1 {
			t.Errorf("%s: %d reads", name, s.lib.reads)
		}
	}
}

// A bulk action acts on what the page counted, or on nothing.
func TestHold(t *testing.T) {
	id := func(i int) string { return fmt.Sprintf("%032x", i) }
	tests := map[string]struct {
		query string // of the page
		form  url.Values
		held  int // 0: refused
	}{
		"selected":              {"", url.Values{"which": {"selected"}, "m": {id(3), id(4)}}, 2},
		"all filtered":          {"?rule=drafts", url.Values{"which": {"all"}}, 84},
		"all by a search":       {"?q=clip+24", url.Values{"which": {"all"}}, 11},
		"all that are sorted":   {"?tag=tag1&sort=-title", url.Values{"which": {"all"}}, 125},
		"no reason":             {"", url.Values{"which": {"selected"}, "m": {id(3)}, "reason": {" "}}, 0},
		"none":                  {"", url.Values{"which": {"selected"}}, 0},
		"no button":             {"", url.Values{"m": {id(3)}}, 0},
		"not in the plan":       {"", url.Values{"which": {"selected"}, "m": {"other"}}, 0},
		"not among the shown":   {"?rule=drafts", url.Values{"which": {"selected"}, "m": {id(4)}}, 0},
		"another number":        {"?rule=drafts", url.Values{"which": {"all"}, "shown": {"83"}}, 0},
		"another set":           {"?rule=drafts", url.Values{"which": {"all"}, "digest": {"x"}}, 0},
		"another filter":        {"?rule=drafts", url.Values{"which": {"all"}, "filter": {"?rule=everything-else"}}, 0},
		"a filter of same size": {"?tag=tag0", url.Values{"which": {"all"}, "filter": {"?tag=tag1"}}, 0},
		"a tag of two lines":    {"?tag=two%0Alines", url.Values{"which": {"all"}}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lib := newLibrary(t, 250)
			lib.answer = &report.Report{Run: "r1", Status: report.Done, Plan: "sha256:" + strings.Repeat("cd", 32), Tally: report.Tally{Counts: report.Counts{Expired: 250 - test.held}}}
			s := newSite(t, lib, nil)
			page := s.get(s.plan + test.query).Body
			form, filter := url.Values{}, test.query
			form.Set("shown", s.field(page, "shown"))
			form.Set("digest", s.field(page, "digest"))
			form.Set("reason", "dispute")
			for name, values := range test.form {
				form[name] = values
			}
			for _, other := range form["filter"] {
				filter = other
			}
			w := s.post(s.plan+"/hold"+filter, form)
			held := 0
			for _, hold := range lib.list {
				held += max(1, len(hold.Media))
			}
			if held != test.held || len(lib.list) > 1 {
				t.Fatalf("%d held by %d holds, want %d: %s", held, len(lib.list), test.held, w.Body)
			}
			if test.held == 0 {
				if w.Code != http.StatusConflict || len(lib.requests) > 0 {
					t.Errorf("%d, %d requests", w.Code, len(lib.requests))
				}
				return
			}
			if r := lib.requests[0]; r.Plan != lib.contents.ID || r.Mode != policy.DryRun || r.Anyway || w.Header().Get("Location") != "/plans/"+lib.answer.Plan {
				t.Errorf("request %+v, %v", r, w.Header())
			}
		})
	}
}

// A form that is sent twice places one hold, and makes one plan.
func TestHoldTwice(t *testing.T) {
	lib := newLibrary(t, 10)
	rest := plan.Contents{ID: "sha256:" + strings.Repeat("cd", 32), Head: plan.Head{AsOf: now, Scope: plan.Scope{Plan: lib.contents.ID}}}
	lib.answer = &report.Report{Run: "r1", Status: report.Done, Plan: rest.ID, Tally: report.Tally{Counts: report.Counts{Expired: 9}}}
	s := newSite(t, lib, nil)
	form := url.Values{"which": {"selected"}, "m": {lib.entries[3].MediaID}, "reason": {"x"}}
	for range 2 {
		if w := s.post(s.plan+"/hold", form); w.Header().Get("Location") != "/plans/"+rest.ID || len(lib.list) != 1 || len(lib.requests) != 1 {
			t.Errorf("%d %v, %d holds, %d requests", w.Code, w.Header(), len(lib.list), len(lib.requests))
		}
		lib.made = []plan.Contents{rest}
	}
	form.Set("reason", "y")
	if s.post(s.plan+"/hold", form); len(lib.list) != 2 || len(lib.requests) != 2 {
		t.Errorf("another hold: %d holds, %d requests", len(lib.list), len(lib.requests))
	}
}

// Pages of other sites can send nothing.
func TestOtherOrigins(t *testing.T) {
	s := newSite(t, newLibrary(t, 10), nil)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "", "Origin", "null"}} {
		if w := s.post(s.plan+"/apply", url.Values{"count": {"10"}}, header...); w.Code != http.StatusForbidden || len(s.lib.requests) > 0 || !strings.Contains(w.Body.String(), "A page of another site sent this request. Nothing was done.") {
			t.Errorf("%v: %d %s", header, w.Code, w.Body)
		}
	}
	if w := s.get(s.plan + "/apply?count=10"); w.Code != http.StatusMethodNotAllowed || len(s.lib.requests) > 0 {
		t.Errorf("GET applies: %d", w.Code)
	}
	if w := s.post(s.plan+"/apply", url.Values{"count": {"10"}, "x": {strings.Repeat("x", 1<<20)}}); len(s.lib.requests) > 0 {
		t.Errorf("a form of a megabyte: %d", w.Code)
	}
}

func TestGuard(t *testing.T) {
	inside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inside") }) //nolint:errcheck // a recorder takes everything
	guard, err := console.NewGuard(inside, "127.0.0.1:4321")
	if err != nil {
		t.Fatal(err)
	}
	entry := guard.Entry()
	ask := func(host, target string, cookie *http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Host = host
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		guard.ServeHTTP(w, r)
		return w
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no cookie":     ask("127.0.0.1:4321", "/", nil),
		"wrong token":   ask("127.0.0.1:4321", "/?token=x", nil),
		"foreign host":  ask("evil.example:4321", entry, nil),
		"another port":  ask("127.0.0.1:80", entry, nil),
		"wrong session": ask("127.0.0.1:4321", "/", &http.Cookie{Name: "mediasweep-4321", Value: "x"}),
	} {
		if w.Code < 400 || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	cookies := ask("127.0.0.1:4321", entry, nil).Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Path != "/" {
		t.Fatalf("%+v", cookies)
	}
	if w := ask("localhost:4321", "/", cookies[0]); w.Body.String() != "inside" {
		t.Errorf("with the cookie: %d", w.Code)
	}
	if w := ask("evil.example:4321", "/", cookies[0]); w.Code < 400 {
		t.Errorf("with the cookie, foreign host: %d", w.Code)
	}
	if w := ask("127.0.0.1:4321", entry, nil); w.Code < 400 {
		t.Errorf("the token works twice: %d", w.Code)
	}
}

// A browser leaves out the port 80.
func TestGuardOfTheUsualPort(t *testing.T) {
	for address, want := range map[string]int{"127.0.0.1:80": http.StatusSeeOther, "127.0.0.1:8080": http.StatusMisdirectedRequest} {
		guard, err := console.NewGuard(http.NotFoundHandler(), address)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, guard.Entry(), nil)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		guard.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", address, w.Code, want)
		}
	}
}

// busy is a service whose latest runs are of events. Only a sweep counts what falls due.
type busy struct{ *library }

func (b busy) Runs(ctx context.Context, call service.Call, f service.RunFilter) (service.RunList, error) {
	list, err := b.library.Runs(ctx, call, f)
	if f.Trigger == "" {
		for _, r := range list.Reports {
			r.Trigger, r.Due = trigger.OSS, nil
		}
	}
	return list, err
}

// A run that failed has counted nothing.
func TestOverviewAfterAFailedRun(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	s.lib.later = []*report.Report{{Run: "r2", Trigger: trigger.CLI, Status: report.Failed, AsOf: now.Add(time.Hour), FinishedAt: now.Add(time.Hour), Due: []report.Due{}}}
	page := s.get("/", "Accept-Language", "en").Body.String()
	for _, want := range []string{"within 30 days: 8 media", `as of <a href="/runs/a%2Fb%20%3F">` + now.Format("2006-01-02 15:04")} {
		if !strings.Contains(page, want) {
			t.Errorf("without %q: %s", want, page)
		}
	}
}

func TestOverviewBehindEvents(t *testing.T) {
	pages := pagesOf(t, busy{newLibrary(t, 1)}, nil)
	answer := httptest.NewRecorder()
	pages.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if !strings.Contains(answer.Body.String(), "within 30 days: 8 media") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
