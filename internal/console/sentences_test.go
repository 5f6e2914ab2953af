package console_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every sentence that reaches a page has a Chinese form: whoever writes a new one adds it to sentences.tsv.
func TestSentencesOfProducersAreTranslated(t *testing.T) {
	table, err := os.ReadFile("../words/sentences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var known strings.Builder
	for line := range strings.Lines(string(table)) {
		english, _, _ := strings.Cut(line, "\t")
		known.WriteString(english + "\n")
	}
	for _, test := range []struct {
		file      string
		functions string   // with spaces between them; empty for all
		except    []string // errors, what only the log has, and separators
	}{
		{"../retention/decision.go", "Reason", nil},
		{"../retention/explain.go", "Explain ExplainAbsent edits", []string{"whose source object was removed", "it is tagged %s%s"}}, // a condition, and a tag in two parts
		{"../media/media.go", "", []string{"a media ID has 1 to 64 of 0-9, a-z, A-Z, - and _", "media record: %w", "not UTF-8"}},
		{"../policy/lint.go", "Lint lintReach lintAges", nil},
		{"../policy/lookalike.go", "oddRune foreignLetters oddIn oddKey oddWorkflow oddGlob oddTag oddTagPrefix oddTitle", []string{`", "`}},
		{"../sweep/guard.go", "", []string{"refund not counted", "refund of the event budget not recorded"}},
		{"../sweep/announced.go", "reportAnnounced warnGuard", []string{"announcements lost"}},
		{"../sweep/delete.go", "closeLedger", []string{"history not recorded"}},
		{"../report/next.go", "", nil},
		{"../report/restore.go", "restoreAgain", nil},
		{"../restore/restore.go", "", []string{"hold the restored media: %w", "the answer has no MediaId"}},
		{"../restore/lost.go", "", nil},
		{"../scan/notes.go", "", nil},
		{"../history/read.go", "", []string{"read the history: %w", "%w: %w", "%w: these outcomes of an earlier version are missing here"}},
		{"../history/older.go", "noteOlder", nil},
		{"../service/explain.go", "noteNotice", nil},
		{"../service/history.go", "addDeletion", nil},
		{"../service/history.go", "History", []string{"oss://", "/", "*", "history incomplete", "the text of a policy is unknown: "}},
		{"../service/runs.go", "Runs since", []string{"limit %d: a page has 1 to %d runs"}},
		{"../service/restore.go", "deletionOf", nil},
		{"../runlog/findplan.go", "Error", []string{"%s names several %s: give the whole ID of one: %s", ", "}}, // of each kind apart
		{"../trigger/request.go", "CheckName", nil},
		{"../trigger/request.go", "NoSuch", []string{"there is no %s %s in the state store: %s"}}, // of each kind apart
		{"../trigger/oss.go", "read", []string{"oss:", "ObjectRemoved:DeleteObjects", "eventName", "oss", "%s: %w"}},
		{"../policy/glob.go", "ParseGlob", []string{"%w: write a glob such as oss://bucket/dir/**", "/**", "/", "**"}},
		{"../media/object.go", "CheckBucket CheckKey", nil},
		{"../service/stats.go", "", []string{"by %s: totals are by %s", "days not totalled: stats reads their runs"}},
		{"../service/holds.go", "noteTarget callerOf", nil},
		{"../../handler/access.go", "caller", nil},
		{"../trigger/request.go", "EffectiveMode", nil},
		{"../service/plans.go", "CheckAge", []string{"the plan was made under another policy (%s, and now it is %s): %s", "the plan was made at %s and guard.planMaxAge is %s: %s"}}, // remedy follows
		{"../retention/hold.go", "HoldEnd ParseTarget Check", []string{"it does not say by whom, on one line", "it does not say when it was placed"}},
		{"../sweep/scan.go", "adopt", nil},
		{"../sweep/status.go", "status early", nil},
	} {
		found := 0
		for _, literal := range literals(t, test.file, strings.Fields(test.functions)) {
			found++
			if !slices.Contains(test.except, literal) && !strings.Contains(known.String(), literal) {
				t.Errorf("%s: %q is in no sentence with a Chinese form", test.file, literal)
			}
		}
		if found == 0 {
			t.Errorf("%s: no sentence was found", test.file)
		}
	}
}

// literals returns the texts of several words in the functions of a file.
func literals(t *testing.T, file string, functions []string) (list []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declared := range parsed.Decls {
		function, ok := declared.(*ast.FuncDecl)
		if !ok || len(functions) > 0 && !slices.Contains(functions, function.Name.Name) {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.TrimSpace(value), " ") && !strings.Contains(value, "\n") {
				list = append(list, value)
			}
			return true
		})
	}
	return list
}
