package mps

import (
	"sync"

	"github.com/mediasweep/mediasweep/internal/account"
)

// Clients has one client for each endpoint. All deployments of a process share one pace, in whatever regions: the quota is the
// account's, and MPS documents none for a region. It is safe for concurrent use.
type Clients struct {
	mu   sync.Mutex
	open map[string]*Client
	pace map[Operation]*pace
}

// Of returns the client of an account's endpoint. Only the first client takes the share.
func (s *Clients) Of(a account.Account, share float64) (*Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endpoint := a.Region + " " + a.MPS.URL()
	if c, ok := s.open[endpoint]; ok {
		return c, nil
	}
	if s.open == nil {
		s.open, s.pace = map[string]*Client{}, newPaces(share)
	}
	c, err := newClient(a, s.pace)
	if err != nil {
		return nil, err
	}
	s.open[endpoint] = c
	return c, nil
}
