package handler

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// parameters are the allowed names of a query, each with its allowed values. The route checks a name
// without values itself.
type parameters map[string][]string

// parameter returns the value of a parameter. It joins several values by commas, since no choice has one.
func parameter(r *http.Request, name string) string { return strings.Join(r.URL.Query()[name], ",") }

func yesOrNo() []string { return []string{"true", "false"} }

// checked refuses a query with another parameter, or with another value: a misspelled dryRun must not
// delete.
func checked(p parameters, refuse func(http.ResponseWriter, *http.Request, error), route http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := p.check(r.URL.Query()); err != nil {
			refuse(w, r, err)
			return
		}
		route(w, r)
	}
}

func (p parameters) check(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		allowed, known := p[name]
		value := strings.Join(query[name], ",") // as parameter returns it
		switch {
		case !known && len(p) == 0:
			return fmt.Errorf("there is no parameter %s: this route takes none", text.Quote(name))
		case !known:
			return fmt.Errorf("there is no parameter %s: this route takes %s", text.Quote(name), strings.Join(slices.Sorted(maps.Keys(p)), ", "))
		case allowed != nil && !slices.Contains(allowed, value):
			return fmt.Errorf("%s must be %s, not %s", name, strings.Join(allowed, " or "), text.Quote(value))
		case value == "":
			return fmt.Errorf("%s is empty: leave it out, or give it a value", name)
		case name == "excel" && value == "true" && query.Get("format") != "csv":
			return errors.New("excel is for format=csv")
		}
	}
	return nil
}

// bodiless refuses a body, since the route would not obey it. An empty object says nothing.
func bodiless(refuse func(http.ResponseWriter, *http.Request, error), route http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := checkBlank(r.Body); err != nil {
			_ = r.Body.Close() // the rest may never arrive
			refuse(w, r, err)
			return
		}
		route(w, r)
	}
}

// checkBlank reads a body up to the first byte for which bodiless refuses it.
func checkBlank(body io.Reader) error {
	in, left := bufio.NewReader(body), "{}"
	for {
		c, err := in.ReadByte()
		switch {
		case err == nil && strings.IndexByte(" \t\r\n", c) >= 0:
		case err == nil && left != "" && c == left[0]:
			left = left[1:]
		case errors.Is(err, io.EOF) && left != "}":
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read the request: %w", err)
		default:
			return errors.New("this route takes no body: its address and parameters say all")
		}
	}
}

// refuseRun answers with the report of a run that did not take place.
func (f *Function) refuseRun(w http.ResponseWriter, r *http.Request, err error) {
	writeReport(w, f.Refuse(r.Context(), CallOf(r), trigger.HTTP, err))
}

func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	writeFailure(w, http.StatusBadRequest, err.Error())
}
