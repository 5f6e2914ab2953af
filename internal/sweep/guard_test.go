package sweep

import (
	"testing"

	"github.com/mediasweep/mediasweep/internal/policy"
)

func TestTripped(t *testing.T) {
	tests := []struct {
		name, guard             string
		looked, absent, expired int
		known                   int
		claimed                 int // by a checkpoint; 0 for the live media
		want                    string
	}{
		{"exactly the percentage", "maxDelete: 1000000, maxPercent: 32.3", 1000, 0, 323, 0, 0, ""},
		{"one more", "maxDelete: 1000000, maxPercent: 32.3", 1000, 0, 324, 0, 0, "324 of 1000 live media have expired (32.4 %) and guard.maxPercent is 32.3"},
		{"a third in decimals", "maxDelete: 1000000, maxPercent: 33.333333", 3_000_000, 0, 999_999, 0, 0, ""},
		{"a little more than that", "maxDelete: 1000000, maxPercent: 33.333333", 3_000_000, 0, 1_000_000, 0, 0, "1000000 of 3000000 live media have expired (33.3 %) and guard.maxPercent is 33.333333"},
		{"of the live ones", "maxPercent: 10", 1000, 500, 51, 0, 0, "51 of 500 live media have expired (10.2 %) and guard.maxPercent is 10"},
		{"passed over", "maxPercent: 10", 500, 0, 100, 500, 0, ""},
		{"few media", "maxPercent: 10", 99, 0, 99, 0, 0, ""},
		{"no percent of few", "maxPercent: 0", 99, 0, 1, 0, 0, "1 of 99 live media have expired (1.0 %) and guard.maxPercent is 0"},
		{"all", "maxPercent: 100.0", 1000, 0, 1000, 0, 0, ""},
		{"a claim of more", "maxPercent: 10", 100, 0, 11, 0, 1000, "11 of 100 live media have expired (11.0 %) and guard.maxPercent is 10"},
		{"a claim for few", "maxPercent: 10", 50, 0, 6, 0, 1000, "6 of 50 live media have expired (12.0 %) and guard.maxPercent is 10"},
		{"the count", "maxPercent: 100, maxDelete: 10", 1000, 0, 11, 0, 0, "11 media have expired and guard.maxDelete is 10"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := policy.Parse("p", []byte("version: 1\nguard: {"+test.guard+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			live := test.looked - test.absent + test.known
			if got := tripped(p.Guard, test.expired, live, max(live, test.claimed)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
