package cli_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/cli"
)

// TestDemo runs the demo with nothing set. The READMEs show lines of it: they must be what it prints,
// but for dates.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("it deletes and restores")
	}
	t.Parallel()
	shipped, err := os.ReadFile("../../retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	command := cli.Command{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Policy: shipped}
	if code := command.Main(context.Background(), []string{"demo"}); code != 0 || errs.Len() > 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	date := regexp.MustCompile(`\d{4}[-/]\d\d(-\d\d(T[\d:]+Z)?)?`)
	printed := strings.Split(date.ReplaceAllString(out.String(), "DATE"), "\n")
	for _, want := range []string{"70 media deleted in 7 calls of up to 10, none twice and none beyond the plan", "1020 of 1020 source objects are still in oss://media-in/",
		"70 media restored, with new IDs; they are kept for 30 days"} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("the demo does not say %q", want)
		}
	}
	for _, page := range []string{"../../README.md", "../../README-CN.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shot := ""
		for _, s := range snippets(string(text)) {
			if strings.HasPrefix(s.before, "<!-- the demo prints this") {
				shot = strings.TrimSpace(s.text)
			}
		}
		if shot == "" {
			t.Errorf("%s shows nothing of the demo", page)
		}
		rest := printed
		for _, line := range strings.Split(date.ReplaceAllString(shot, "DATE"), "\n") {
			at := slices.Index(rest, line)
			if at < 0 {
				t.Errorf("%s shows a line that the demo does not print there: %s", page, line)
				break
			}
			rest = rest[at+1:]
		}
	}
}
