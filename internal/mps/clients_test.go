package mps_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/mps"
)

// Promise 6 is of a process: its deployments have one pace, in one region and in several.
func TestClientsShareAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clients mps.Clients
		var libraries []*library
		var calls sync.WaitGroup
		for _, region := range []string{"cn-shanghai", "cn-beijing"} {
			l := startLibrary(t, emulator.Config{Region: region}, func(a account.Account) (*mps.Client, error) {
				client, err := clients.Of(a, 0.5)
				if again, _ := clients.Of(a, 0.5); again != client {
					t.Errorf("%s has two clients", region)
				}
				return client, err
			})
			libraries = append(libraries, l)
			s := l.client.Session(l.credentials)
			for range 100 {
				calls.Go(func() {
					if _, err := s.Probe(t.Context(), []string{"unknown"}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		calls.Wait()
		var sent []time.Time
		for _, l := range libraries {
			for _, call := range l.Calls() {
				sent = append(sent, call.Time)
			}
		}
		slices.SortFunc(sent, time.Time.Compare)
		if len(sent) != 200 {
			t.Fatalf("%d calls", len(sent))
		}
		for i := 50; i < len(sent); i++ {
			if sent[i].Sub(sent[i-50]) < time.Second {
				t.Fatalf("51 calls within %s, at half of a quota of 100 a second", sent[i].Sub(sent[i-50]))
			}
		}
	})
}
