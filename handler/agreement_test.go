package handler_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// TestAgreement holds promise 11 against made-up deployments: each has a library, lists, two policies, and what some days of
// events, requests, holds and sweeps have left. At one instant all are asked who say what happens: explain, forecast, diff, and
// dry runs with their plans. Then a sweep, an apply, requests and an event delete, each in that same state, and must do what was
// said. Where they may differ, a document says so: see exceptions.
//
// MEDIASWEEP_SEEDS is the number of deployments. MEDIASWEEP_SEED repeats the one of a seed.
func TestAgreement(t *testing.T) {
	eachSeed(t, 3, func(t *testing.T, seed uint64) {
		d := newDeployment(t, seed)
		defer d.end()
		d.happen()
		a := agreement{deployment: d, says: map[string]*retention.Explanation{}}
		a.ask()
		if t.Failed() {
			t.Logf("MEDIASWEEP_SEED=%d go test -run '^TestAgreement$' ./handler\n%s\nthe other policy:\n%s\nlist.csv:\n%s\n%s",
				seed, d.policies[0].Text(), d.policies[1].Text(), d.rows, strings.Join(d.story, "\n"))
		}
	})
}

// exceptions has the sentences of documents by which readings and runs may differ.
var exceptions = map[string]struct{ document, says string }{
	"outside the inventory":  {"operations.md", "A policy keeps media outside its inventory."},
	"without its source":     {"limits.md", "a prefix of the inventory names their objects no more. Such a medium stays, unless a manifest or a workflow names its ID."},
	"changed since a sweep":  {"limits.md", "It sees a changed record, or a medium added to an old object or ID, after `fullEvery`, or once the medium is due."},
	"contradicted by a list": {"requests.md", "If MPS has another object for it, the medium is `unknown`, even if another row or source names it."},
	"part of a group":        {"policy.md", "A run over some media of a group deletes none of them that a sweep would keep."},
	"no removal":             {"policy.md", "after an `ObjectRemoved:DeleteObject` or `DeleteObjects` event"},
}

func TestExceptionsAreDocumented(t *testing.T) {
	for name, e := range exceptions {
		text, err := os.ReadFile("../docs/" + e.document)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), e.says) {
			t.Errorf("%s: docs/%s does not say %q", name, e.document, e.says)
		}
	}
}

// agreement has what was said of the media of a deployment.
type agreement struct {
	*deployment
	says     map[string]*retention.Explanation
	forecast *retention.Forecast
	differ   map[string]retention.Difference
	isWhole  bool // a sweep looks at the media that the inventory names, and at no other
}

// claim says whether a run takes a medium. It may also leave the medium if it is not sure.
type claim struct{ takes, sure bool }

// except returns a claim that is not sure, for a reason that is documented.
func (a *agreement) except(takes bool, reason string) claim {
	if _, ok := exceptions[reason]; !ok {
		a.t.Errorf("no document says %q", reason)
	}
	return claim{takes: takes}
}

func (a *agreement) ask() {
	p, q, ctx := a.policies[0], a.policies[1], a.t.Context()
	f := a.back(p).f
	var ids []string
	for _, m := range a.media {
		ids = append(ids, m.ID)
	}
	for _, e := range a.explain(f, trigger.Request{MediaIDs: ids}) {
		a.says[e.MediaID] = e
	}
	var looked, compared *report.Report
	a.forecast, looked = f.Forecast(ctx, handler.Call{}, trigger.CLI, 3)
	a.differ = map[string]retention.Difference{}
	_, compared = f.Diff(ctx, handler.Call{}, q, func(d retention.Difference) { a.differ[d.MediaID] = d })
	a.wants(looked, "a forecast")
	a.wants(compared, "a diff")
	if now := a.e.Objects("ops"); !slices.EqualFunc(now, a.records, func(x, y emulator.Object) bool { return x.Key == y.Key && bytes.Equal(x.Body, y.Body) }) {
		a.t.Error("a reading has written")
	}
	a.explainOne(pick(a.random, a.live()...))
	f = a.back(q).f
	ranked := map[string]bool{} // under either policy
	for _, e := range a.explain(f, trigger.Request{MediaIDs: ids}) {
		ranked[e.MediaID] = len(e.Groups)+len(a.says[e.MediaID].Groups) > 0
	}
	f = a.back(q).f
	_, next := a.plan(f)
	f = a.back(p).f
	dry, planned := a.plan(f)
	a.checkPlan(dry, planned)
	a.checkForecast(dry)
	a.checkDiff(planned, next, ranked)
	a.checkApply(f, dry, planned)
	a.checkRequests()
	a.checkSweeps()
}

func (a *agreement) explain(f *handler.Function, request trigger.Request) []*retention.Explanation {
	request.Trigger = trigger.CLI
	list, r := f.Explain(a.t.Context(), handler.Call{}, &request)
	a.wants(r, "an explanation")
	return list
}

