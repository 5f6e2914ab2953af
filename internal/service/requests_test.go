package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q requests
		leave, err := q.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"b", "", ""} {
			other, err := q.enter(t.Context(), id)
			if err != nil {
				t.Fatalf("request %q: %v, want no wait", id, err)
			}
			defer other()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.enter(short, "a"); !errors.Is(err, errUnderWay) {
			t.Errorf("%v, want an end with the time of the call", err)
		}
		inside, most := 0, 0
		for range 5 {
			go func() {
				leave, err := q.enter(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				defer leave()
				inside++
				most = max(most, inside)
				time.Sleep(time.Second)
				inside--
			}()
		}
		synctest.Wait()
		if inside != 0 {
			t.Errorf("%d requests entered beside the first", inside)
		}
		began := time.Now()
		leave()
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		if most != 1 || inside != 0 {
			t.Errorf("%d requests at a time, %d left after %v; want one at a time, and all", most, inside, time.Since(began))
		}
	})
}
