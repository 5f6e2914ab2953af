package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/plan"
)

const published = `{"CreationTime":"2020-01-01T00:00:00Z","MediaId":"a","PublishState":"Published"}`

func entry(id, record string) plan.Entry {
	return plan.Entry{MediaID: id, Rule: "r", State: "Published", Record: json.RawMessage(record)}
}

func TestLineOf(t *testing.T) {
	created, read := time.Unix(1_500_000_000, 7), time.Unix(1_600_000_000, 7)
	line, err := plan.LineOf(entry("a", published), created, read)
	if err != nil {
		t.Fatal(err)
	}
	if line.MediaID != "a" || line.Rule != "r" || line.State != "Published" || line.Created != 1_500_000_000 || line.ReadAt != 1_600_000_000 || line.Outranked {
		t.Errorf("line %+v", line)
	}
	text, err := entry("a", published).Line()
	if err != nil || string(line.Text) != string(text) || !plan.HasRecord(line.Text, json.RawMessage(published)) {
		t.Errorf("text %s, want %s (%v)", line.Text, text, err)
	}
	if _, err := plan.LineOf(entry("a", "{"), created, read); err == nil {
		t.Error("a record that is no JSON has a line")
	}
}

// A line may have exactly MaxLine bytes.
func TestLineOfIsBounded(t *testing.T) {
	record := func(title int) string { return `{"Title":"` + strings.Repeat("x", title) + `"}` }
	empty, err := entry("a", record(0)).Line()
	if err != nil {
		t.Fatal(err)
	}
	for over, want := range map[int]bool{0: true, 1: false} {
		line, err := plan.LineOf(entry("a", record(plan.MaxLine-len(empty)+over)), time.Unix(1, 0), time.Unix(2, 0))
		if (err == nil) != want {
			t.Errorf("%d bytes: %v", len(line.Text), err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint("the limit is ", plan.MaxLine)) {
			t.Error(err)
		}
	}
}

// A line from the state store is older than any decision may be.
func TestSaved(t *testing.T) {
	line, err := plan.Saved(entry("a", published))
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if line.MediaID != "a" || line.ReadAt != plan.Unread || line.Created != want.Unix() || line.Medium.ID != "a" || !line.Medium.Created.Equal(want) {
		t.Errorf("line %+v, medium %+v", line, line.Medium)
	}
}

func TestSavedRefusesForeignRecords(t *testing.T) {
	for name, test := range map[string]struct{ record, says string }{
		"another ID":        {strings.Replace(published, `"a"`, `"b"`, 1), "another MediaId"},
		"no ID":             {strings.Replace(published, `"MediaId":"a",`, "", 1), "the record of"},
		"two IDs":           {strings.Replace(published, "{", `{"MediaId":"b",`, 1), "the record of"},
		"in doubt":          {strings.Replace(published, "{", `{"PublishState":"Initiated",`, 1), "the record of"},
		"no JSON":           {"{", ""},
		"nothing":           {"", ""},
		"null":              {"null", ""},
		"an ID in a number": {`{"MediaId":7}`, "the record of"},
	} {
		line, err := plan.Saved(entry("a", test.record))
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %+v, %v", name, line, err)
		}
	}
}
