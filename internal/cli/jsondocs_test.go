package cli_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/history"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// The pages name every field of the JSON that commands and routes print. Calls to MPS are named as MPS names them.
func TestPagesNameEveryJSONField(t *testing.T) {
	named := append(codeSpans(t, "../../docs/requests.md"), codeSpans(t, "../../docs/operations.md")...)
	fields := map[string]bool{}
	for _, value := range []any{
		report.Report{}, plan.Contents{}, plan.Entry{}, retention.Hold{}, retention.Explanation{}, history.History{}, report.Forecast{}, retention.Diff{}, report.Stats{},
	} {
		addFields(reflect.TypeOf(value), fields)
	}
	if len(fields) < 100 {
		t.Errorf("only %d fields were found", len(fields))
	}
	for field := range fields {
		if field[0] >= 'a' && !slices.Contains(named, field) {
			t.Errorf("docs/requests.md does not name `%s`", field)
		}
	}
}

// addFields adds the names of the JSON fields of a type, and of the types below it.
func addFields(of reflect.Type, fields map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		addFields(of.Elem(), fields)
	case reflect.Struct:
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "-" || !field.IsExported() || name == "" && !field.Anonymous {
				continue
			}
			if name != "" {
				fields[name] = true
			}
			addFields(field.Type, fields)
		}
	default:
	}
}
