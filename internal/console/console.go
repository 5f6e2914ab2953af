// Package console serves pages on which a person reviews plans, approves them, and sees what happened.
// New returns the pages, and Guard keeps others than the person who started the program away from them.
package console

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/service"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Service has the use cases that pages show. *service.Service is one.
type Service interface {
	policies
	runLists
	runner
	planLists
	holdings
	explainer
}

// policies are for the policy's page. All pages show times in its timezone.
type policies interface {
	Policy(ctx context.Context, call service.Call) (*policy.Policy, error)
	Zone(ctx context.Context, call service.Call) (*time.Location, []string)
}

// runner starts runs from the pages of plans and of runs.
type runner interface {
	Sweep(ctx context.Context, call service.Call, request *trigger.Request) *report.Report
	PreviewRestore(ctx context.Context, call service.Call, request *trigger.Request) *report.Report
}

// Options configure the pages.
type Options struct {
	Service Service
	Origin  report.Origin
	Log     *slog.Logger
	// Call returns the call of a request.
	Call func(*http.Request) service.Call
	// Trigger is the trigger of the runs that pages start.
	Trigger trigger.Kind
	// Lang is empty for the language of the browser.
	Lang words.Lang
	// Runs carries out runs while the person looks at their progress. It is nil where a run must end with
	// its request.
	Runs *Runs
	Now  func() time.Time
	// Timeout bounds each request. It is 0 where the platform or nobody does.
	Timeout time.Duration
	// Name is the name of the deployment among several; see Stores.
	Name string
}

type pages struct {
	Options
	path    string // of the pages, if an address has those of several deployments
	stores  []store
	reviews *reviews
	holding chan struct{} // holds a value while media of a plan are held
}

//go:embed pages static
var files embed.FS

// New returns the pages. It is safe for concurrent use.
func New(o Options) http.Handler { return newPages(o, "", nil) }

func newPages(o Options, path string, stores []store) http.Handler {
	p := &pages{Options: o, path: path, stores: stores, reviews: &reviews{plans: o.Service, reading: make(chan struct{}, 1)}, holding: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	for _, file := range []string{"style.css", "select.js"} {
		mux.HandleFunc("GET /static/"+file, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "static/"+file) })
	}
	for pattern, page := range map[string]func(*http.Request) (*page, error){
		"GET /{$}":                p.overview,
		"GET /runs":               p.runs,
		"GET /runs/{run}":         p.run,
		"GET /runs/{run}/restore": p.askRestore,
		"GET /plans":              p.plans,
		"GET /plans/{plan}":       p.review,
		"GET /media":              p.medium,
		"GET /holds":              p.holds,
		"GET /policy":             p.policy,
	} {
		mux.HandleFunc(pattern, p.serve(page))
	}
	for pattern, form := range map[string]form{
		"POST /runs/{run}/restore": p.unasked(p.restore),
		"POST /plans":              p.unasked(p.makePlan),
		"POST /plans/{plan}/hold":  p.holdMedia,
		"POST /plans/{plan}/apply": p.unasked(p.apply),
		"POST /holds":              p.unasked(p.placeHold),
		"POST /holds/{hold}":       p.unasked(p.release),
	} {
		mux.HandleFunc(pattern, p.serve(form.page))
	}
	mux.HandleFunc("GET /plans/{plan}/csv", p.export)
	mux.HandleFunc("/", p.serve(func(r *http.Request) (*page, error) { return p.noPage(mux, r) }))
	return p.inTime(p.secured(mux))
}

// inTime makes a request end early enough for its answer.
func (p *pages) inTime(next http.Handler) http.Handler {
	if p.Timeout == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := limited(r.Context(), p.Timeout)
		defer cancel()
		work, cancelWork := deadline.New(ctx).Work(ctx)
		defer cancelWork()
		next.ServeHTTP(w, r.WithContext(work))
	})
}

// noPage answers for an address without a page, or with pages of other methods only.
func (p *pages) noPage(mux *http.ServeMux, r *http.Request) (*page, error) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if _, pattern := mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return nil, state.ErrNotFound
	}
	allow := strings.Join(allowed, ", ")
	return &page{name: "problem", title: "Not done", data: p.lang(r).Say("This address takes %s.", allow), status: http.StatusMethodNotAllowed, allow: allow}, nil
}

