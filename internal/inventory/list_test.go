package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// shelf lists keys in an order of its own, a page at a time.
type shelf struct {
	keys    []string
	compare func(a, b string) int
	page    int
	took    time.Duration // for a page
	broken  string        // a key that cannot be listed
	pages   atomic.Int64
}

func (s *shelf) Entries(ctx context.Context, prefix media.Object, after string) iter.Seq2[objects.Entry, error] {
	return func(yield func(objects.Entry, error) bool) {
		n := 0
		for _, key := range s.keys {
			if !strings.HasPrefix(key, prefix.Key) || after != "" && s.compare(key, after) <= 0 {
				continue
			}
			if n++; n%s.page == 1 || s.page == 1 {
				s.pages.Add(1)
				time.Sleep(s.took)
			}
			switch {
			case ctx.Err() != nil:
				yield(objects.Entry{}, ctx.Err())
				return
			case key == s.broken:
				yield(objects.Entry{}, errors.New(key+" is broken"))
				return
			}
			if !yield(objects.Entry{Object: in(key), Modified: time.Unix(1, 0)}, nil) {
				return
			}
		}
	}
}

func keysOf(candidates iter.Seq2[inventory.Candidate, error]) (keys []string) {
	for c, err := range candidates {
		if err != nil {
			keys = append(keys, err.Error())
			continue
		}
		keys = append(keys, c.Object.Key)
	}
	return keys
}

// Wherever a listing is parted, and in whatever order a bucket is, it comes to what it
// comes to in one.
func TestPartedListings(t *testing.T) {
	folded := func(a, b string) int {
		if order := strings.Compare(strings.ToLower(a), strings.ToLower(b)); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		s := &shelf{compare: strings.Compare, page: 1 + random.IntN(5)}
		if i%2 == 1 {
			s.compare = folded
		}
		for range random.IntN(60) {
			s.keys = append(s.keys, fmt.Sprintf("%c/%c%d", "aAbB"[random.IntN(4)], "xXyY"[random.IntN(4)], random.IntN(9)))
		}
		slices.SortFunc(s.keys, s.compare)
		s.keys = slices.Compact(s.keys)
		prefixes := [][]media.Object{{in("")}, {in("a/"), in("B/")}, {in("a/x"), in("a/"), in("b/"), in("A/")}}[random.IntN(3)]
		var splits []string
		for range random.IntN(12) {
			splits = append(splits, fmt.Sprintf("media-in/%c/%c%d", "aAbB"[random.IntN(4)], "xXyY"[random.IntN(4)], random.IntN(9)))
		}
		slices.Sort(splits)
		splits = slices.Compact(splits)
		after := ""
		if i%3 == 0 && len(s.keys) > 0 {
			after = "media-in/" + s.keys[random.IntN(len(s.keys))]
		}
		if i%5 == 0 && len(s.keys) > 0 {
			s.broken = s.keys[random.IntN(len(s.keys))]
		}
		want := keysOf(inventory.OfPrefixes(t.Context(), s, prefixes, after, nil))
		got := keysOf(inventory.OfPrefixes(t.Context(), s, prefixes, after, splits))
		if !slices.Equal(got, want) {
			t.Fatalf("%d: %q after %q parted at %q:\ngot  %q\nwant %q", i, s.keys, after, splits, got, want)
		}
		if len(want) > 0 {
			stop := 1 + random.IntN(len(want))
			for range inventory.OfPrefixes(t.Context(), s, prefixes, after, splits) { //nolint:errcheck // where it stops is all that counts
				if stop--; stop == 0 {
					break
				}
			}
		}
	}
}

// An object that is listed without a time is of no known time.
func TestObjectsWithoutATime(t *testing.T) {
	for c, err := range inventory.OfPrefixes(t.Context(), timeless{}, []media.Object{in("")}, "", nil) {
		if err != nil || c.Object != in("a") || c.Modified != 0 {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

// timeless lists an object without a time.
type timeless struct{}

func (timeless) Entries(context.Context, media.Object, string) iter.Seq2[objects.Entry, error] {
	return func(yield func(objects.Entry, error) bool) { yield(objects.Entry{Object: in("a")}, nil) }
}

// Stretches are listed beside each other, and so are prefixes; no more than a few, and
// none is far ahead of who takes what they list.
func TestListingBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{compare: strings.Compare, page: 1000, took: 100 * time.Millisecond}
		for i := range 80_000 {
			s.keys = append(s.keys, fmt.Sprintf("%d/%06d", i/20_000, i))
		}
		var splits []string
		for i := 5_000; i < 80_000; i += 5_000 {
			splits = append(splits, "media-in/"+s.keys[i])
		}
		for name, test := range map[string]struct {
			prefixes []media.Object
			splits   []string
			took     time.Duration
		}{
			"alone":    {[]media.Object{in("")}, nil, 8 * time.Second},
			"parted":   {[]media.Object{in("")}, splits, 3 * time.Second},
			"prefixes": {[]media.Object{in("0/"), in("1/"), in("2/"), in("3/")}, nil, 6500 * time.Millisecond},
		} {
			began := time.Now()
			if n := len(keysOf(inventory.OfPrefixes(t.Context(), s, test.prefixes, "", test.splits))); n != len(s.keys) {
				t.Errorf("%s: %d of %d keys", name, n, len(s.keys))
			}
			if took := time.Since(began); took > test.took {
				t.Errorf("%s: %s", name, took)
			}
		}
		s.pages.Store(0)
		for range inventory.OfPrefixes(t.Context(), s, []media.Object{in("")}, "", splits) { //nolint:errcheck // as above
			time.Sleep(time.Minute)
			if n := s.pages.Load(); n > 4*7 {
				t.Errorf("%d pages ahead", n)
			}
			break
		}
		synctest.Wait()
	})
}

// A listing ends when its time does, whoever waits for whom.
func TestAListingThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{compare: strings.Compare, page: 10, took: time.Second}
		var splits []string
		for i := range 1000 {
			s.keys = append(s.keys, fmt.Sprintf("%06d", i))
			if i%100 == 99 {
				splits = append(splits, "media-in/"+s.keys[i])
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		got := keysOf(inventory.OfPrefixes(ctx, s, []media.Object{in("")}, "", splits))
		if n := len(got); n < 100 || n > 900 || !strings.HasPrefix(got[n-1], "context") || !slices.Equal(got[:n-1], s.keys[:n-1]) {
			t.Errorf("%d keys, %q", n, got[n-1])
		}
	})
}
