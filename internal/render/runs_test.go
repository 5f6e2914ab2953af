package render_test

import (
	"encoding/csv"
	"strconv"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
)

// Whoever adds up the columns of a run gets what has expired, announced media too.
func TestColumnsOfARunAddUp(t *testing.T) {
	r := &report.Report{Tally: report.Tally{Counts: report.Counts{Looked: 2000, Expired: 63, Deleted: 1, Gone: 2, Failed: 4, Unverified: 8, Pending: 16, Announced: 32}}}
	var b strings.Builder
	if err := render.WriteRunsCSV(render.NewCSV(&b, false), []render.Run{{Report: r}}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%q, %v", b.String(), err)
	}
	cells := map[string]int{}
	for i, name := range rows[0] {
		cells[name], _ = strconv.Atoi(rows[1][i])
	}
	if sum := cells["deleted"] + cells["gone"] + cells["failed"] + cells["unverified"] + cells["pending"] + cells["announced"]; sum != cells["expired"] || sum != 63 {
		t.Errorf("%d of %d: %s", sum, cells["expired"], b.String())
	}
}
