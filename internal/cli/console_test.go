package cli_test

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/emulator"
)

// browser is a person's browser without JavaScript.
type browser struct {
	t      *testing.T
	client *http.Client
	base   string
}

func (b *browser) read(response *http.Response, err error) (page, path string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body), response.Request.URL.RequestURI()
}

func (b *browser) get(path string) (page, at string) { return b.read(b.client.Get(b.base + path)) }

func (b *browser) post(path string, form url.Values) (page, at string) {
	request, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.base)
	return b.read(b.client.Do(request))
}

// find returns the first group of a pattern in a page.
func (b *browser) find(page, pattern string) string {
	b.t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if match == nil {
		b.t.Fatalf("the page has no %s:\n%s", pattern, page)
	}
	return match[1]
}

// serveConsole runs a command that serves the console, and returns its address.
func serveConsole(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	policy, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	out, w := io.Pipe()
	ended := make(chan int)
	go func() {
		command := &cli.Command{Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard, Getenv: func(name string) string { return env[name] }, Policy: policy}
		code := command.Main(ctx, args)
		_ = w.Close()
		ended <- code
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit %d", code)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// A console whose runs would all be refused says so at once, with the store, and shows its pages all the same.
func TestConsoleWithoutAPolicy(t *testing.T) {
	const region = "cn-shanghai"
	good := "../../retention.yaml"
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("version: 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := "file://"+t.TempDir(), "file://"+t.TempDir()
	for name, test := range map[string]struct {
		region string
		args   []string
		want   string
	}{
		"a policy":            {region, []string{"--state", a, "--policy", good}, ""},
		"a missing file":      {region, []string{"--state", a, "--policy", missing}, "note: every run is refused: read the policy of MEDIASWEEP_POLICY, or --policy: no such file"},
		"a mistake":           {region, []string{"--state", a, "--policy", wrong}, "note: every run is refused: " + wrong + ":1:10: "},
		"no region":           {"", []string{"--state", a, "--policy", good}, "note: every run is refused: no region"},
		"the second of two":   {region, []string{"--state", a, "--policy", good, "--state", b, "--policy", missing}, "note: " + b + ": every run is refused: "},
		"a folder, no policy": {region, []string{"--state", a, "--policy", t.TempDir()}, "note: every run is refused: read the policy"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var said strings.Builder
			env := map[string]string{"MEDIASWEEP_REGION": test.region}
			command := &cli.Command{Stdin: strings.NewReader(""), Stdout: writerFunc(func([]byte) { stop() }), Stderr: &said, Getenv: func(name string) string { return env[name] }}
			if code := command.Main(ctx, append([]string{"console"}, test.args...)); code != 0 {
				t.Errorf("exit %d", code)
			}
			if !strings.Contains(said.String(), test.want) || test.want == "" && strings.Contains(said.String(), "refused") {
				t.Errorf("%s, want %s", said.String(), test.want)
			}
		})
	}
}

// No page of the console waits for the state store beyond MEDIASWEEP_TIMEOUT. With a wrong one no run starts.
func TestConsoleInTime(t *testing.T) {
	e, err := emulator.Start(emulator.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	env := e.Env()
	env["MEDIASWEEP_POLICY"], env["MEDIASWEEP_STATE"], env["MEDIASWEEP_TIMEOUT"] = "../../retention.yaml", "oss://ops/mediasweep/", "1"
	b := startConsole(t, "/", env, "console")
	e.Inject(emulator.Fault{Operation: "ListObjectsV2", Kind: emulator.Hang})
	began := time.Now()
	if page, _ := b.get("/holds"); !strings.Contains(page, "time limit reached") || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %s", time.Since(began), page)
	}
	e.ClearFaults()
	env = maps.Clone(env)
	env["MEDIASWEEP_TIMEOUT"] = "1s"
	if page, _ := startConsole(t, "/", env, "console").get("/policy"); !strings.Contains(page, "MEDIASWEEP_TIMEOUT must be a plain decimal number") {
		t.Error(page)
	}
}

// writerFunc is called for each write.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// startConsole runs a command that serves the console, and returns a browser that has opened its address,
// which leads to the first page.
func startConsole(t *testing.T, first string, env map[string]string, args ...string) *browser {
	t.Helper()
	address, err := url.Parse(serveConsole(t, env, args...))
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil) // never fails
	b := &browser{t, &http.Client{Jar: jar, Timeout: time.Minute}, "http://" + address.Host}
	if _, at := b.get(address.RequestURI()); at != first {
		t.Fatalf("the address leads to %s", at)
	}
	return b
}

// A person reviews the plan of the demo, holds two media, approves the others by their number, and watches.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := startConsole(t, "/", nil, "demo", "--console")
	plans, _ := b.get("/plans")
	b.find(plans, `(cn-shanghai · oss://ops/retention/state/) ·`) // and no folder of this machine
	plan := "/plans/" + b.find(plans, `href="/plans/(sha256:[0-9a-f]{64})"`)
	review, _ := b.get(plan + "?rule=drafts")
	all := b.find(review, `of ([0-9]+) media</strong>`)
	ids := regexp.MustCompile(`name="m" value="([0-9a-f]+)"`).FindAllStringSubmatch(review, 2)
	_, rest := b.post(plan+"/hold", url.Values{"which": {"selected"}, "rule": {"drafts"}, "m": {ids[0][1], ids[1][1]}, "reason": {"a dispute"}})
	review, _ = b.get(rest)
	if !strings.Contains(review, "2 media were left out") || rest == plan {
		t.Fatalf("%s:\n%s", rest, review)
	}
	count := b.find(review, `of ([0-9]+) media</strong>`)
	if refused, _ := b.post(rest+"/apply", url.Values{"count": {all}}); !strings.Contains(refused, "Nothing was deleted.") {
		t.Errorf("the number of the other plan is taken:\n%s", refused)
	}
	page, run := b.post(rest+"/apply", url.Values{"count": {count}})
	for deadline := time.Now().Add(time.Minute); strings.Contains(page, "A run is under way") && time.Now().Before(deadline); {
		page, _ = b.get(run)
	}
	for _, want := range []string{`<span class="done">done</span>`, `class="right">` + count + `</td><td class="right">` + count + `</td><td class="right">0</td>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the report has no %s:\n%s", want, page)
		}
	}
	if held, _ := b.get("/media?id=" + ids[0][1]); !strings.Contains(held, "<strong>protected</strong>") {
		t.Errorf("the held medium:\n%s", held)
	}
	deleted := b.find(review, `name="m" value="([0-9a-f]+)"`)
	if gone, _ := b.get("/media?id=" + deleted); !strings.Contains(gone, run) {
		t.Errorf("the history of a deleted medium does not name the run:\n%s", gone)
	}
	runs, _ := b.get("/runs")
	preview, _ := b.get(run + "/restore")
	if !strings.Contains(preview, count+" would be restored, 0 skipped, 0 failed") {
		t.Errorf("preview of a restore:\n%s", preview)
	}
	if after, _ := b.get("/runs"); after != runs {
		t.Errorf("the preview of a restore is in the list of runs:\n%s", after)
	}
}

// Only loopback is listened on.
func TestConsoleAddresses(t *testing.T) {
	var errors strings.Builder
	command := &cli.Command{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errors, Getenv: func(string) string { return "" }}
	if code := command.Main(context.Background(), []string{"console", "--emulate", "--addr", "192.0.2.1:0"}); code != 2 || strings.Contains(errors.String(), "TOKEN") {
		t.Errorf("exit %d: %s", code, errors.String())
	}
}
