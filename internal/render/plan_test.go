package render_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"golang.org/x/net/html"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/words"
)

// planOf returns a plan of media with these titles, of 1, 2, 3… MB.
func planOf(t *testing.T, titles ...string) render.Plan {
	t.Helper()
	zone := time.FixedZone("CST", 8*3600)
	var entries []plan.Entry
	for i, title := range titles {
		id := fmt.Sprintf("%032x", i)
		object := media.Object{Bucket: "media-in", Key: fmt.Sprintf("drafts/%d-%s.mp4", i, strings.Trim(title, "/"))}
		record, err := json.Marshal(map[string]any{
			"MediaId": id, "Title": title, "Size": fmt.Sprint((i + 1) * 1_000_000), "Duration": "90.5", "CreationTime": asOf.AddDate(0, 0, -i).Format(time.RFC3339),
			"File": map[string]string{"URL": object.URL("cn-shanghai", media.SlashPlain)},
		})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, plan.Entry{MediaID: id, Rule: "drafts", Reason: title, State: "UnPublish", ExpiresAt: asOf, Record: record})
	}
	contents := plan.Contents{ID: "sha256:0123", Head: plan.Head{AsOf: asOf, Policy: "sha256:4567"}, Entries: len(entries)}
	return render.Plan{Contents: contents, Items: itemsOf(entries), Zone: zone}
}

