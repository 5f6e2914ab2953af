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
	"strings"
	"testing"
	"time"
)

// A body that stops arriving does not hold a call beyond its deadline, whether the function reads it or not.
func TestABodyThatStops(t *testing.T) {
	t.Parallel()
	address := serveFunction(t, nil)
	for path, want := range map[string]int{"/invoke": http.StatusNotFound, "/v1/sweeps": http.StatusAccepted, "/initialize": http.StatusNotFound} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			control := "/http-invoke"
			if path == "/invoke" {
				control = path
			}
			began := time.Now()
			c.send("POST", path, control, 1, 10, "half")
			status, header, answer := c.receive()
			if status != want || time.Since(began) > 3*time.Second {
				t.Errorf("%d after %s: %s", status, time.Since(began), answer)
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
	c := dial(t, serveFunction(t, late))
	for range 2 {
		c.send("POST", "/invoke", "/invoke", 1, 4, "body")
		if status, header, answer := c.receive(); status != http.StatusOK || header.Get("Connection") != "" {
			t.Fatalf("%d, connection %q: %s", status, header.Get("Connection"), answer)
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
	return response.StatusCode, response.Header, string(read)
}
