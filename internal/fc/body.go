package fc

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// errLateBody ends a call whose body stops or trickles: the call would outlast its deadline.
var errLateBody = errors.New("time limit reached before the whole body arrived")

// unreadTime is the time that a body has to arrive if the function does not read it. The server itself reads what is
// left before it answers, and closes the connection if it cannot.
const unreadTime = 100 * time.Millisecond

// body is the body of a request that has a time limit.
type body struct {
	io.ReadCloser

	limit   func(time.Time) error // sets the limit of the connection
	end     time.Time
	reading bool
}

func (b *body) Read(p []byte) (int, error) {
	if !b.reading {
		b.reading = true
		_ = b.limit(b.end) // it was set before
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errLateBody
	}
	return n, err
}

// Close gives what is left of the body unreadTime to arrive. FC reads an answer after it has sent all.
func (b *body) Close() error {
	_ = b.limit(time.Now().Add(unreadTime)) // it was set before
	_, err := io.Copy(io.Discard, b.ReadCloser)
	return errors.Join(err, b.ReadCloser.Close())
}

// limitBody gives the body of a request until end, and unreadTime if nobody reads it. The limit is the connection's. The
// server lifts it at the end of the body.
func limitBody(w http.ResponseWriter, r *http.Request, end time.Time) {
	limit := http.NewResponseController(w).SetReadDeadline
	if r.ContentLength != 0 && limit(time.Now().Add(unreadTime)) == nil {
		r.Body = &body{ReadCloser: r.Body, limit: limit, end: end}
	}
}

// LimitBodies returns a handler whose requests have a time limit for their bodies.
func LimitBodies(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context()) // a copy: the server needs its own body
		limitBody(w, r, time.Now().Add(limit))
		next.ServeHTTP(w, r)
	})
}
