package manifest

import (
	"bufio"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
)

// A row that is read the short way has the cells, and the length, that it has the long way.
func FuzzSimpleRow(f *testing.F) {
	for _, text := range []string{
		"a,b\n", `"a","b"` + "\n", `"a,b",c` + "\nnext\n", `"a""b",c` + "\n", `a"b,c` + "\n", "\"a\nb\",c\n", "a,b\r\n", "a\rb\n", "a\r", "\n", " \n", ",\n", `"",""` + "\n",
		`"a"b,c` + "\n", `"a` + "\n" + `b"` + "\n", "a,b", `"`, `"a",` + "\n", ",a\n", "\x00,\xff\n", `a,"b` + "\n" + `"c",d` + "\n",
	} {
		f.Add(text)
	}
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		table := func() *table {
			return &table{lines: openLines(bufio.NewReaderSize(strings.NewReader(text), 1<<12)), separator: ',', oneLined: true}
		}
		one := table()
		_, _ = one.text.Peek(1) // it shows what is buffered
		shown := one.text.Buffered()
		cells, line := one.simpleRow(nil)
		if line == 0 {
			return
		}
		row := text[:shown-one.text.Buffered()]
		got := make([]string, len(cells))
		for i, cell := range cells {
			got[i] = string(cell)
		}
		other := table()
		long, err := other.row()
		if want := other.cells(); err != nil || other.problem != nil || line != 1 || row != string(long) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: cells %q of %q; the long way %q of %q, %v, %v", text, got, row, want, long, other.problem, err)
		}
	})
}

// A key is unescaped as net/url does.
func FuzzUnescape(f *testing.F) {
	for _, key := range []string{"", "a", "a%2Fb", "%e4%BD%a0+", "%", "%2", "%2g", "%%20", "a%00", "%zz%20"} {
		f.Add(key)
	}
	fuzztest.Fuzz(f, func(t *testing.T, key string) {
		want, err := url.PathUnescape(key)
		var k keys
		if got, ok := k.unescape([]byte(key)); got != want || ok != (err == nil) {
			t.Errorf("%q: %q, %v; net/url has %q, %v", key, got, ok, want, err)
		}
	})
}

// A key stays as it is while later ones share its memory. Most keys take no allocation.
func TestKeys(t *testing.T) {
	var k keys
	var got, want []string
	for i := range 1000 {
		key := strings.Repeat("a/", i*31%700) + strconv.Itoa(i)
		one, ok := k.unescape([]byte(url.PathEscape(key)))
		if !ok {
			t.Errorf("%q is malformed", key)
		}
		got, want = append(got, one), append(want, key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	escaped := []byte("clips%2Fa.mp4")
	if allocations := testing.AllocsPerRun(1000, func() { k.unescape(escaped) }); allocations > 0 {
		t.Errorf("%v allocations for a key", allocations)
	}
}

// A time is the same after each other time of a report.
func TestDay(t *testing.T) {
	fields := []string{
		"2026-01-31T08:00:00.000Z", "2026-01-31T23:59:59.000Z", "2026-01-31T23:59:59.999Z", "2026-01-31T24:00:00.000Z", "2026-01-31T08:60:00.000Z",
		"2026-01-31T08:00:60.000Z", "2026-01-31T08-00-00.000Z", "2026-01-31T0:000:00.000Z", "2026-01-31T08:00:0/.000Z", "2026-01-31T08:00:0:.000Z", "2026-01-31T08:00-00.000Z", "2026-01-31T08-00:00.000Z",
		"2026-01-31T:0:00:00.000Z", "   2026-01-31T08:00:00Z ", "   2026-01-08:00:00.000Z", "2026-01-31T08:00:00Z    ", "                        ",
		"2026-02-31T08:00:00.000Z", "2026-02-28T08:00:00.000Z", "2026-01-31T08:00:00.0000", "2026-01-31T01:00:00+0800", "2026-01-31T7:00:00+08:00", "1969-12-31T08:00:00.000Z",
		"2026-01-31T08-00-00Z", "2026-01-31T08:00:00Z", "2026-01-31T8:00:00.00000", "9999-12-31T23:59:59.000Z", "0000-01-01T00:00:00.000Z", "2026-01-31T05:00:00+08:00", "", "x",
	}
	for _, first := range fields {
		for _, field := range fields {
			var d day
			_, _ = d.parse([]byte(first))
			got, err := d.parse([]byte(field))
			want, wantErr := parseModified([]byte(field))
			if got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%s after %s: %d, %v; want %d, %v", field, first, got, err, want, wantErr)
			}
		}
	}
}