// secured refuses what a page of another site sends, and keeps browsers from loading or running anything
// but our own.
func (p *pages) secured(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(p.serve(func(r *http.Request) (*page, error) {
		return nil, refusal{http.StatusForbidden, p.lang(r).Say("A page of another site sent this request. Nothing was done.")}
	}))
	checked := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		var tooLarge *http.MaxBytesError
		switch err := r.ParseForm(); { // it reads the query too, of which Query would drop what it cannot read
		case errors.As(err, &tooLarge):
			p.write(w, r, p.problem(r, refusal{http.StatusRequestEntityTooLarge, p.lang(r).Say("The form has more than %d bytes: select fewer media. Nothing was done.", maxForm)}))
		case err != nil:
			p.write(w, r, p.problem(r, refusal{http.StatusBadRequest, p.lang(r).Say("The address or the form cannot be read. Nothing was done.")}))
		default:
			checked.ServeHTTP(w, r)
		}
	})
}

// maxForm bounds a form: 200 media IDs, and a filter.
const maxForm = 64 << 10

// page is an answer: a template with its data, or another address.
type page struct {
	name   string // of the template
	title  string
	data   any
	status int            // 200 for 0
	zone   *time.Location // nil if the page did not need it
	// refresh makes the browser ask again after so many seconds.
	refresh string
	allow   string // the methods of the address, for another one
	goTo    string
}

func redirect(to string) (*page, error) { return &page{goTo: to}, nil }

// form does what a form asks for, and returns the address of a page that shows it. A page in answer to the form itself
// would send the form again when a person reloads it.
type form func(*http.Request) (goTo string, err error)

func (f form) page(r *http.Request) (*page, error) {
	goTo, err := f(r)
	return &page{goTo: goTo}, err
}

// notDone is the page that says why a form has done nothing.
type notDone struct{ shown *page }

func (n notDone) Error() string { return "not done: its page says why" }

func (p *pages) serve(make func(*http.Request) (*page, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := make(r)
		if err != nil {
			answer = p.problem(r, err)
		}
		if answer.goTo != "" {
			http.Redirect(w, r, p.path+answer.goTo, http.StatusSeeOther)
			return
		}
		p.write(w, r, answer)
	}
}

func (p *pages) problem(r *http.Request, err error) *page {
	if n, ok := errors.AsType[notDone](err); ok {
		return n.shown
	}
	answer := &page{name: "problem", title: "Something is wrong", status: http.StatusBadGateway}
	refused, ok := errors.AsType[refusal](err)
	switch {
	case errors.Is(err, state.ErrNotFound):
		answer.title, answer.status = "Not found", http.StatusNotFound
	case ok && refused.status == http.StatusNotFound:
		answer.title, answer.status = "Not found", refused.status
	case ok:
		answer.title, answer.status = "Not done", refused.status
	case service.IsRefusal(err):
		answer.title, answer.status = "Not done", http.StatusBadRequest
	case deadline.Passed(err):
		answer.status = http.StatusServiceUnavailable
		err = errors.New(p.lang(r).Say(service.OutOfTime))
	default:
		p.Log.Warn("page not shown", "path", text.Name(r.URL.Path), "error", text.Bound(err.Error()))
	}
	answer.data = text.Bound(text.Printable(err.Error()))
	return answer
}

// refusal is the reason why an address or an action was refused, in the language of the person.
type refusal struct {
	status int
	reason string
}

func (r refusal) Error() string { return r.reason }

// refuse returns the refusal of an action in the language of a request.
func (p *pages) refuse(r *http.Request, english string, args ...any) error {
	return refusal{http.StatusConflict, p.lang(r).Say(english, args...)}
}

// missing says in the language of a request that a record does not exist, if that is the error.
func (p *pages) missing(r *http.Request, err error, english string, args ...any) error {
	if errors.Is(err, state.ErrNotFound) {
		return refusal{http.StatusNotFound, p.lang(r).Say(english, args...)}
	}
	return err
}

func (p *pages) lang(r *http.Request) words.Lang {
	if p.Lang != "" {
		return p.Lang
	}
	return words.Accepted(r.Header.Get("Accept-Language"))
}
