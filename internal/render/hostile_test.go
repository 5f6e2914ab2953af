package render_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/render"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/text"
)

// fill sets every text within a value, and gives every list an element.
func fill(v reflect.Value, with string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(with)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), with)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), with)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(asOf))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), with)
			}
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
	}
}

func filled[T any](with string) T {
	var value T
	fill(reflect.ValueOf(&value).Elem(), with)
	return value
}

// TestTablesAreForTerminals puts into every field what a terminal acts on: none of it comes
// through, and no value begins a line or a column of its own.
func TestTablesAreForTerminals(t *testing.T) {
	tables := map[string]func(with string) string{
		"report": func(with string) string {
			r := filled[report.Report](with)
			r.Error = strings.ReplaceAll(r.Error, "\n", "") // which may have lines
			r.Restore = nil
			var b strings.Builder
			if err := render.WriteReport(&b, &r); err != nil {
				t.Fatal(err)
			}
			return b.String()
		},
		"restore": func(with string) string {
			r := filled[report.Report](with)
			r.Error = strings.ReplaceAll(r.Error, "\n", "")
			var b strings.Builder
			if err := render.WriteReport(&b, &r); err != nil {
				t.Fatal(err)
			}
			return b.String()
		},
		"explanation": func(with string) string {
			e := filled[retention.Explanation](with)
			var b strings.Builder
			render.WriteExplanation(&b, &e)
			return b.String()
		},
		"forecast": func(with string) string {
			f := filled[retention.Forecast](with)
			var b strings.Builder
			render.WriteForecast(&b, report.Forecast{Forecast: &f})
			return b.String()
		},
		"diff": func(with string) string {
			d := filled[retention.Diff](with)
			var b strings.Builder
			render.WriteDiff(&b, &d)
			return b.String()
		},
		"runs": func(with string) string {
			var b strings.Builder
			render.WriteRuns(&b, filled[[]render.Run](with))
			return b.String()
		},
		"stats": func(with string) string {
			s := filled[report.Stats](with)
			var b strings.Builder
			render.WriteStats(&b, &s)
			return b.String()
		},
		"plans": func(with string) string {
			var b strings.Builder
			render.WritePlans(&b, filled[[]plan.Contents](with))
			return b.String()
		},
	}
	for name, table := range tables {
		lines := strings.Count(table("plain"), "\n")
		for _, with := range []string{"a\x1b[2J\x1b]0;x\a", "a\u009b31m", "a\u202eb\u2066c\u200f", "a\nb\r\nc", "a\tb\vc\f", "a\x7f\xff\xc3"} {
			got := table(with)
			if text.Printable(got) != got || strings.Count(got, "\n") != lines {
				t.Errorf("%s of %q: %q", name, with, got)
			}
		}
	}
}
