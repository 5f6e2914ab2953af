package eventbudget

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// Refunds never exceed what their run spent.
func TestRecords(t *testing.T) {
	const at = "spent/20260101T000000.000000000Z-"
	for title, test := range map[string]struct {
		records []string
		want    int // -1 for an error
	}{
		"nothing":                  {nil, 0},
		"two runs":                 {[]string{"5-A", "7-B"}, 12},
		"some given back":          {[]string{"5-A", "-2-A"}, 3},
		"all given back":           {[]string{"5-A", "7-B", "-5-A"}, 7},
		"more given back":          {[]string{"5-A", "-6-A"}, 5},
		"given back twice":         {[]string{"5-A", "-5-A", "-5-A"}, 0},
		"of another":               {[]string{"5-A", "-2-B"}, 5},
		"a million":                {[]string{"2-A", "-1000000-X"}, 2},
		"before it is spent":       {[]string{"-5-A", "5-A"}, 5},
		"no number":                {[]string{"x-A"}, -1},
		"no run":                   {[]string{"5-"}, -1},
		"nothing of it":            {[]string{"0-A"}, -1},
		"a number that overflows":  {[]string{"9223372036854775808-A"}, -1},
		"numbers that would":       {[]string{"9223372036854775807-A", "9223372036854775807-B"}, -1},
		"much":                     {[]string{"2147483648-A", "2147483648-B", "5-C"}, 2*maxSpent + 5},
		"another form of a number": {[]string{"0x5-A"}, -1},
	} {
		b := tally{}
		var err error
		for _, name := range test.records {
			if err != nil {
				break
			}
			var one record
			if one, err = parse(at + name); err == nil {
				b.add(one)
			} else if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v names no record", title, err)
			}
		}
		if got := b.sum; (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%s: %d, %v, want %d", title, got, err, test.want)
		}
	}
}

// A medium is not spent again for ten minutes.
func TestAMediumIsSpentAgain(t *testing.T) {
	for after, want := range map[time.Duration]int{10 * time.Minute: 1, 10*time.Minute + 1: 2} {
		store, budget := statetest.New(), New()
		for _, now := range []time.Time{asOf, asOf.Add(after)} {
			if s, err := budget.Spend(t.Context(), store, now, []string{"m"}, 10, true); err != nil || !s.Allowed {
				t.Fatalf("%+v, %v", s, err)
			}
		}
		if got := len(store.Names(folder)); got != want {
			t.Errorf("%v later: spent %d times, want %d", after, got, want)
		}
	}
}

// The number of a spending is bounded in both directions.
func TestTheLargestSpending(t *testing.T) {
	name := func(media int) string { return fmt.Sprintf("%s%s-%d-run", folder, state.Stamp(asOf), media) }
	for _, test := range []struct {
		media []int
		good  bool
	}{{[]int{1 << 31, -1 << 31}, true}, {[]int{1<<31 + 1}, false}, {[]int{1 << 31, 5, -1<<31 - 1}, false}, {[]int{0}, false}, {[]int{5, -6}, false}} {
		spent, good := tally{}, true
		for _, media := range test.media {
			one, err := parse(name(media))
			good = good && err == nil && spent.add(one)
		}
		if good != test.good {
			t.Errorf("%v: %v", test.media, good)
		}
	}
}

// A ledger that counts new records only has the sum of all. Records come late, out of order and from this process. Some
// are removed, and some were never written.
func TestALedgerCountsWhatIsNew(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		store := statetest.New()
		l := ledger{own: map[record]bool{}}
		var spenders []spender
		var known []record // by readings
		for now := asOf; now.Before(asOf.Add(30 * time.Hour)); now = now.Add(time.Duration(random.IntN(int(20 * time.Minute)))) {
			one := spender{id: fmt.Sprintf("R%d", len(spenders)), at: now.Add(-time.Duration(random.IntN(int(lateTime)))), media: 1 + random.IntN(9)}
			switch random.IntN(8) {
			case 0:
				if len(spenders) > 0 { // it may refund more than it spent, or again
					one = spenders[random.IntN(len(spenders))]
					no(t, refund(t.Context(), store, now, 1+random.IntN(one.media), one.id))
				}
			case 1:
				l.reserve(one.record())
			case 2:
				l.reserve(one.record())
				l.forget(one.record())
			case 3:
				if names := store.Names(folder); len(names) > 0 {
					delete(store.Records, names[random.IntN(len(names))])
				}
			default:
				if random.IntN(2) == 0 {
					l.reserve(one.record())
				}
				store.Put(one.name(), nil)
				spenders = append(spenders, one)
			}
			from := l.unsettled(now)
			listed, err := list(t.Context(), store, from)
			no(t, err)
			l.update(from, listed, now)
			var want tally
			known = append(known[:before(known, from)], listed...)
			known = known[before(known, startOf(now)):]
			for _, one := range slices.Concat(slices.Collect(maps.Keys(l.own)), known) {
				want.add(one)
			}
			if l.spent.sum != want.sum || !maps.Equal(l.spent.by, want.by) {
				t.Fatalf("seed %d, %v: %d, %v; want %d, %v", seed, now.Sub(asOf), l.spent.sum, l.spent.by, want.sum, want.by)
			}
			for _, one := range known {
				if l.own[one] {
					t.Fatalf("seed %d: %+v is counted twice", seed, one)
				}
			}
		}
	}
}

// BenchmarkUpdate is one reading of the ledger on a day with so many records.
func BenchmarkUpdate(b *testing.B) {
	for _, records := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			l := ledger{own: map[record]bool{}}
			var listed []record
			for i := range records {
				listed = append(listed, record{asOf.Add(time.Duration(i-records) * day / time.Duration(records)).UnixNano(), 1, uint64(i)})
			}
			l.update(l.unsettled(asOf), listed, asOf)
			for b.Loop() {
				from := l.unsettled(asOf)
				l.update(from, slices.Clone(l.listed[before(l.listed, from):]), asOf)
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("spent/20260101T000000.000000000Z-5-A", "spent/20260101T000000.000000000Z--5-A")
	fuzztest.Fuzz(f, func(t *testing.T, first, second string) {
		b := tally{}
		for _, name := range []string{first, second} {
			one, err := parse(name)
			if err != nil {
				continue
			}
			before := b.sum
			counted := b.add(one)
			if after := b.sum; after < 0 || !counted && after != before {
				t.Errorf("%q after %q: %d", second, first, after)
			}
		}
	})
}
