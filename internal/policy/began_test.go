package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// A period that began then has passed, and none that began later has: not a second later, and not by a shorter month.
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
			for range 10 {
				asOf := time.Date(2024+random.IntN(4), 3, random.IntN(4)-2, random.IntN(24), random.IntN(60), random.IntN(60), 0, location)
				at := period.Began(asOf, location)
				for later := at.Add(time.Second); later.Before(at.AddDate(0, 0, 6)); later = later.Add(601 * time.Second) {
					if !period.After(later, location).After(asOf) {
						t.Fatalf("%s in %s at %v: %v, and it has passed since %v", text, zone, asOf, at, later)
					}
				}
			}
		}
	}
}
