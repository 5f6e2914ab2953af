package eventbudget

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Instances that spend at the same time stay within the limit together, whatever their clocks say that MPS accepts. One of
// them comes first, unless each tried too often.
func TestSpendBesideOtherInstances(t *testing.T) {
	none := 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			const limit = 10
			random := rand.New(rand.NewPCG(seed, 3))
			store := &trickling{Memory: statetest.New(), random: rand.New(rand.NewPCG(seed, 4))}
			store.Slow = time.Second
			allowed := 0
			var mu sync.Mutex
			var group sync.WaitGroup
			for instance := range 3 {
				budget, now := New(), asOf.Add(time.Duration(instance-1)*15*time.Minute)
				for range 1 + random.IntN(2) {
					ids, start := someIDs(4+random.IntN(7)), time.Duration(random.IntN(1500))*time.Millisecond
					group.Go(func() {
						time.Sleep(start)
						s, err := budget.Spend(t.Context(), store, now, ids, limit, true)
						if err != nil || s.Skipped != nil {
							t.Errorf("seed %d: %v, %v", seed, s.Skipped, err)
						}
						if !s.Allowed && s.Spent+len(ids) <= limit {
							t.Errorf("seed %d: %d of others and %d own media are refused, the limit is %d", seed, s.Spent, len(ids), limit)
						}
						mu.Lock()
						defer mu.Unlock()
						if s.Allowed {
							allowed += len(ids)
						}
					})
				}
			}
			group.Wait()
			spent := tally{}
			for _, name := range store.Names(folder) {
				one, err := parse(name)
				no(t, err)
				spent.add(one)
			}
			if allowed > limit || allowed != spent.sum {
				t.Errorf("seed %d: %d media may be deleted, %d are on record, the limit is %d", seed, allowed, spent.sum, limit)
			}
			if allowed == 0 {
				none++
			}
		})
	}
	if none > 10 {
		t.Errorf("nothing was allowed on %d of 200 days", none)
	}
}