// explainOne explains a medium by itself, and by its object: that says the same as beside the others.
func (a *agreement) explainOne(m emulator.Medium) {
	requests := []trigger.Request{{MediaIDs: []string{m.ID}}, {Objects: []media.Object{objectOf(&m)}}}
	if m.URL != "" {
		requests = requests[:1]
	}
	for _, request := range requests {
		beside, err := json.MarshalIndent([]*retention.Explanation{a.says[m.ID]}, "", " ")
		alone, alsoErr := json.MarshalIndent(a.explain(a.back(a.policies[0]).f, request), "", " ")
		if diff := cmp.Diff(string(beside), string(alone)); diff != "" || err != nil || alsoErr != nil {
			a.t.Errorf("explained by itself (-beside others +by itself):\n%s", diff)
		}
	}
}

// plan makes a plan of the inventory.
func (a *agreement) plan(f *handler.Function) (dry *report.Report, planned map[string]plan.Entry) {
	dry = f.Sweep(a.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Inventory: true})
	planned = map[string]plan.Entry{}
	if dry.Counts.Expired == 0 {
		return dry, planned
	}
	_, entries, err := f.Entries(a.t.Context(), handler.Call{}, dry.Plan)
	if err != nil {
		a.t.Errorf("the plan of a dry run that is %s: %v %s", dry.Status, err, dry.Error)
		return dry, planned
	}
	for entry, err := range entries {
		if err != nil {
			a.t.Error(err)
		}
		planned[entry.MediaID] = entry
	}
	return dry, planned
}

// sweep says what a sweep does with a medium that has expired, or is due by the notice too. One that skips may trust the index.
func (a *agreement) sweep(m *emulator.Medium, takes, skips bool) claim {
	p, e := a.policies[0], a.says[m.ID]
	isOutside := func(note string) bool { return strings.Contains(note, "only a request or an event can lead to it") }
	switch isNamed := a.names(p, m); {
	case isNamed && a.contradicts(p, m):
		return a.except(false, "contradicted by a list")
	case isNamed && skips && a.changed[m.ID]:
		return a.except(takes, "changed since a sweep")
	case isNamed, p.TakesOrphans(e.Rule):
		return claim{takes, true}
	case !a.isLed:
		return claim{false, true} // see "outside the inventory" and "without its source"
	case slices.ContainsFunc(e.Notes, isOutside):
		return claim{false, true}
	case p.Inventory.Covers(objectOf(m)):
		return a.except(takes, "without its source")
	case len(p.Inventory.Manifests)+len(p.Inventory.Workflows) > 0: // explain reads no list
		return a.except(takes, "outside the inventory")
	}
	return claim{takes, true} // an event or a request led to it
}

// isDue reports whether a medium has expired, and its notice has ended at an instant.
func (a *agreement) isDue(m *emulator.Medium, at time.Time) bool {
	e := a.says[m.ID]
	return !e.DueAt.IsZero() && !e.DueAt.After(at)
}

// compare holds what a run took against what was said.
func (a *agreement) compare(run string, taken func(id string) bool, says func(m *emulator.Medium) claim) {
	a.t.Helper()
	for _, m := range a.live() {
		if want := says(&m); taken(m.ID) && !want.takes || !taken(m.ID) && want.takes && want.sure {
			e := a.says[m.ID]
			a.t.Errorf("%s: takes %s is %v; explained as %s (%s), due %v, groups %q, notes %q: %s, created %s, %s, tags %q, title %q, category %d, size %s, duration %s", run, m.ID, taken(m.ID),
				e.Verdict, e.Reason, e.DueAt, e.Groups, e.Notes, objectOf(&m), m.CreationTime, m.PublishState, m.Tags, m.Title, m.CateID, m.Size, m.Duration)
		}
	}
}

// looked returns the media that a sweep looks at, and the number of those that a list contradicts.
func (a *agreement) looked() (list []emulator.Medium, contradicted int) {
	p := a.policies[0]
	for _, m := range a.media {
		switch isNamed := a.names(p, &m) && a.says[m.ID].Verdict != retention.Absent; {
		case isNamed && a.contradicts(p, &m):
			contradicted++
		case isNamed:
			list = append(list, m)
		}
	}
	return list, contradicted
}

