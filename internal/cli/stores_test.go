package cli_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// newOffice returns an office whose emulator is in a region, with a policy.
func newOffice(t *testing.T, region string) *office {
	t.Helper()
	e, err := emulator.Start(emulator.Config{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	o := &office{t: t, env: e.Env()}
	o.env["MEDIASWEEP_POLICY"] = filepath.Join(t.TempDir(), "retention.yaml")
	if err := os.WriteFile(o.env["MEDIASWEEP_POLICY"], []byte("version: 1\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: old, after: 180d}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// The runs of several stores are one list, newest first, page by page. A store that cannot be read costs
// no other.
func TestRunsOfSeveralStores(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "cn-beijing")
	a, b := "file://"+t.TempDir(), "oss://ops/mediasweep/"
	var want []string
	for _, place := range []string{a, b, b, a, a, b, a} {
		report := o.run(askID, "invoke -f - --state "+place)
		want = slices.Insert(want, 0, o.the(`"run": "(\w+)"`, report)+" "+place)
	}
	o.env["MEDIASWEEP_REGION"] = "cn-shanghai"
	both := "--state " + a + " --state cn-beijing=" + b
	list := func(args string, codes ...int) (runs []string, next string) {
		t.Helper()
		said := o.run("", "runs -o csv "+args, codes...)
		for _, line := range strings.Split(strings.TrimSpace(said), "\n")[1:] {
			cells := strings.Split(line, ",")
			runs = append(runs, cells[0]+" "+cells[len(cells)-1])
		}
		if found := regexp.MustCompile(`--before (\S+)`).FindStringSubmatch(o.log.String()); found != nil {
			next = found[1]
		}
		return runs, next
	}
	for _, limit := range []int{1, 3, len(want) + 1} {
		runs, next := list(fmt.Sprintf("%s --limit %d", both, limit))
		for pages := 0; next != "" && pages < 10; pages++ {
			var more []string
			more, next = list(fmt.Sprintf("%s --limit %d --before %s", both, limit, next))
			runs = append(runs, more...)
		}
		if !slices.Equal(runs, want) {
			t.Errorf("pages of %d:\n%q, want\n%q", limit, runs, want)
		}
	}
	if said := o.run("", "runs "+both); !strings.Contains(said, b) || !regexp.MustCompile(`(?m)^run +store +started`).MatchString(said) {
		t.Errorf("no column of stores:\n%s", said)
	}
	if said := o.run("", "runs -o json "+both); !strings.Contains(said, `"store": "`+b+`"`) {
		t.Errorf("no store in JSON:\n%s", said)
	}
	if said := o.run("", "runs --state "+a+" -o json"); strings.Contains(said, `"store"`) {
		t.Errorf("one store is named:\n%s", said)
	}
	for _, one := range []string{want[0], want[1], want[6]} {
		if run := strings.Fields(one)[0]; !strings.Contains(o.run("", "runs -o json "+both+" "+run), run) {
			t.Errorf("no report of run %s", run)
		}
	}

	o.env["ALIBABA_CLOUD_PROFILE"] = "ops"
	list(both)
	if said := strings.Count(o.log.String(), "the profile is not used"); said != 1 {
		t.Errorf("a profile beside an access key is a warning %d times", said)
	}
	delete(o.env, "ALIBABA_CLOUD_PROFILE")

	// Without its region the store is not read: the others are listed.
	runs, _ := list("--state "+b+" --state "+a, 3)
	if want := slices.DeleteFunc(slices.Clone(want), func(one string) bool { return strings.HasSuffix(one, b) }); !slices.Equal(runs, want) {
		t.Errorf("without a store: %q, want %q", runs, want)
	}
	if log := o.log.String(); !strings.Contains(log, "note: "+b+": not read: ") || !strings.Contains(log, "1 of 2 stores could not be read") {
		t.Errorf("the store that was not read is not named: %s", log)
	}
	if code := o.exit("", "runs --state "+b+" --state oss://ops/other/"); code != 1 {
		t.Errorf("without any store: exit %d", code)
	}
	for _, args := range []string{"--state " + a + " --state " + a, "--state " + b + " --state cn-beijing=" + b, "--state " + a + " --state s3://x", both + " --before " + strings.Fields(want[0])[0], "--state " + a + " --state="} {
		if o.exit("", "runs "+args) != 2 {
			t.Errorf("%s: %s", args, o.log.String())
		}
	}
	for args, want := range map[string]string{
		"console --state Shanghai=" + a:                "--state: what stands before = is not a region ID such as cn-shanghai",
		"console " + both:                              "2 times --state and 0 times --policy: a store is shown with its own policy, so give --policy once for each --state, in the same order",
		"console --policy p.yaml " + both:              "2 times --state and 1 times --policy: a store is shown with its own policy, so give --policy once for each --state, in the same order",
		"console --state /tmp/x":                       "--state: neither file:///folder nor oss://bucket/prefix/",
		"runs --state " + a + " --state nonsense=" + b: "--state 2: what stands before = is not a region ID such as cn-shanghai",
		"plans --state /tmp/x":                         "--state: neither file:///folder nor oss://bucket/prefix/",
		"plans --region shanghai":                      "--region is not a region ID such as cn-shanghai",
	} {
		if code := o.exit("", args); code != 2 || !strings.Contains(o.log.String(), "mediasweep: "+want+"\n") {
			t.Errorf("%s: exit %d: %s", args, code, o.log.String())
		}
	}
	if code := o.exit("", "runs "+both+" 00000000"); code != 2 || !strings.Contains(o.log.String(), "there is no run") {
		t.Errorf("a run that is nowhere: %d %s", code, o.log.String())
	}
}

// Promise 6 is of a process: two stores of a region, whose pages both look up the library, share one pace.
func TestConsoleOfSeveralStoresHasOnePace(t *testing.T) {
	t.Parallel()
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	const media = 400
	for i := range media {
		e.Add(emulator.Medium{Key: fmt.Sprintf("a/%03d.mp4", i)})
	}
	env := e.Env()
	policy := filepath.Join(t.TempDir(), "retention.yaml")
	if err := os.WriteFile(policy, []byte("version: 1\ninventory: [{bucket: oss://media-in/a/}]\nexpire: [{name: old, after: 1y}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"console"}
	for range 2 {
		args = append(args, "--state", "file://"+t.TempDir(), "--policy", policy)
	}
	browser := startConsole(t, "/stores/1/", env, args...)
	for _, path := range []string{"/stores/1/plans", "/stores/2/plans"} {
		browser.post(path, url.Values{})
	}
	var first, last time.Time
	calls := 0
	for deadline := time.Now().Add(time.Minute); calls < 2*media/10 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		calls = 0
		for _, call := range e.Calls() {
			if call.Operation != "QueryMediaListByURL" {
				continue
			}
			if calls++; calls == 1 {
				first = call.Time
			}
			last = call.Time
		}
	}
	// Half of the quota is 50 calls a second. With two paces it would take half of the time.
	if took := last.Sub(first); calls != 2*media/10 || took < time.Duration(calls-5)*time.Second/50 {
		t.Errorf("%d calls within %v", calls, took)
	}
}

// The console of several stores shows one of them on each page, and acts there. One that cannot be read
// costs no other.
func TestConsoleOfSeveralStores(t *testing.T) {
	o := newOffice(t, "cn-beijing")
	a, b := "file://"+t.TempDir(), "oss://ops/mediasweep/"
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("version: 1\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: of-the-second-store, after: 1y}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := o.the(`"run": "(\w+)"`, o.run(askID, "invoke -f - --state "+a))
	policy := o.env["MEDIASWEEP_POLICY"]
	args := []string{"console"}
	for _, one := range [][2]string{{a, policy}, {b, other}, {"cn-shanghai=oss://ops/other/", policy}} {
		args = append(args, "--state", one[0], "--policy", one[1])
	}
	browser := startConsole(t, "/stores/1/", o.env, args...)
	for path, want := range map[string]string{
		"/stores/1/runs":             run,
		"/stores/1/policy":           "180d",
		"/stores/2/policy":           "of-the-second-store",
		"/stores/3/":                 "Something is wrong",
		"/stores/1/static/style.css": ".stores",
	} {
		if page, at := browser.get(path); !strings.Contains(page, want) || at != path {
			t.Errorf("%s leads to %s, without %s:\n%s", path, at, want, page)
		}
	}
	if runs, _ := browser.get("/stores/2/runs"); strings.Contains(runs, run) {
		t.Error("a store shows the runs of another")
	}
	page, at := browser.post("/stores/2/holds", url.Values{"target": {strings.Repeat("a", 32)}, "reason": {"a dispute"}})
	if at != "/stores/2/holds?placed=1" || !strings.Contains(page, "a dispute") {
		t.Errorf("a hold leads to %s:\n%s", at, page)
	}
	if holds, _ := browser.get("/stores/1/holds"); strings.Contains(holds, "a dispute") {
		t.Error("the hold is in another store, too")
	}
	for _, path := range []string{"", "runs", "runs/" + run, "plans", "holds", "policy", "media", "missing"} {
		page, _ := browser.get("/stores/1/" + path)
		if !strings.Contains(page, `<a href="/stores/1/" aria-current="true">cn-beijing `+a+`</a>`) || !strings.Contains(page, `<a href="/stores/3/">cn-shanghai oss://ops/other/</a>`) {
			t.Errorf("/%s has no choice of stores:\n%s", path, page)
		}
		for _, link := range regexp.MustCompile(`(?:href|action|src)="(/[^"]*)"`).FindAllStringSubmatch(page, -1) {
			if !regexp.MustCompile(`^/stores/(1/|[23]/$)`).MatchString(link[1]) {
				t.Errorf("/%s has a link to %s", path, link[1])
			}
		}
	}
}
