package history

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decode returns each field of a decision as encoding/json does, and refuses a text that is none.
func TestDecode(t *testing.T) {
	at := time.Date(2026, 6, 30, 20, 0, 0, 0, time.UTC)
	var all Decision
	for _, field := range reflect.ValueOf(&all).Elem().Fields() {
		if field.CanConvert(reflect.TypeFor[string]()) {
			field.SetString("<é\"\u2028 " + field.Type().Name())
		}
	}
	all.At, all.MediaID, all.Orphan = at, "a", true
	for name, d := range map[string]Decision{"all": all, "least": {At: at, MediaID: "a", Run: "r"}} {
		line, err := d.encode()
		var want Decision
		err = errors.Join(err, json.Unmarshal(line, &want))
		got, decodeErr := decode(line)
		if err := errors.Join(err, decodeErr); err != nil || want != d {
			t.Fatalf("%s: %s, %v", name, line, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-encoding/json +decode):\n%s", name, diff)
		}
	}
	for _, line := range []string{`{"at":"2026-06-30T20:00:00Z","mediaId":"a","run":7}`, `{"at":7,"mediaId":"a","run":"r"}`, `{"at":"2026-06-30T20:00:00Z","mediaId":"a","run":"r"`, `{"at":"2026-06-30T20:00:00Z","mediaId":"a","run":"r","orphan":"yes"}`, `[]`} {
		if d, err := decode([]byte(line)); err == nil {
			t.Errorf("%s is taken for %+v", line, d)
		}
	}
}
