package policy_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// places are all places of a policy that take a number, with a sound one.
var places = []struct{ name, policy, number string }{
	{"version", "version: %s\n", "1"},
	{"count", "version: 1\nexpire: [{name: a, after: 7d, keepLatest: {count: %s, per: folder}}]\n", "10"},
	{"category", "version: 1\nexpire: [{name: a, after: 7d, match: {category: %s}}]\n", "83"},
	{"categories", "version: 1\nexpire: [{name: a, after: 7d, match: {category: [1, %s]}}]\n", "83"},
	{"after", "version: 1\nexpire: [{name: a, after: %sd}]\n", "10"},
	{"a part of after", "version: 1\nexpire: [{name: a, after: 1y%smo}]\n", "10"},
	{"fullEvery", "version: 1\nfullEvery: %sd\n", "10"},
	{"notice", "version: 1\nnotice: %sd\n", "10"},
	{"planMaxAge", "version: 1\nguard: {planMaxAge: %sd}\n", "10"},
	{"minSize", "version: 1\nexpire: [{name: a, after: 7d, match: {minSize: %s}}]\n", "10"},
	{"maxSize", "version: 1\nexpire: [{name: a, after: 7d, match: {maxSize: %sMB}}]\n", "10"},
	{"minDuration", "version: 1\nexpire: [{name: a, after: 7d, match: {minDuration: %ss}}]\n", "10"},
	{"maxDuration", "version: 1\nexpire: [{name: a, after: 7d, match: {maxDuration: 1h%sm}}]\n", "10"},
	{"maxDelete", "version: 1\nguard: {maxDelete: %s}\n", "500"},
	{"maxPercent", "version: 1\nguard: {maxPercent: %s}\n", "10"},
	{"minPopulation", "version: 1\nguard: {minPopulation: %s}\n", "10"},
	{"share", "version: 1\npace: {share: %s}\n", "1"},
}

// A number is read as it is written, or it is a mistake of its line: never as another
// number.
func TestNumbersAreDecimal(t *testing.T) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			if _, err := policy.Parse("p", fmt.Appendf(nil, place.policy, place.number)); err != nil {
				t.Fatal(err)
			}
			odd := []string{"0" + place.number, "00" + place.number, "+" + place.number, "-" + place.number, place.number + "_0", "0x" + place.number, "0o" + place.number,
				"0b1", "1e1", place.number + "e0", "1:30", "." + place.number, place.number + ".", "~", "''", ".inf", ".nan", "!!int \"0" + place.number + "\"", "１０", "1,000", "99999999999999999999999"}
			for _, number := range odd {
				text := fmt.Sprintf(place.policy, number)
				if strings.Contains(text, "''") || strings.Contains(text, "!!") { // no parts of a text
					text = strings.Replace(strings.Replace(strings.Replace(strings.Replace(text, number+"d", number, 1), number+"mo", number, 1), number+"MB", number, 1), number+"s}", number+"}", 1)
				}
				if _, err := policy.Parse("p", []byte(text)); err == nil {
					t.Errorf("%s is read", text)
				}
			}
		})
	}
}

// FuzzNumbers: a number that a policy takes is the number that its digits name.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{"7", "010", "0x10", "1_000", "0o10", "1e3", ".5", "+5", "~", "!!int 010", "'5'", "5 # x", "&a 5", "0.5", "5.50"} {
		f.Add(seed)
	}
	fuzztest.Fuzz(f, func(t *testing.T, number string) {
		p, err := policy.Parse("p", []byte("version: 1\nguard: {maxDelete: "+number+"}\n"))
		if err != nil || p.Guard == policy.DefaultGuard() {
			return
		}
		if p.Guard.MaxPercent == policy.DefaultGuard().MaxPercent && p.Guard.MinPopulation == policy.DefaultGuard().MinPopulation &&
			!strings.Contains(number, strconv.Itoa(p.Guard.MaxDelete)) {
			t.Errorf("%q is read as %d", number, p.Guard.MaxDelete)
		}
	})
}

// A percentage is compared exactly, whatever its decimals.
func TestPercentIsExact(t *testing.T) {
	parse := func(written string) policy.Percent {
		t.Helper()
		p, err := policy.Parse("p", []byte("version: 1\nguard: {maxPercent: "+written+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Guard.MaxPercent.String(); got != strings.TrimSuffix(strings.TrimRight(written, "0"), ".") && got != written {
			t.Errorf("%s is written as %s", written, got)
		}
		return p.Guard.MaxPercent
	}
	if percent := parse("32.3"); percent.ExceededBy(323, 1000) || !percent.ExceededBy(324, 1000) {
		t.Error("32.3 % of 1000 are not 323")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		digits := rng.IntN(7)
		written := strconv.Itoa(rng.IntN(100))
		if digits > 0 {
			written += fmt.Sprintf(".%0*d", digits, rng.IntN([]int{1, 10, 100, 1000, 10000, 100000, 1000000}[digits]))
		}
		limit, _ := new(big.Rat).SetString(written)
		whole := 1 + rng.IntN(2_000_000)
		exact := new(big.Rat).Mul(limit, big.NewRat(int64(whole), 100))
		most := int(new(big.Int).Quo(exact.Num(), exact.Denom()).Int64())
		if percent := parse(written); percent.ExceededBy(most, whole) || !percent.ExceededBy(most+1, whole) {
			t.Fatalf("%s %% of %d are %d", written, whole, most)
		}
	}
}