func tableOf(t *testing.T, p render.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := render.WritePlan(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanTable(t *testing.T) {
	golden(t, "plan.txt", tableOf(t, planOf(t, "intro", "片头 第一集", "a title that is much too long for the column of titles", "😀 smile", "")))
}

// A table of the first media has the totals of all, and says how many it leaves out.
func TestPlanTableOfTheFirst(t *testing.T) {
	p := planOf(t, "intro", "a second one", "a third one")
	for most, want := range map[int]string{0: "", 1: "and 2 more: a pipe and -o csv have all", 2: "and 1 more: a pipe and -o csv have all", 3: ""} {
		p.Most = most
		table := tableOf(t, p)
		_, rows, _ := strings.Cut(table, "\ntitle ")
		listed := strings.Count(rows, "oss://")
		if p.Most = 0; !strings.HasPrefix(tableOf(t, p), strings.Split(table, "\ntitle ")[0]) {
			t.Errorf("%d: other totals:\n%s", most, table)
		}
		if most > 0 && listed != most || most == 0 && listed != 3 || !strings.HasSuffix(table, want+"\n") || strings.Contains(table, "more") != (want != "") {
			t.Errorf("%d: %d media are listed:\n%s", most, listed, table)
		}
	}
}

func TestPlanTableIsAligned(t *testing.T) {
	table := tableOf(t, planOf(t, "intro", "片头 第一集", strings.Repeat("视频", 60), "👩‍👩‍👧 family", "e\u0301", "\x1b[2J\u202e\n"))
	_, rows, _ := strings.Cut(table, "\ntitle ")
	for line := range strings.Lines(rows) {
		if before, ok := strings.CutSuffix(strings.TrimSuffix(line, "\n"), "drafts"); ok && uniseg.StringWidth(before) != uniseg.StringWidth(strings.TrimSuffix(strings.SplitN("title "+rows, "\n", 2)[0], "rule")) {
			t.Errorf("the rule is out of its column: %s", line)
		}
	}
	if strings.ContainsAny(table, "\x1b\u202e") {
		t.Error("a title reaches the terminal as it is")
	}
}

// A title cannot bring in a formula behind a semicolon or a line break, where Excel may divide a file. An object is
// read back as it is.
func TestExcelParts(t *testing.T) {
	var b strings.Builder
	c := render.NewCSV(&b, true)
	c.Head("title", "object")
	c.Row("a;=1+1;b; -1", "oss://media-in/a;=1")
	c.Row("a\n=1+1;", "")
	c.Row("\r\n@x", "")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "\ufefftitle,object\na;'=1+1;b;' -1,oss://media-in/a;=1\n\"a\n'=1+1;\",\n\"'\r\n'@x\",\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestExcel(t *testing.T) {
	var plain, excel strings.Builder
	cells := []string{"=1+1", "+a", "-1", "@x", "\t=1", "＝HYPERLINK()", " =1", "plain", "'quoted", "", "a=b", "\ufeff=1"}
	for b, forExcel := range map[*strings.Builder]bool{&plain: false, &excel: true} {
		c := render.NewCSV(b, forExcel)
		c.Head("mediaId", "title")
		for _, cell := range cells {
			c.Row("-1", cell)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	want := "\ufeffmediaId,title\n-1,'=1+1\n-1,'+a\n-1,'-1\n-1,'@x\n-1,'\t=1\n-1,'＝HYPERLINK()\n-1,' =1\n-1,plain\n-1,'quoted\n-1,\n-1,a=b\n-1,'\ufeff=1\n"
	if diff := cmp.Diff(want, excel.String()); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(plain.String(), "'=") || strings.HasPrefix(plain.String(), "\ufeff") {
		t.Errorf("not for Excel:\n%s", plain.String())
	}
}

func pageOf(t *testing.T, p render.Plan, lang words.Lang) string {
	t.Helper()
	document, err := p.Document(render.Edition{Lang: lang, Zone: p.Zone, Origin: report.Origin{Account: "1234567890123456", Region: "cn-shanghai", State: "oss://ops/state/"}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := document.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A document says where it is from, totals first, and then the media.
func TestPlanDocument(t *testing.T) {
	page := pageOf(t, planOf(t, "intro", "片头"), words.English)
	last := 0
	for _, want := range []string{"2 media are to be deleted", "1234567890123456", "cn-shanghai", "sha256:0123", "2026-07-01 02:00:00 &#43;08:00", "By rule", "By folder", "Largest 2", "片头", "intro", ">Media<", "0:01:30"} {
		at := strings.Index(page[last:], want)
		if at < 0 {
			t.Fatalf("%q is missing, or out of order", want)
		}
		last += at
	}
	if chinese := pageOf(t, planOf(t, "intro"), words.Chinese); !strings.Contains(chinese, "将删除 1 个媒体") || !strings.Contains(chinese, `lang="zh-Hans"`) {
		t.Error("the document is not in Chinese")
	}
}

// The usual reason is said in the document's language and timezone, and others as they are. CSV has both whole.
func TestReasons(t *testing.T) {
	usual := "rule drafts: expired since 2026-06-30T18:00:00Z"
	p := planOf(t, usual, "rule drafts: expired since 2026-06-30T18:00:01Z", "another reason")
	for lang, want := range map[words.Lang]string{words.English: ">expired since 2026-07-01 02:00:00 &#43;08:00<", words.Chinese: ">自 2026-07-01 02:00:00 &#43;08:00 起已到期<"} {
		if page := pageOf(t, p, lang); strings.Count(page, want) != 2 || !strings.Contains(page, "2026-06-30T18:00:01Z") || !strings.Contains(page, ">another reason<") {
			t.Errorf("%s: %q stands there %d times, or another reason is missing", lang, want, strings.Count(page, want))
		}
	}
	var b strings.Builder
	if err := p.CSV(render.NewCSV(&b, false)); err != nil || !strings.Contains(b.String(), ","+usual+",") || !strings.Contains(b.String(), ",another reason,") {
		t.Errorf("%v %s", err, b.String())
	}
}

// Nothing in a document runs, and nothing is loaded: whatever media are called.
func TestDocumentsAreInert(t *testing.T) {
	hostile := []string{`<script>alert(1)</script>`, `"><img src=//evil.example/x onerror=alert(1)>`, `</style><svg onload=alert(1)>`, "{{.Title}}", "javascript:alert(1)", "\u202eevil", "\x00\x1b[2J", "<!--", "]]>"}
	elements := map[string]bool{}
	tokens := html.NewTokenizer(strings.NewReader(pageOf(t, planOf(t, hostile...), words.English)))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			if tokens.Err() != io.EOF { //nolint:errorlint // as the tokenizer says
				t.Fatal(tokens.Err())
			}
			break
		}
		token := tokens.Token()
		if kind == html.CommentToken {
			t.Errorf("comment %s", token)
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		elements[token.Data] = true
		for _, attribute := range token.Attr {
			if strings.HasPrefix(attribute.Key, "on") || attribute.Key == "src" || attribute.Key == "href" || attribute.Key == "style" {
				t.Errorf("%s", token)
			}
		}
	}
	for name := range elements {
		if !strings.Contains(" html head meta title style body main h1 h2 dl dt dd section p table thead tbody tr th td bdi svg rect ", " "+name+" ") {
			t.Errorf("element %s", name)
		}
	}
}

// A document of a large plan lists the first media and points at the CSV.
func TestDocumentsAreBounded(t *testing.T) {
	item := review.Item{MediaID: "m", Title: "t", Object: "oss://b/k", Size: media.Known[int64](1)}
	p := render.Plan{Contents: plan.Contents{ID: "sha256:0123"}, Zone: time.UTC, Items: func(yield func(review.Item, error) bool) {
		for range 6000 {
			if !yield(item, nil) {
				return
			}
		}
	}}
	page := pageOf(t, p, words.English)
	if rows := strings.Count(page, "<tr>"); rows < 5050 || rows > 5070 || !strings.Contains(page, "1000 more are in the CSV: mediasweep plans sha256:0123 -o csv") {
		t.Errorf("%d rows", rows)
	}
}
