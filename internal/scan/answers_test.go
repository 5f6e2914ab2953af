package scan

import (
	"testing"

	"github.com/mediasweep/mediasweep/internal/mps"
)

// Candidates of a look-up that failed are failures of the report, and the scan is not whole.
func TestLookUpsThatFail(t *testing.T) {
	c := newCloud(t)
	for _, key := range []string{"a", "b", "c"} {
		c.listed = append(c.listed, key)
		c.add(testMedium("m"+key, key, 400))
	}
	c.before = func(int) error {
		return &mps.Error{Op: mps.QueryMediaListByURL, Kind: mps.Throttled, Code: "Throttling.User"}
	}
	got := c.scan(t.Context(), c.scanner(testPolicy), daily)
	if got.found.End() != nil || !got.found.Missing || len(got.report.Failures) != 3 || got.report.Failures[0].Code != "Throttling.User" || len(got.ids) != 0 {
		t.Errorf("%v, missing %v, %+v, %d lines", got.found.End(), got.found.Missing, got.report.Failures, len(got.ids))
	}
}
