package handler_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
)

// Pages are behind the access check, and take no route's place.
func TestPagesAreBehindTheAccessCheck(t *testing.T) {
	const token = "0123456789abcdef"
	w := newWorld(t, emulator.Config{}, dryRun, "MEDIASWEEP_HTTP_TOKEN", token, "MEDIASWEEP_HTTP_AUTH", "basic")
	w.f.SetPages(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, "page %s of %s", r.URL.Path, handler.CallOf(r).Caller) //nolint:errcheck // a recorder takes everything
	}))
	for _, test := range []struct {
		path, token string
		status      int
		says        string
	}{
		{"/", "", http.StatusUnauthorized, "X-Mediasweep-Token"},
		{"/plans/latest", "wrong", http.StatusUnauthorized, "X-Mediasweep-Token"},
		{"/", token, http.StatusOK, "page / of a caller that the HTTP trigger authenticated"},
		{"/v1/plans", token, http.StatusOK, "[]"},
		{"/v1/other", token, http.StatusNotFound, "there is no such route"},
		{"/v1", token, http.StatusNotFound, "there is no such route"},
		{"/healthz", "", http.StatusOK, `"ok"`},
	} {
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		if test.token != "" {
			r.Header.Set("X-Mediasweep-Token", test.token)
		}
		recorder := httptest.NewRecorder()
		w.f.ServeHTTP(recorder, r)
		if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.says) {
			t.Errorf("GET %s: %d, %s", test.path, recorder.Code, recorder.Body)
		}
	}
}

// FC counts the bytes of an answer itself, and takes no Content-Length from a function.
func TestPagesOfEventsHaveNoLength(t *testing.T) {
	w := newWorld(t, emulator.Config{}, dryRun, "MEDIASWEEP_HTTP_AUTH", "basic")
	w.f.SetPages(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "0") }))
	if answer := w.sendEvent(http.MethodGet, "/static/style.css", ""); answer.Code != http.StatusOK || answer.Header().Get("Content-Length") != "" {
		t.Errorf("%d, Content-Length %q", answer.Code, answer.Header().Get("Content-Length"))
	}
}
