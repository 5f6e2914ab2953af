package render_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/review"
)

// hostileText returns a text of characters that lists give a meaning.
func hostileText(random *rand.Rand) string {
	pieces := []string{" ", "\t", "\u00a0", "\u3000", "\r", "\n", "\r\n", `"`, `""`, ",", ";", "\ufeff", "=", "+", "-", "@", "'", "a", "b/", "视", "😀", "\x00", "\x1b[2J", "\u202e", "%20", "oss://", "\\", "sep=;", "mediaId", "{", "["}
	var b strings.Builder
	for range 1 + random.IntN(8) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

func hostileObjects(random *rand.Rand, n int) (list []media.Object) {
	for len(list) < n {
		if object, err := media.NewObject("media-in", hostileText(random)); err == nil {
			list = append(list, object)
		}
	}
	return list
}

// What -o csv writes names the same media when it is read as a list: with all columns by
// the IDs, and without those by the objects.
func TestCSVReadBackNamesTheSame(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		objects := hostileObjects(random, 1+random.IntN(20))
		var entries []plan.Entry
		var differences []retention.Difference
		for i, object := range objects {
			id := fmt.Sprintf("-%031x", i)
			record, err := json.Marshal(map[string]any{"MediaId": id, "Title": hostileText(random), "File": map[string]string{"URL": object.URL("cn-shanghai", media.Slash(i%2 == 0))}})
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, plan.Entry{MediaID: id, Rule: hostileText(random), Reason: hostileText(random), State: hostileText(random), Record: record})
			differences = append(differences, retention.Difference{MediaID: id, Object: object.String()})
		}
		excel := seed%2 == 0
		var planned, compared bytes.Buffer
		if err := (render.Plan{Items: itemsOf(entries)}).CSV(render.NewCSV(&planned, excel)); err != nil {
			t.Fatal(err)
		}
		table := render.NewCSV(&compared, excel)
		write := render.Differences(table)
		for _, d := range differences {
			write(d)
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		for name, written := range map[string]string{"plan": planned.String(), "diff": compared.String()} {
			checkRows(t, seed, name+" by ID", written, func(i int) manifest.Row { return manifest.Row{MediaID: entries[i].MediaID, Object: objects[i]} }, len(entries))
			byObject := strings.Replace(written, "mediaId", "medium", 1)
			checkRows(t, seed, name+" by object", byObject, func(i int) manifest.Row { return manifest.Row{Object: objects[i]} }, len(entries))
		}
	}
}

func itemsOf(entries []plan.Entry) iter.Seq2[review.Item, error] {
	return func(yield func(review.Item, error) bool) {
		for _, entry := range entries {
			m, err := media.Parse(entry.Record)
			if !yield(review.ItemOf(entry, m), err) {
				return
			}
		}
	}
}

func checkRows(t *testing.T, seed uint64, name, written string, want func(i int) manifest.Row, n int) {
	t.Helper()
	i := 0
	for row, err := range manifest.Rows(strings.NewReader(written)) {
		if err != nil || i == n {
			t.Fatalf("seed %d, %s, row %d: %v\n%q", seed, name, i, err, written)
		}
		if diff := cmp.Diff(want(i), row); diff != "" {
			t.Fatalf("seed %d, %s, row %d differs (-want +got):\n%s\n%q", seed, name, i, diff, written)
		}
		i++
	}
	if i != n {
		t.Fatalf("seed %d, %s: %d rows, want %d\n%q", seed, name, i, n, written)
	}
}
