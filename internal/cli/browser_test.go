//go:build browser

package cli_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Run it with `go test -tags browser -run InABrowser ./internal/cli`. MEDIASWEEP_AXE names a copy of axe-core.

var screens = flag.Bool("screens", false, "write the screenshots in docs/screens")

// tab is a tab of a real browser in the console.
type tab struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // chromedp keeps the browser in it
	axe      string          // the text of axe-core
	scripted bool            // JavaScript is on

	mu   sync.Mutex
	said []string // by the browser
}

// openTab starts a browser, and opens the console of an emulated library in it. It skips the test if
// there is no browser.
func openTab(t *testing.T, lang string, scripted bool) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium: install Debian's packages chromium and fonts-noto-cjk")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 860), chromedp.Flag("lang", lang))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, scripted: scripted}
	address := serveConsole(t, map[string]string{"MEDIASWEEP_LANG": lang}, "demo", "--console")
	if file := os.Getenv("MEDIASWEEP_AXE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.axe = string(text)
	}
	script := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripted})
		return err
	})
	b.do(script)
	go func() {
		for message, err := range chromedp.Console(ctx) { // what the content security policy refuses, too
			if err != nil {
				return // the browser has ended
			}
			b.mu.Lock()
			b.said = append(b.said, fmt.Sprintf("%s: %s", message.Type, message.Text))
			b.mu.Unlock()
		}
	}()
	b.do(chromedp.Navigate(address))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// load does something that loads another page, and waits for it.
func (b *tab) load(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.WaitReady(chromedp.CSS("main h1")))
}

// open follows a link of the page.
func (b *tab) open(link string) {
	b.t.Helper()
	b.load(chromedp.Click(chromedp.CSS(link)))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return run(b, chromedp.Text(chromedp.CSS(selector)))
}

func run[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	result, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// check looks for barriers on the page, and takes its picture.
func (b *tab) check(name string) {
	b.t.Helper()
	b.mu.Lock()
	for _, said := range b.said {
		b.t.Errorf("%s: the browser says: %s", name, said)
	}
	b.said = nil
	b.mu.Unlock()
	if *screens && b.scripted && slices.Contains([]string{"overview", "plan", "run"}, name[:len(name)-len(".en")]) {
		if err := os.WriteFile(filepath.Join("../../docs/screens", name+".png"), run(b, chromedp.CaptureScreenshot()), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	if b.axe == "" || !b.scripted {
		return
	}
	type violation struct {
		ID, Help string
		Nodes    []struct{ HTML string }
	}
	run(b, chromedp.Evaluate[any](b.axe+";0"))
	for _, v := range run(b, chromedp.Evaluate[[]violation](`axe.run(document).then((r) => r.violations)`, chromedp.EvalAwaitPromise)) {
		b.t.Errorf("%s: %s: %s, such as %.300s", name, v.ID, v.Help, v.Nodes[0].HTML)
	}
}

// A person reviews a plan in a browser: filters, holds, approves, watches and restores. Without
// JavaScript the same works.
func TestAPersonInABrowser(t *testing.T) {
	for _, test := range []struct {
		lang   string
		script bool
	}{{"en", true}, {"zh", true}, {"en", false}} {
		t.Run(fmt.Sprintf("%s, script %t", test.lang, test.script), func(t *testing.T) {
			b := openTab(t, test.lang, test.script)
			page := func(name string) {
				t.Helper()
				b.check(name + "." + test.lang)
			}
			page("first")
			b.open(`nav a[href="/plans"]`)
			page("plans")
			b.open(`td.id a`)
			page("plan")
			total := number(t, b.text(`section > p strong`))
			b.load(chromedp.SendKeys(chromedp.CSS(`input[name=q]`), "drafts\n"))
			if found := number(t, b.text(`section > p strong`)); found == 0 || found >= total {
				t.Fatalf("the search finds %d media of %d", found, total)
			}
			b.do(chromedp.Click(chromedp.CSS(`input[name=m]`)), chromedp.SendKeys(chromedp.CSS(`input[name=reason]`), "licence dispute"))
			page("selected")
			b.load(chromedp.Click(chromedp.CSS(`button[value=selected]`)))
			if left := number(t, b.text(`section > p strong`)); left != total-1 {
				t.Fatalf("the new plan has %d media, want %d", left, total-1)
			}
			page("rest")
			b.load(chromedp.SendKeys(chromedp.CSS(`input[name=count]`), strconv.Itoa(total-1)), chromedp.Click(chromedp.CSS(`button.danger`)))
			b.watch()
			page("run")
			if deleted := b.text(`table tbody td:nth-child(7)`); deleted != strconv.Itoa(total-1) {
				t.Errorf("%s media are deleted, want %d", deleted, total-1)
			}
			b.open(`main p a[href$="/restore"]`)
			page("restore")
			b.load(chromedp.Click(chromedp.CSS(`main form button`)))
			b.watch()
			page("restored")
			if text := b.text("main"); !strings.Contains(text, strconv.Itoa(total-1)) {
				t.Errorf("not all are restored: %s", text)
			}
			for _, path := range []string{"holds", "runs", "media", "policy"} {
				b.open(`nav a[href="/` + path + `"]`)
				page(path)
			}
			b.open(`nav a[href="/"]`)
			page("overview")
		})
	}
}

// watch waits until the run that the page shows has ended.
func (b *tab) watch() {
	b.t.Helper()
	for shown := true; shown; {
		b.do(chromedp.WaitReady(chromedp.CSS("main h1")))
		if shown = run(b, chromedp.Evaluate[int](`document.querySelectorAll("main [role=status]").length`)) > 0; shown {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// number returns the first number of a text.
func number(t *testing.T, text string) int {
	t.Helper()
	digits := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(cmp.Or(append(digits, "")...))
	if err != nil {
		t.Fatalf("no number in %q", text)
	}
	return n
}
