package mps_test

import (
	"testing"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/mps"
)

// Promise 6 is of a process: two deployments of one region have one pace.
func TestClientsShareAPace(t *testing.T) {
	var clients mps.Clients
	of := func(region string) *mps.Client {
		c, err := clients.Of(account.Account{Region: region}, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, again, other := of("cn-shanghai"), of("cn-shanghai"), of("cn-beijing")
	if first != again {
		t.Error("a region has two clients")
	}
	if first == other {
		t.Error("two regions have one client")
	}
}