// checkPlan holds a plan and the counts of its dry run against the explanations.
func (a *agreement) checkPlan(dry *report.Report, planned map[string]plan.Entry) {
	isPlanned := func(id string) bool { return planned[id].MediaID != "" }
	a.compare("a dry run", isPlanned, func(m *emulator.Medium) claim {
		e, entry := a.says[m.ID], planned[m.ID]
		if isPlanned(m.ID) && (entry.Rule != e.Rule || entry.Reason != e.Reason || !entry.ExpiresAt.Equal(e.ExpiresAt)) {
			a.t.Errorf("%s: planned by %s, %s, explained by %s, %s", m.ID, entry.Rule, entry.Reason, e.Rule, e.Reason)
		}
		return a.sweep(m, e.Verdict == retention.Expired, false)
	})
	looked, contradicted := a.looked()
	want, rules := report.Counts{Unknown: contradicted}, map[string]int{}
	for _, m := range looked {
		e := a.says[m.ID]
		switch e.Verdict {
		case retention.Protected:
			want.Protected++
		case retention.Keep:
			want.Kept++
		case retention.Expired:
			want.Expired++
		default:
			want.Unknown++
			continue
		}
		rules[e.Rule]++
	}
	a.isWhole = !a.isLed && !slices.ContainsFunc(a.media, func(m emulator.Medium) bool { return m.URL != "" })
	if got := (report.Counts{Unknown: dry.Counts.Unknown, Protected: dry.Counts.Protected, Kept: dry.Counts.Kept, Expired: dry.Counts.Expired}); a.isWhole && got != want {
		a.t.Errorf("a dry run counts %+v, explained are %+v", got, want)
	}
	for _, rule := range dry.Rules {
		if a.isWhole && rule.Applied != rules[rule.Name] {
			a.t.Errorf("rule %s: a dry run counts %d media, explained are %d", rule.Name, rule.Applied, rules[rule.Name])
		}
	}
}

// checkForecast holds the forecast against the explanations of the media that the inventory names, and against the dry run.
func (a *agreement) checkForecast(dry *report.Report) {
	f, overdue, days := a.forecast, 0, map[string]int{}
	looked, _ := a.looked()
	for _, m := range looked {
		e := a.says[m.ID]
		if e.Verdict == retention.Expired && a.isDue(&m, a.at) {
			overdue++
		} else if !e.DueAt.IsZero() {
			days[e.DueAt.In(a.policies[0].Timezone).Format(time.DateOnly)]++
		}
	}
	if f.Overdue.Media != overdue || f.Total.Media+f.Later+f.Never != len(looked) {
		a.t.Errorf("a forecast has %d overdue, and %d, %d later and %d never; explained are %d overdue of %d", f.Overdue.Media, f.Total.Media, f.Later, f.Never, overdue, len(looked))
	}
	for _, day := range f.Days {
		if day.Media != days[day.Date] {
			a.t.Errorf("a forecast has %d media on %s, explained are %d", day.Media, day.Date, days[day.Date])
		}
	}
	if a.isWhole {
		sameDue(a.t, "a dry run", *dry, f.Days)
	}
}

// checkDiff holds a diff against the plans under both policies.
func (a *agreement) checkDiff(planned, next map[string]plan.Entry, ranked map[string]bool) {
	p, q := a.policies[0], a.policies[1]
	isOdd := func(m emulator.Medium) bool { // see "without its source" and "contradicted by a list"
		return m.URL != "" || a.contradicts(p, &m) || a.contradicts(q, &m) || p.Inventory.Covers(objectOf(&m)) && !a.names(p, &m) || q.Inventory.Covers(objectOf(&m)) && !a.names(q, &m)
	}
	hasOdd := !p.Inventory.Equal(q.Inventory) && slices.ContainsFunc(a.live(), isOdd) // they may outrank others under one policy only
	for _, m := range a.live() {
		_, was := planned[m.ID]
		_, is := next[m.ID]
		if isOdd(m) || hasOdd && ranked[m.ID] || !a.names(p, &m) && !a.names(q, &m) {
			continue
		}
		d := a.differ[m.ID]
		if want := (d.Kind == retention.NewlyDeleted) == (is && !was) && (d.Kind == retention.NewlyKept) == (was && !is); !want {
			a.t.Errorf("%s: planned is %v, and under the other policy %v; a diff says %q: %+v, %+v; explained as %s", m.ID, was, is, d.Kind, d.Old, d.New, a.says[m.ID].Reason)
		}
	}
}

// checkApply applies a plan: it deletes all that is planned. Media to which an event led rank no others then.
func (a *agreement) checkApply(f *handler.Function, dry *report.Report, planned map[string]plan.Entry) {
	if len(planned) == 0 {
		return
	}
	r := f.Sweep(a.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Mode: policy.Enforce, Plan: dry.Plan})
	a.wants(r, "an apply")
	gone := a.isGone()
	a.compare("an apply", gone, func(m *emulator.Medium) claim {
		_, takes := planned[m.ID]
		if len(a.says[m.ID].Groups) > 0 && !a.isWhole {
			return a.except(takes, "part of a group")
		}
		return claim{takes, true}
	})
}

