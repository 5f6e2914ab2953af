package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// A page refuses a query that it does not know, names what is wrong, and says what is allowed.
func TestBadQueries(t *testing.T) {
	lib := newLibrary(t, 3)
	lib.zone = time.FixedZone("Asia/Shanghai", 8*3600)
	s := newSite(t, lib, nil)
	for query, says := range map[string]string{
		s.plan + "?page=abc":               "Parameter page cannot be \"abc\": allowed are 1, 2, 3, ….",
		s.plan + "?page=-1":                "Parameter page",
		s.plan + "?page=0":                 "Parameter page",
		s.plan + "?page=01":                "Parameter page",
		s.plan + "?sort=odd":               "Parameter sort cannot be \"odd\": allowed are title, -title, object,",
		s.plan + "?sort=%00":               "Parameter sort",
		s.plan + "?age=31":                 "Parameter age cannot be \"31\": allowed are 30, 90,",
		s.plan + "?rules=drafts":           "This page has no parameter \"rules\": allowed are rule, tag,",
		s.plan + "?filter=rules%3Ddrafts":  "This page has no parameter \"rules\"",
		s.plan + "?rule=a&filter=rule%3Db": "Parameter rule is set twice.",
		s.plan + "?tag=a&tag=b":            "Parameter tag is set twice.",
		s.plan + "?excel=true":             "This page has no parameter \"excel\": allowed are rule, tag, age, state, folder, q, sort, page.",
		s.plan + "/csv?page=2":             "This page has no parameter \"page\": allowed are rule, tag, age, state, folder, q, sort, excel.",
		s.plan + "/csv?sort=odd":           "Parameter sort",
		s.plan + "/csv?excel=yes":          "Parameter excel cannot be \"yes\": allowed are true.",
		"/plans/latest?page=abc":           "Parameter page",
		"/runs?status=done&stats=x":        "This page has no parameter \"stats\": allowed are trigger, status, since, before.",
		"/media?ID=a":                      "This page has no parameter \"ID\": allowed are id.",
	} {
		answer := s.get(query)
		page := html.UnescapeString(answer.Body.String())
		if answer.Code != http.StatusBadRequest || !strings.Contains(page, says) {
			t.Errorf("%s: status %d without %q", query, answer.Code, says)
		}
		if !strings.Contains(page, "Asia/Shanghai") {
			t.Errorf("%s: the page of the error has another timezone than the others", query)
		}
		checkInert(t, query, answer.Body)
	}
	if answer := s.post(s.plan+"/hold?sort=odd", url.Values{"which": {"all"}}); answer.Code != http.StatusBadRequest {
		t.Errorf("hold: status %d", answer.Code)
	}
}

// A form refuses a query, which it would not obey. A page without parameters is shown, whatever a mailer or a chat adds.
func TestQueriesOfForms(t *testing.T) {
	s := newSite(t, newLibrary(t, 3), nil)
	for _, form := range []string{s.plan + "/apply", "/plans", "/holds", "/holds/1", "/runs/r1/restore"} {
		answer := s.post(form+"?dryRun=true", url.Values{})
		if says := html.UnescapeString(answer.Body.String()); answer.Code != http.StatusBadRequest || !strings.Contains(says, `This form takes no parameter "dryRun" in its address.`) {
			t.Errorf("%s: status %d", form, answer.Code)
		}
	}
	for _, page := range []string{"/", "/holds", "/policy"} {
		if answer := s.get(page + "?utm_source=mail"); answer.Code != http.StatusOK {
			t.Errorf("%s: status %d", page, answer.Code)
		}
	}
}

// What is wrong with a form or an address is said in the language of the page.
func TestRefusalsInChinese(t *testing.T) {
	s := newSite(t, newLibrary(t, 3), nil)
	zh := []string{"Accept-Language", "zh"}
	for path, says := range map[string]string{
		"/runs/r9":                  "没有运行 \"r9\"。",
		"/plans/sha256:01234567":    "没有计划 \"sha256:01234567\"。",
		"/runs?trigger=x":           "参数 trigger 不能是",
		"/runs?status=x":            "参数 status 不能是",
		"/media?id=a+b":             "既不是媒体 ID",
		"/media?id=oss://ab":        "\"ab\" 不是存储空间名称",
		"/media?id=oss://media-in/": "对象键为空",
	} {
		if page := html.UnescapeString(s.get(path, zh...).Body.String()); !strings.Contains(page, says) {
			t.Errorf("%s: without %q: %s", path, says, page)
		}
	}
	if w := s.post("/holds/9", nil, zh...); w.Code != http.StatusNotFound || !strings.Contains(html.UnescapeString(w.Body.String()), "保留 \"9\" 没有生效。") {
		t.Errorf("a hold that has ended: %d %s", w.Code, w.Body)
	}
}

// A browser turns the line feeds of a form into CRLF. A search keeps the tag that it searches in.
func TestSearchKeepsLineFeeds(t *testing.T) {
	s := newSite(t, newLibrary(t, 250), nil)
	page := s.get(s.plan + "?tag=two%0Alines&sort=-size").Body
	want := s.ids(page)
	rest := strings.ReplaceAll(s.field(page, "filter"), "\n", "\r\n")
	if got := s.ids(s.get(s.plan + "?" + url.Values{"q": {""}, "filter": {rest}}.Encode()).Body); len(want) == 0 || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the search has %d media, and the filter alone %d", len(got), len(want))
	}
}
