package fc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fc"
)

// A body that stops arriving does not hold a call beyond its deadline. It does not hold a function that does not read it
// to its end.
func TestABodyThatStops(t *testing.T) {
	t.Parallel()
	address := serveFunction(t, nil)
	for path, want := range map[string]int{"/invoke": http.StatusNotFound, "/v1/sweeps": http.StatusAccepted, "/large": http.StatusAccepted, "/refused": http.StatusAccepted, "/initialize": http.StatusNotFound} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			control := "/http-invoke"
			if path == "/invoke" {
				control = path
			}
			began, limit := time.Now(), 3
			c.send("POST", path, control, limit, 10, "half")
			status, header, answer := c.receive()
			took, least := time.Since(began), time.Duration(0)
			if path == "/invoke" { // nine tenths of its time
				least = 2500 * time.Millisecond
			}
			if status != want || took < least || took > least+1500*time.Millisecond {
				t.Errorf("%d after %s: %s", status, took, answer)
			}
			if path != "/invoke" && header.Get("Connection") != "close" {
				t.Errorf("the connection goes on: %v", header)
			}
			if path == "/invoke" && (header.Get("X-Fc-Status") != "404" || !strings.Contains(answer, "time limit reached before the whole body arrived")) {
				t.Errorf("x-fc-status %q: %s", header.Get("X-Fc-Status"), answer)
			}
		})
	}
}

// FC keeps a connection: the limit of a call's body must not outlast the body.
func TestTheLimitOfABodyEndsWithIt(t *testing.T) {
	t.Parallel()
	late := func([]byte) (json.RawMessage, error) {
		time.Sleep(1500 * time.Millisecond) // longer than the call's limit
		return json.RawMessage(`{}`), nil
	}
	dial(t, serveFunction(t, late)).keeps("/invoke", "/invoke", 1, http.StatusOK)
}

// A body that arrived costs no connection, though nobody reads it to its end.
func TestABodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/runs", "/refused"} {
		dial(t, serveFunction(t, nil)).keeps(path, "/http-invoke", 10, http.StatusAccepted)
	}
}

// A page whose form stops arriving is refused, and a form that arrived gives the page as long as it takes.
func TestLimitBodies(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	server := httptest.NewServer(fc.LimitBodies(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusServiceUnavailable)
		case <-time.After(3 * limit):
		}
	}), limit))
	t.Cleanup(server.Close)
	for part, want := range map[string]int{"": http.StatusBadRequest, "half": http.StatusBadRequest, "all of it!": http.StatusOK} {
		c := dial(t, strings.TrimPrefix(server.URL, "http://"))
		began := time.Now()
		c.send("POST", "/", "", 60, 10, part)
		if status, _, _ := c.receive(); status != want || time.Since(began) < limit {
			t.Errorf("%q: %d after %s", part, status, time.Since(began))
		}
	}
}

func serveFunction(t *testing.T, invoke func(payload []byte) (json.RawMessage, error)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- runtime(&function{invoke: invoke}, io.Discard).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// client is a connection that a test writes byte by byte.
type client struct {
	net.Conn

	t      *testing.T
	answer *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{connection, t, bufio.NewReader(connection)}
}

// send sends a request that has size bytes of body, and a part of them.
func (c *client) send(method, path, control string, seconds, size int, part string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nX-Fc-Control-Path: %s\r\nX-Fc-Function-Timeout: %d\r\nContent-Length: %d\r\n\r\n%s",
		method, path, control, seconds, size, part); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive() (status int, header http.Header, body string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.answer, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	read, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		c.t.Fatal(err)
	}
	if response.Close { // ReadResponse takes the header away
		response.Header.Set("Connection", "close")
	}
	return response.StatusCode, response.Header, string(read)
}

// keeps checks that the connection stays after a request whose whole body arrives: a second one is answered alike.
func (c *client) keeps(path, control string, seconds, want int) {
	c.t.Helper()
	for range 2 {
		c.send("POST", path, control, seconds, 4, "body")
		if status, header, answer := c.receive(); status != want || header.Get("Connection") != "" {
			c.t.Fatalf("%d, connection %q: %s", status, header.Get("Connection"), answer)
		}
	}
}
