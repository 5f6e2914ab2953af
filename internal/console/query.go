package console

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/text"
)

// restName is the field of a form that has the rest of a query. A browser changes line feeds in other fields,
// and a tag may have one.
const restName = "filter"

// query returns the query of an address. It refuses a name that the page does not know, or that is set twice.
func (p *pages) query(r *http.Request, known ...string) (url.Values, error) {
	query := r.URL.Query()
	if rest, err := url.ParseQuery(query.Get(restName)); err == nil {
		delete(query, restName)
		for name, values := range rest {
			query[name] = append(query[name], values...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case len(known) == 0:
			return nil, refusal{http.StatusBadRequest, p.lang(r).Say("This form takes no parameter %s in its address. Nothing was done.", text.Quote(name))}
		case !slices.Contains(known, name):
			return nil, refusal{http.StatusBadRequest, p.lang(r).Say("This page has no parameter %s: allowed are %s.", text.Quote(name), strings.Join(known, ", "))}
		case len(query[name]) > 1:
			return nil, refusal{http.StatusBadRequest, p.lang(r).Say("Parameter %s is set twice.", name)}
		}
	}
	return query, nil
}

// unasked refuses a query for a form, which would not obey it: one such as dryRun=true must not delete. To the address of a
// page a mailer or a chat may add parameters, which change nothing.
func (p *pages) unasked(do form) form {
	return func(r *http.Request) (string, error) {
		if _, err := p.query(r); err != nil {
			return "", err
		}
		return do(r)
	}
}

// oneOf refuses a value of a query that is neither empty nor allowed.
func (p *pages) oneOf(r *http.Request, query url.Values, name string, allowed ...string) error {
	if value := query.Get(name); value != "" && !slices.Contains(allowed, value) {
		return p.notAllowed(r, name, value, strings.Join(allowed, ", "))
	}
	return nil
}

func (p *pages) notAllowed(r *http.Request, name, value, allowed string) error {
	return refusal{http.StatusBadRequest, p.lang(r).Say("Parameter %s cannot be %s: allowed are %s.", name, text.Quote(value), allowed)}
}

// fields returns the fields of a filter by their names in an address.
func fields(f *review.Filter) map[string]*string {
	return map[string]*string{"rule": &f.Rule, "tag": &f.Tag, "age": &f.Age, "state": &f.State, "folder": &f.Folder, "q": &f.Search}
}

// filterOf reads the filter, the order and the number of a page. The page may take more parameters.
func (p *pages) filterOf(r *http.Request, more ...string) (f review.Filter, order string, number int, err error) {
	query, err := p.query(r, append([]string{"rule", "tag", "age", "state", "folder", "q", "sort"}, more...)...)
	if err != nil {
		return f, "", 0, err
	}
	var orders []string
	for _, name := range review.Sorts() {
		orders = append(orders, name, "-"+name)
	}
	if err = p.oneOf(r, query, "sort", orders...); err == nil {
		err = p.oneOf(r, query, "age", review.Ages()...)
	}
	page, badPage := text.Decimal(cmp.Or(query.Get("page"), "1"))
	if err == nil && (badPage != nil || page == 0) {
		err = p.notAllowed(r, "page", query.Get("page"), "1, 2, 3, …")
	}
	for name, field := range fields(&f) {
		*field = query.Get(name)
	}
	f.Search = strings.TrimSpace(f.Search)
	return f, query.Get("sort"), int(min(max(page, 1), review.MaxItems)), err
}

// address returns the query of a filter. Empty fields are left out.
func address(f review.Filter, order string, number int) string {
	query := url.Values{}
	for name, field := range fields(&f) {
		if *field != "" {
			query.Set(name, *field)
		}
	}
	if order != "" {
		query.Set("sort", order)
	}
	if number > 1 {
		query.Set("page", strconv.Itoa(number))
	}
	return "?" + query.Encode()
}
