package console

import (
	"crypto/rand"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Guard lets only the person who started the program see the pages. It answers only to names of this
// machine, because a foreign name can be made to resolve to it (DNS rebinding). It is safe for concurrent use.
type Guard struct {
	pages   http.Handler
	hosts   []string
	cookie  string // its name: cookies are shared by all ports of a host
	session string
	token   string
	entered atomic.Bool // by the token
}

// NewGuard returns a guard for pages at a loopback address.
func NewGuard(pages http.Handler, address string) (*Guard, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	g := &Guard{pages: pages, cookie: "mediasweep-" + port, session: rand.Text(), token: rand.Text(), hosts: []string{address}}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
		g.hosts = append(g.hosts, host+":"+port)
	}
	for _, host := range g.hosts {
		if name, ok := strings.CutSuffix(host, ":80"); ok { // a browser leaves this port out
			g.hosts = append(g.hosts, name)
		}
	}
	return g, nil
}

// Entry returns the path with the token that lets one browser in, once.
func (g *Guard) Entry() string { return "/?token=" + g.token }

func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.ContainsFunc(g.hosts, func(host string) bool { return strings.EqualFold(host, r.Host) }) {
		http.Error(w, "this name is not the console's", http.StatusMisdirectedRequest)
		return
	}
	token := r.URL.Query().Get("token")
	if r.URL.Path == "/" && r.Method == http.MethodGet && text.SameSecret(token, g.token) && g.entered.CompareAndSwap(false, true) {
		http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // loopback has no TLS
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if cookie, err := r.Cookie(g.cookie); err != nil || !text.SameSecret(cookie.Value, g.session) {
		http.Error(w, "open the address that mediasweep console printed: it works once, in one browser; start the console again for another", http.StatusForbidden)
		return
	}
	g.pages.ServeHTTP(w, r)
}
