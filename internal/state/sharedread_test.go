package state_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/mediasweep/mediasweep/internal/state"
)

// Callers share the next read. A read that began before a call, or failed, does not serve the call.
func TestSharedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, reads := state.NewSharedRead(), 0
		begun, end := make(chan int), make(chan error)
		read := func(context.Context) error {
			reads++
			begun <- reads
			return <-end
		}
		results := make(chan error, 4)
		call := func() { results <- shared.Do(t.Context(), read) }
		go call()
		<-begun
		for range 2 { // they come while the first read is under way
			go call()
		}
		synctest.Wait()
		end <- nil
		if number := <-begun; number != 2 {
			t.Fatalf("read %d, want the second", number)
		}
		down := errors.New("down")
		end <- down
		if number := <-begun; number != 3 {
			t.Fatalf("read %d after one that failed", number)
		}
		go call() // it comes while the third read is under way
		synctest.Wait()
		end <- nil
		if number := <-begun; number != 4 {
			t.Fatalf("read %d for a call after the third began", number)
		}
		end <- nil
		synctest.Wait()
		failed := 0
		for range 4 {
			if err := <-results; err != nil {
				failed++
			}
		}
		if failed != 1 || reads != 4 {
			t.Errorf("%d calls failed in %d reads, want 1 in 4", failed, reads)
		}
	})
}

// Waiters of one good read do not read again, and a waiter gives up with its context.
func TestSharedReadIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, reads := state.NewSharedRead(), 0
		if err := shared.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 9)
		for range 9 {
			go func() {
				results <- shared.Do(t.Context(), func(context.Context) error { reads++; return nil })
			}()
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := shared.Do(ended, func(context.Context) error { reads++; return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose context has ended: %v", err)
		}
		synctest.Wait()
		shared.Unlock()
		for range 9 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if reads != 1 {
			t.Errorf("%d reads, want one", reads)
		}
	})
}
