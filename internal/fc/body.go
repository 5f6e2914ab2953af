package fc

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/mediasweep/mediasweep/internal/deadline"
)

// errLateBody ends a call whose body stops or trickles: the call would outlast its deadline.
var errLateBody = errors.New("time limit reached before the whole body arrived")

// body is the body of a request that has a time limit.
type body struct{ io.ReadCloser }

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errLateBody
	}
	return n, err
}

// limitBody gives the body of a request the time of the call's work. The limit is the connection's, because the server
// itself reads what the function leaves unread, and then answers. The server lifts it before the next request.
func limitBody(w http.ResponseWriter, r *http.Request) {
	work, cancel := deadline.New(r.Context()).Work(r.Context())
	defer cancel()
	end, _ := work.Deadline()
	if http.NewResponseController(w).SetReadDeadline(end) == nil {
		r.Body = body{r.Body}
	}
}
