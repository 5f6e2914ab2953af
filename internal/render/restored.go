package render

import (
	"iter"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteRestoredCSV writes the results of a restore with a row for each medium.
func WriteRestoredCSV(c *CSV, results iter.Seq2[report.RestoredMedium, error]) error {
	c.Head("mediaId", "newId", "object", "outcome", "message")
	for m, err := range results {
		if err != nil {
			return err
		}
		c.Row(m.MediaID, m.NewID, m.Object, string(m.Result), m.Reason)
	}
	return c.Flush()
}