// checkRequests lets two requests and an event look at all media, but for those that would outrank others and do not in a sweep.
func (a *agreement) checkRequests() {
	p := a.policies[0]
	var ids, names, keys []string
	byKey := map[string]string{}
	for _, m := range a.live() {
		object := objectOf(&m)
		if (!a.names(p, &m) || a.contradicts(p, &m)) && len(a.says[m.ID].Groups) > 0 {
			continue
		}
		if ids = append(ids, m.ID); !object.IsZero() {
			names = append(names, object.String())
		}
		if object.Bucket == "media-in" {
			keys, byKey[m.ID] = append(keys, m.Key), m.Key
		}
	}
	check := func(run, payload string, isAsked func(m *emulator.Medium) bool) {
		r := a.invoke(a.back(p), payload)
		a.wants(&r, run)
		a.compare(run, a.isGone(), func(m *emulator.Medium) claim {
			e := a.says[m.ID]
			takes := e.Verdict == retention.Expired && a.isDue(m, a.at) && !r.Guard.Tripped
			switch {
			case !isAsked(m):
				return claim{false, true}
			case p.TakesOrphans(e.Rule):
				return a.except(true, "no removal")
			case len(e.Groups) > 0:
				return a.except(takes, "part of a group")
			}
			return claim{takes, true}
		})
	}
	enforce := func(scope string, names []string) string {
		return strings.Replace(request(scope, names), "{", `{"mode":"enforce",`, 1)
	}
	isAsked := func(m *emulator.Medium) bool { return slices.Contains(ids, m.ID) }
	if len(ids) > 0 {
		check("a request for IDs", enforce("mediaIds", ids), isAsked)
	}
	if len(names) > 0 {
		check("a request for objects", enforce("objects", names), func(m *emulator.Medium) bool { return isAsked(m) && m.URL == "" })
	}
	if len(keys) > 0 {
		check("an event", string(ossEvent(keys...)), func(m *emulator.Medium) bool { return byKey[m.ID] != "" })
	}
}

// checkSweeps holds a scheduled dry run against the sweep, and that and the sweeps of two more days against the explanations and
// the forecast.
func (a *agreement) checkSweeps() {
	p := a.policies[0]
	dry := a.invoke(a.back(p), timer(`{"mode":"dry-run"}`))
	swept := a.back(p)
	before, _ := swept.f.Stats(a.t.Context(), handler.Call{}, "month", "")
	r := a.invoke(swept, everything)
	a.wants(&r, "a sweep")
	time.Sleep(2 * time.Second) // listings may show records late
	after, err := swept.f.Stats(a.t.Context(), handler.Call{}, "month", "")
	gone := a.isGone()
	isKept := r.Guard.Tripped
	a.compare("a sweep", gone, func(m *emulator.Medium) claim {
		return a.sweep(m, a.says[m.ID].Verdict == retention.Expired && a.isDue(m, a.at) && !isKept, true)
	})
	if !a.isUnfinished {
		if diff := cmp.Diff(summary(&dry), summary(&r)); diff != "" || dry.Plan != r.Plan {
			a.t.Errorf("plans %s and %s; a scheduled dry run and a sweep (-dry +swept):\n%s", dry.Plan, r.Plan, diff)
		}
		if err != nil || after.Total.Deleted-before.Total.Deleted != r.Counts.Deleted {
			a.t.Errorf("totals before %+v and after %+v, deleted %d, %v", before.Total, after.Total, r.Counts.Deleted, err)
		}
	}
	for i := range 2 {
		if !p.Notice.IsZero() || isKept { // sweeps at the ends of days announce too late
			return
		}
		end, err := time.ParseInLocation(time.DateTime, a.forecast.Days[i].Date+" 23:59:59", p.Timezone)
		if err != nil {
			a.t.Fatal(err)
		}
		time.Sleep(end.Sub(time.Now().Add(swept.skew)))
		r := a.invoke(swept, everything)
		gone, isKept = a.isGone(), r.Guard.Tripped
		if isKept {
			return
		}
		a.compare("the sweep of "+a.forecast.Days[i].Date, gone, func(m *emulator.Medium) claim { return a.sweep(m, a.isDue(m, end), true) })
	}
}

// summary has what a dry run and an enforcing run have in common.
func summary(r *report.Report) map[string]any {
	c, rules, announced := r.Counts, map[string][2]int{}, map[string]int{}
	for _, rule := range r.Rules {
		rules[rule.Name] = [2]int{rule.Applied, rule.Expired}
	}
	for _, on := range r.Announced {
		announced[on.Day] = on.Media
	}
	return map[string]any{"decided": []int{c.Looked, c.Absent, c.Unknown, c.Protected, c.Kept, c.Expired, c.ObjectsWithoutMedia, c.Announced}, "rules": rules,
		"due": r.Due, "guard": r.Guard.Reason, "announced": announced, "failures": len(r.Failures) - c.Failed - c.Unverified}
}
