package handler

import (
	"context"
	"errors"
	"sync"
)

// errUnderWay says that a request with this ID is being carried out.
var errUnderWay = errors.New("a request with this ID is under way: send it again later")

// requests are those that are under way in this process. One that comes again meanwhile
// waits for the first, whose report then is its answer. Its zero value is ready.
type requests struct {
	mu       sync.Mutex
	underWay map[string]chan struct{} // closed when the request has been answered
}

// enter waits until no request of an ID is under way, and makes this one be. A request
// without an ID is always let in.
func (q *requests) enter(ctx context.Context, id string) (leave func(), err error) {
	if id == "" {
		return func() {}, nil
	}
	for {
		q.mu.Lock()
		other := q.underWay[id]
		if other == nil {
			if q.underWay == nil {
				q.underWay = map[string]chan struct{}{}
			}
			answered := make(chan struct{})
			q.underWay[id] = answered
			q.mu.Unlock()
			return func() {
				q.mu.Lock()
				defer q.mu.Unlock()
				delete(q.underWay, id)
				close(answered)
			}, nil
		}
		q.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, errUnderWay
		}
	}
}
