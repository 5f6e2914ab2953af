package mps

import (
	"sync"

	"github.com/mediasweep/mediasweep/internal/account"
)

// Clients has one client for each endpoint, so that all deployments of a process share one pace. It
// is safe for concurrent use.
type Clients struct {
	mu   sync.Mutex
	open map[string]*Client
}

// Of returns the client of an account's endpoint. Only a new client takes the share.
func (s *Clients) Of(a account.Account, share float64) (*Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endpoint := a.Region + " " + a.MPS.URL()
	if c, ok := s.open[endpoint]; ok {
		return c, nil
	}
	c, err := New(a, share)
	if err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]*Client{}
	}
	s.open[endpoint] = c
	return c, nil
}
