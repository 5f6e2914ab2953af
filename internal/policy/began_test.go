package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// A period that began then has passed, and one that began a second later has not.
func TestPeriodBegan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, zone := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"1h", "7d", "1mo", "2mo3d", "13mo", "1y", "4y", "100y"} {
			period, err := policy.ParsePeriod(text)
			if err != nil {
				t.Fatal(err)
			}
			for range 300 {
				asOf := time.Unix(1_700_000_000+random.Int64N(10*366*86400), 0)
				at := period.Began(asOf, location)
				if period.After(at, location).After(asOf) || !period.After(at.Add(time.Second), location).After(asOf) {
					t.Fatalf("%s in %s at %v: %v", text, zone, asOf, at)
				}
			}
		}
	}
}
