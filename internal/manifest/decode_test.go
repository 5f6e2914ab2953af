package manifest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A text may have exactly as many bytes as the bound.
func TestBounded(t *testing.T) {
	for bound, want := range map[int64]error{4: nil, 3: nil, 2: errTooMuchText, 0: errTooMuchText} {
		if text, err := io.ReadAll(&bounded{strings.NewReader("abc"), bound}); !errors.Is(err, want) || want == nil && string(text) != "abc" {
			t.Errorf("bound %d: %q, %v", bound, text, err)
		}
	}
}

// UTF-16 without a byte order mark is refused in either order.
func TestRefuseUTF16(t *testing.T) {
	for _, head := range []string{"m\x00e\x00", "\x00m\x00e", "\x00"} {
		if err := refuse([]byte(head)); err == nil || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%q: %v", head, err)
		}
	}
	for _, head := range []string{"", "mediaId\x00", "a"} {
		if err := refuse([]byte(head)); err != nil {
			t.Errorf("%q: %v", head, err)
		}
	}
}

// A report may have its columns in any order, and exactly maxColumns of them.
func TestColumnsOfAReport(t *testing.T) {
	schema := func(columns int) string {
		names := "Key, Bucket"
		for i := range columns - 2 {
			names += fmt.Sprint(",c", i)
		}
		return names
	}
	for columns, ok := range map[int]bool{2: true, maxColumns: true, maxColumns + 1: false} {
		i := Inventory{}
		if err := i.setColumns(schema(columns)); (err == nil) != ok || ok && (i.key != 0 || i.bucket != 1 || i.columns != columns || i.modified >= 0) {
			t.Errorf("%d columns: %+v, %v", columns, i, err)
		}
	}
	for _, schema := range []string{"Key", "Bucket", "Key, , Bucket", ""} {
		if err := (&Inventory{}).setColumns(schema); err == nil {
			t.Errorf("%q was accepted", schema)
		}
	}
}

// A column counts wherever it stands, also as the first one.
func TestFirstColumnOfAReport(t *testing.T) {
	for schema, rows := range map[string]string{
		"IsLatest, Bucket, Key":         "true,media-in,a\nfalse,media-in,b\n",
		"IsDeleteMarker, Bucket, Key":   "true,media-in,b\nfalse,media-in,a\n",
		"LastModifiedDate, Bucket, Key": "2026-01-31T08:00:00.000Z,media-in,a\n",
	} {
		i := Inventory{Bucket: "media-in"}
		if err := i.setColumns(schema); err != nil {
			t.Fatal(err)
		}
		var got []string
		for row, err := range i.Rows(strings.NewReader(rows)) {
			if err != nil || (row.Modified == 0) == strings.HasPrefix(schema, "Last") {
				t.Errorf("%s: modified %d, %v", schema, row.Modified, err)
			}
			got = append(got, row.Object.Key)
		}
		if len(got) != 1 || got[0] != "a" {
			t.Errorf("%s: %q", schema, got)
		}
	}
}
