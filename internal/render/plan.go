package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// WriteEntriesCSV writes the entries of a plan, the error of reading which it
// returns.
func WriteEntriesCSV(w io.Writer, entries iter.Seq2[plan.Entry, error]) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"mediaId", "object", "rule", "reason", "expiresAt", "state"})
	for entry, err := range entries {
		if err != nil {
			return err
		}
		object := ""
		if m, err := media.Parse(entry.Record); err == nil && !m.Object.IsZero() {
			object = m.Object.String()
		}
		_ = table.Write([]string{entry.MediaID, object, entry.Rule, entry.Reason, entry.ExpiresAt.Format(time.RFC3339), entry.State})
	}
	table.Flush()
	return table.Error() // of any of the writes
}

// WritePlans writes a list of plans for a person at a terminal.
func WritePlans(b *strings.Builder, plans []plan.Contents) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "plan\tas of\tmedia\tpolicy\tblocked") //nolint:errcheck // a Builder takes everything
	for _, p := range plans {
		say(t, "%s\t%s\t%d\t%s\t%s", p.ID, p.Head.AsOf.Format(time.RFC3339), p.Entries, p.Head.Policy, p.Blocked)
	}
	_ = t.Flush() // as above
}
