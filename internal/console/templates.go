package console

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

// templates are the pages by name.
var templates = sync.OnceValue(func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"overview", "runs", "run", "progress", "restore", "plans", "review", "medium", "holds", "policy", "problem"} {
		// The functions of a request replace these.
		page := template.New("layout.html").Funcs((&view{}).functions())
		all[name] = template.Must(page.ParseFS(files, "pages/layout.html", "pages/"+name+".html"))
	}
	return all
})

// view is the language and timezone of a page.
type view struct {
	lang words.Lang
	zone *time.Location
}

// layout is the data of every page.
type layout struct {
	Lang, Title, Section string
	Origin               report.Origin
	Zone                 string // of all times of the page
	Path                 string
	Stores               []store
	Data                 any
}

// write writes a page. It is written as a whole, so that a failure cannot leave half of one.
func (p *pages) write(w http.ResponseWriter, r *http.Request, answer *page) {
	call := p.Call(r)
	v := &view{lang: p.lang(r), zone: answer.zone}
	if v.zone == nil {
		v.zone, _ = p.Service.Zone(r.Context(), call)
	}
	page, err := templates()[answer.name].Clone()
	var b bytes.Buffer
	if err == nil {
		err = page.Funcs(v.functions()).Execute(&b, layout{v.lang.Tag(), v.lang.Say(answer.title), answer.name, p.Origin, v.zone.String(), p.path, p.stores, answer.data})
	}
	if err != nil {
		p.Log.Error("page not written", "page", answer.name, "error", err.Error())
		http.Error(w, "the page cannot be written: the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if answer.refresh != "" {
		w.Header().Set("Refresh", answer.refresh)
	}
	if answer.allow != "" {
		w.Header().Set("Allow", answer.allow)
	}
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(max(answer.status, http.StatusOK))
	_, _ = io.WriteString(w, below(p.path, b.String())) // the caller has gone
}

// functions returns the functions of the templates. Values that somebody uploaded go through html/template and line.
func (v *view) functions() template.FuncMap {
	return template.FuncMap{
		"t":         func(english string, args ...any) string { return v.lang.Say(english, args...) },
		"say":       func(word any) string { return v.lang.Say(fmt.Sprint(word)) },
		"caller":    func(name string) string { return text.Line(v.lang.Caller(name)) },
		"line":      func(value any) string { return text.Line(fmt.Sprint(value)) },
		"sentence":  func(english any) string { return text.Line(v.lang.Sentence(fmt.Sprint(english))) },
		"condition": func(c policy.Condition) string { return text.Line(c.In(v.lang)) },
		"time":      func(at time.Time) string { return render.View{Zone: v.zone}.Time(at) },
		"date":      func(at time.Time) string { return render.View{Zone: v.zone}.Date(at) },
		"bytes":     render.Bytes,
		"hours":     func(n float64) string { return v.lang.Say("%.1f h", n) },
		"path":      url.PathEscape,
		"bar":       func(value, most int) int { return min(100, max(1, value*100/max(most, 1))) },
		"short":     trigger.ShortPlan,
		"runOf":     func(d history.Decision) string { return text.Line(render.RunOf(v.lang, d)) },
	}
}
