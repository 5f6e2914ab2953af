package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// The page of a medium has all that explain says: an earlier deletion, every hold, and what would change the verdict.
func TestMedium(t *testing.T) {
	s := newSite(t, newLibrary(t, 1), nil)
	s.lib.list = []retention.Hold{{ID: "3", Reason: "dispute", By: "ann", Until: now.AddDate(0, 0, 3)}, {ID: "4", Reason: "audit", By: "bob"}}
	for lang, texts := range map[string][]string{
		"en": {
			"<strong>deleted</strong> 2026-11-25 12:00:00 UTC", `href="/runs/r%207"`, "it was restored as m9",
			"<dt>hold 3</dt><dd>until 2026-11-28 12:00:00 UTC, by <bdi>ann</bdi>: <bdi>dispute</bdi>", "<dt>hold 4</dt><dd>until its release, by <bdi>bob</bdi>",
			">r 7 (undone)</a>", ">r</a>", "What would change it", "is removed", "unless it is then among the latest 2",
		},
		"zh": {"已恢复为 m9", ">r 7（已撤销）</a>", "保留 4</dt>", "移除标签", "除非它届时在同组最新的 2 个之内"},
	} {
		page := s.get("/media?id=m1", "Accept-Language", lang).Body.String()
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s: without %q: %s", lang, text, page)
			}
		}
	}
}

// A medium that cannot be named is a mistake of the address. The name stays in its field.
func TestANameOfNoMedium(t *testing.T) {
	for _, id := range []string{"..%2Fx", "oss:%2F%2Fmedia-in", "%20", "%E4"} {
		s := newSite(t, newLibrary(t, 1), nil)
		name, _ := url.QueryUnescape(id)
		if w := s.get("/media?id=" + id); w.Code != http.StatusBadRequest || utf8.ValidString(name) && s.field(w.Body, "id") != name {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
}
