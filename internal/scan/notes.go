package scan

import (
	"encoding/json"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// describe adds notes about skipped candidates to the report.
func (c *scan) describe() {
	r := c.report
	if n := c.sources.unmatched; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rows of inventory reports skipped: no rule can match their objects", n))
	}
	c.literals.describe(r)
	for _, prefix := range c.request.Prefixes {
		if c.line(prefix.String()).Named == 0 && !c.Missing {
			r.Notes = append(r.Notes, fmt.Sprintf("no object is below %s", text.Quote(prefix.String())))
		}
	}
}

// listFailure adds a failure to the report, or to unlisted if the report is full.
func (c *scan) listFailure(failure report.Failure) {
	if c.report.Fail(failure) {
		return
	}
	failure.Message = text.Bound(failure.Message)
	encoded, err := json.Marshal(failure)
	if err == nil {
		err = c.unlisted.Add(fmt.Sprintf("%012d", c.unlisted.Len()), encoded)
	}
	if err != nil {
		c.Log.Error("failure not listed", "mediaId", failure.MediaID, "object", failure.Object, "message", failure.Message, "error", err.Error())
	}
}
