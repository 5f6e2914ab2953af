package trigger

import (
	"reflect"
	"testing"
)

func TestParseHold(t *testing.T) {
	for body, want := range map[string]HoldRequest{
		`{"target":"id1","reason":"trial"}`:                                      {Target: "id1", Until: "forever", Reason: "trial"},
		` {"target":"oss://b/**","until":"2027-01-31","reason":"\u8bc9\u8bbc"} `: {Target: "oss://b/**", Until: "2027-01-31", Reason: "诉讼"},
		`{"target":"id1","until":"","reason":"x"}`:                               {Target: "id1", Until: "", Reason: "x"}, // refused by whoever reads the day
	} {
		if got, err := ParseHold([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{
		``, `{`, `[]`, `null`, `"id1"`, `{"target":"id1","target":"id2"}`, `{"target":"id1","Reason":"x"}`, `{"target":null}`, `{"target":["id1"]}`,
		`{"target":"id1","until":20270131}`, `{"target":"\ud800"}`, `{"target":"id1"} x`, "\xff\xfe{",
	} {
		if got, err := ParseHold([]byte(body)); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if _, err := ParseHold([]byte(`{"target":"id1","until":null}`)); err == nil || err.Error() != "hold: until must be a text, not null" {
		t.Error(err)
	}
}
