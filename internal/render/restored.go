package render

import (
	"encoding/csv"
	"io"
	"iter"

	"github.com/mediasweep/mediasweep/internal/report"
)

// WriteRestoredCSV writes the results of a restore with a row for each medium.
func WriteRestoredCSV(w io.Writer, results iter.Seq2[report.RestoredMedium, error]) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"mediaId", "newId", "object", "outcome", "message"})
	for m, err := range results {
		if err != nil {
			return err
		}
		_ = table.Write([]string{m.MediaID, m.NewID, m.Object, string(m.Result), m.Reason})
	}
	table.Flush()
	return table.Error() // of any of the writes
}
