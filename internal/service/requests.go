package service

import (
	"context"
	"errors"
	"sync"
)

// errUnderWay rejects a request whose time ends before an earlier one of its ID.
var errUnderWay = errors.New("a request with this ID is under way: send it again later")

// requests admits one request of an ID at a time. A repeated request waits for the first and then
// reads its report, or resumes its work. A singleflight.Group would share the first answer,
// also an incomplete one. The zero value is ready.
type requests struct {
	underWay sync.Map // ID to chan struct{}, which is closed when the request ends
}

// enter waits until no request of an ID is under way. The caller calls leave when its own ends.
// A request without an ID does not wait.
func (q *requests) enter(ctx context.Context, id string) (leave func(), err error) {
	if id == "" {
		return func() {}, nil
	}
	ended := make(chan struct{})
	for {
		other, found := q.underWay.LoadOrStore(id, ended)
		if !found {
			return func() {
				q.underWay.Delete(id)
				close(ended)
			}, nil
		}
		select {
		case <-other.(chan struct{}): //nolint:forcetypeassert // see requests
		case <-ctx.Done():
			return nil, errUnderWay
		}
	}
}
