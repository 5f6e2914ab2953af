package fc_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fc"
)

func TestListen(t *testing.T) {
	tests := []struct {
		address        string
		inFC, hasToken bool
		allowed        bool
	}{
		{"127.0.0.1:0", false, false, true},
		{"localhost:0", false, false, true},
		{"0.0.0.0:0", false, false, false},
		{":0", false, false, false},
		{"[::]:0", false, false, false},
		{"192.0.2.1:0", false, false, false},
		{"0.0.0.0:0", false, true, true},
		{"0.0.0.0:0", true, false, true},
	}
	for _, test := range tests {
		listener, err := fc.Listen(test.address, test.inFC, test.hasToken)
		if (err == nil) != test.allowed || err != nil && !strings.Contains(err.Error(), "MEDIASWEEP_HTTP_TOKEN") {
			t.Errorf("%+v: %v", test, err)
		}
		if err == nil {
			_ = listener.Close() // nothing has connected
		}
	}
}

func TestLocalRefusesForeignRequests(t *testing.T) {
	tests := []struct {
		name, host, from string
		header           []string
		event            bool
		inFC             int // status there
		local            int
	}{
		{"localhost", "localhost", "127.0.0.1:5", nil, false, 202, 202},
		{"localhost with a port", "LocalHost:9000", "127.0.0.1:5", nil, false, 202, 202},
		{"loopback", "127.0.0.1:9000", "127.0.0.1:5", nil, false, 202, 202},
		{"another loopback address", "127.8.9.10", "127.0.0.1:5", nil, false, 202, 202},
		{"IPv6", "[::1]:9000", "[::1]:5", nil, false, 202, 202},
		{"IPv6 without a port", "[::1]", "[::1]:5", nil, false, 202, 202},
		{"a name that resolves to loopback", "rebound.example:9000", "127.0.0.1:5", nil, false, 202, 403},
		{"a name that starts like loopback", "127.0.0.1.example", "127.0.0.1:5", nil, false, 202, 403},
		{"a name that ends like localhost", "evil.localhost", "127.0.0.1:5", nil, false, 202, 403},
		{"all addresses", "0.0.0.0:9000", "127.0.0.1:5", nil, false, 202, 403},
		{"another machine", "192.0.2.7:9000", "127.0.0.1:5", nil, false, 202, 403},
		{"no host", "", "127.0.0.1:5", nil, false, 202, 403},
		{"the address connected to", "198.51.100.1:9000", "198.51.100.9:5", nil, false, 202, 202},
		{"an event call", "127.0.0.1:9000", "127.0.0.1:5", nil, true, 200, 200},
		{"an event call of a rebound name", "rebound.example:9000", "127.0.0.1:5", nil, true, 200, 403},
		{"an event call from another machine", "198.51.100.1:9000", "198.51.100.9:5", nil, true, 200, 403},
		{"an event call of a page", "127.0.0.1:9000", "127.0.0.1:5", []string{"Origin", "null"}, true, 200, 403},
		{"own origin", "localhost:9000", "127.0.0.1:5", []string{"Origin", "http://localhost:9000", "Sec-Fetch-Site", "same-origin"}, false, 202, 202},
		{"typed by a person", "localhost:9000", "127.0.0.1:5", []string{"Sec-Fetch-Site", "none"}, false, 202, 202},
		{"another site", "localhost:9000", "127.0.0.1:5", []string{"Origin", "https://evil.example"}, false, 202, 403},
		{"another port", "localhost:9000", "127.0.0.1:5", []string{"Origin", "http://localhost:3000"}, false, 202, 403},
		{"another scheme", "localhost:9000", "127.0.0.1:5", []string{"Origin", "https://localhost:9000"}, false, 202, 403},
		{"no origin to name", "localhost:9000", "127.0.0.1:5", []string{"Origin", "null"}, false, 202, 403},
		{"two origins", "localhost:9000", "127.0.0.1:5", []string{"Origin", "http://localhost:9000", "Origin", "https://evil.example"}, false, 202, 403},
		{"a link of another site", "localhost:9000", "127.0.0.1:5", []string{"Sec-Fetch-Site", "cross-site"}, false, 202, 403},
		{"another port by fetch", "localhost:9000", "127.0.0.1:5", []string{"Sec-Fetch-Site", "same-site"}, false, 202, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for local, want := range map[bool]int{false: test.inFC, true: test.local} {
				f := &function{}
				rt := runtime(f, io.Discard)
				rt.Local = local
				r := httptest.NewRequest(http.MethodPost, "/v1/sweeps", strings.NewReader("{}"))
				if test.event {
					r = eventCall("{}")
				}
				at, err := net.ResolveTCPAddr("tcp", "198.51.100.1:9000")
				if err != nil {
					t.Fatal(err)
				}
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(at)))
				r.Host, r.RemoteAddr = test.host, test.from
				for i := 0; i < len(test.header); i += 2 {
					r.Header.Add(test.header[i], test.header[i+1])
				}
				w := httptest.NewRecorder()
				rt.ServeHTTP(w, r)
				if w.Code != want || want == 403 && len(f.invoked)+len(f.visited) > 0 {
					t.Errorf("local %v: status %d, want %d; invoked %v, visited %v", local, w.Code, want, f.invoked, f.visited)
				}
			}
		})
	}
}

// TestNothingFollowsAChunkedRequest sends what a proxy may take for one request, and net/http for two.
func TestNothingFollowsAChunkedRequest(t *testing.T) {
	const hidden = "POST /invoke HTTP/1.1\r\nHost: localhost\r\nX-Fc-Control-Path: /invoke\r\nContent-Length: 2\r\n\r\n{}"
	visitor := "POST /v1/sweeps HTTP/1.1\r\nHost: localhost\r\nX-Fc-Control-Path: /http-invoke\r\n"
	tests := []struct {
		name, request string
		closes        bool
	}{
		{"both lengths", visitor + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"both, the other way round", visitor + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n", true},
		{"chunks", visitor + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"both to a path that is not there", "POST /invoke HTTP/1.1\r\nHost: localhost\r\nX-Fc-Control-Path: /http-invoke\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"both to the path of the header", "POST /http-invoke HTTP/1.1\r\nHost: localhost\r\nX-Fc-Control-Path: /http-invoke\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"both by HTTP/1.0", "POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"a length", visitor + "Content-Length: 2\r\n\r\n{}", false},
		{"an event call", hidden, false},
		{"an event call in chunks", "POST /invoke HTTP/1.1\r\nHost: localhost\r\nX-Fc-Control-Path: /invoke\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false},
	}
	for _, test := range tests {
		for _, local := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				f := &function{}
				rt := runtime(f, io.Discard)
				rt.Local = local
				listener, err := fc.Listen("127.0.0.1:0", false, false)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(context.Background())
				served := make(chan error, 1)
				go func() { served <- rt.Serve(ctx, listener) }()
				defer func() {
					stop()
					if err := <-served; err != nil {
						t.Error(err)
					}
				}()
				connection, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer connection.Close() //nolint:errcheck // only read from here on
				_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(connection, test.request+hidden); err != nil {
					t.Fatal(err)
				}
				answers := bufio.NewReader(connection)
				first, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, first.Body)
				_ = first.Body.Close()
				second, err := http.ReadResponse(answers, nil)
				if closed := err != nil; closed != test.closes {
					t.Errorf("closed %v, want %v", closed, test.closes)
				}
				if err == nil {
					_ = second.Body.Close()
				}
				if test.closes && len(f.invoked) > 0 {
					t.Error("the request that was hidden behind the first was carried out")
				}
			})
		}
	}
}
