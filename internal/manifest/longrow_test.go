package manifest_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/manifest"
)

// A list names nothing if the lines of a long row could be taken for rows. Long rows of one line cost no other row.
func TestLongRows(t *testing.T) {
	t.Parallel()
	const much = 600 << 10
	x := strings.Repeat("x", much)
	lines := strings.Repeat("kept,1,1\n", much/9)
	for name, test := range map[string]struct {
		row  string
		want string // of rows; empty if the list is refused
	}{
		"a cell of many lines":                       {`m2,"` + lines + lines + `",`, ""},
		"doubled quotes in it":                       {`m2,"` + lines + "a \"\"b\"\"\n\"\"c,1,1\n" + lines + `",`, ""},
		"a quote that is not doubled behind it":      {`m2,"` + lines + lines + `24" wide,`, ""},
		"two cells of many lines":                    {`m2,"` + lines + `","` + lines + `"`, ""},
		"a long cell behind one of two lines":        {"m2,\"\nkept,1,1\n\"," + x + x, ""},
		"a long cell before one of two lines":        {"m2," + x + x + ",\"\nkept,1,1\n\"", ""},
		"a long cell between a short and such a one": {"\"m2\"," + x + x + ",\"\nkept,1,1\n\"", ""},
		"long cells of one line":                     {`"m2","` + x + `","` + x + `"`, "m1 bad 3 m3"},
		"a long cell":                                {"m2," + x + x + ",", "m1 bad 3 m3"},
		"quotes in it":                               {"m2," + x + `"` + x + `",`, "m1 bad 3 m3"},
		"a long cell with a stray quote":             {"m2," + x + x + `,"a`, "m1 bad 3 m3"},
		"a stray quote":                              {`m2,"a` + strings.Repeat("\n", 2*much), "m1 bad 3 m3"},
		"a stray quote, and one that opens":          {`m2,"a` + strings.Repeat("\n", 2*much) + `m2,"a",1`, "m1 bad 3 m2 m3"},
	} {
		for ending, replaced := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r"} {
			for behind, text := range map[string]string{"a row": "\nm3,1,1", "nothing": ""} {
				if ending != "LF" && text == "" {
					continue // the end of a list has no ending
				}
				list := strings.ReplaceAll("mediaId,a,b\nm1,1,1\n"+test.row+text, "\n", replaced)
				err := manifest.Verify(strings.NewReader(list))
				switch {
				case (err != nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), "line 3: the row has more than"):
					t.Errorf("%s, %s, then %s: %v", name, ending, behind, err)
				case err == nil && text != "":
					if got := listed(manifest.Rows(strings.NewReader(list))); got != test.want {
						t.Errorf("%s, %s: got %.80s, want %s", name, ending, got, test.want)
					}
				}
			}
		}
	}
}

// A list that a writer of CSV wrote names what it was meant to, or it is refused: a row is too long, and has line breaks.
func TestLongRowsAsWritten(t *testing.T) {
	t.Parallel()
	refused := 0
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 5))
		long := false
		cell := func() string {
			unit := []string{"x", "kept,1,1\n", "\"", "\n", ",", "a \"b\"\n"}[random.IntN(6)]
			return strings.Repeat(unit, []int{0, 1, 3, 300 << 10, 700 << 10}[random.IntN(5)]/len(unit))
		}
		var b strings.Builder
		w := csv.NewWriter(&b)
		_ = w.Write([]string{"a", "mediaId", "b"})
		for i := range 4 {
			before := b.Len()
			row := []string{cell(), fmt.Sprint("m", i), cell()}
			_ = w.Write(row)
			w.Flush()
			long = long || b.Len()-before > 1<<20 && strings.Contains(row[0]+row[2], "\n")
		}
		err := manifest.Verify(strings.NewReader(b.String()))
		if err != nil {
			refused++
		}
		if err != nil && !long {
			t.Errorf("seed %d: refused: %v", seed, err)
		}
		if err != nil {
			continue
		}
		for row, err := range manifest.Rows(strings.NewReader(b.String())) {
			if err == nil && (row.MediaID == "" || row.MediaID[0] != 'm') {
				t.Errorf("seed %d: %+v", seed, row)
			}
		}
	}
	if refused == 0 {
		t.Error("no list was refused")
	}
}
