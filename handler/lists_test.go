package handler_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/report"
)

const listPolicy = `manifests: ["oss://ops/lists/**"]`

// listEvent says that an object of the ops bucket was written.
func listEvent(key string) string {
	return strings.ReplaceAll(string(ossEvent(key)), "media-in", "ops")
}

// A name in a list is the name byte for byte, whatever stands beside it in the bucket.
func TestListsNameByteForByte(t *testing.T) {
	w := newWorld(t, emulator.Config{}, withInventory("", listPolicy))
	plain := w.add("raw/a.mp4", 300)
	var ids []string
	list := "object,note\n"
	for _, odd := range []string{"raw/a.mp4 ", "raw/a.mp4\t", "raw/a.mp4\u00a0", "raw/a.mp4\u3000", "raw/a.mp4\r", "raw/a.mp4\r\n", "raw/a.mp4\n", "raw/\"a.mp4", "raw/a,mp4", "raw/;a", "raw/\ufeffa"} {
		ids = append(ids, w.add(odd, 300).ID)
		list += fmt.Sprintf("\"oss://media-in/%s\",x\n", strings.ReplaceAll(odd, `"`, `""`))
	}
	w.e.PutObject("ops", "lists/a.csv", []byte(list), time.Now())
	if r, _ := w.invoke(listEvent("lists/a.csv")); r.Status != report.Done || r.Counts.Deleted != len(ids) {
		t.Errorf("%s %s, %+v, %+v", r.Status, r.Error, r.Counts, r.Failures)
	}
	slices.Sort(ids)
	if got := w.deleted(); !slices.Equal(got, ids) {
		t.Errorf("deleted %q, want %q; %s is another medium", got, ids, plain.ID)
	}
}

// A list that is not whole names nothing, however it comes to be read.
func TestListsThatAreNotWhole(t *testing.T) {
	rows := "object\n"
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprint("clips/", i))
		rows += "oss://media-in/" + keys[i] + "\n"
	}
	whole := zipped(rows)
	damaged := func(at int) []byte {
		body := bytes.Clone(whole)
		body[len(body)+at] ^= 1
		return body
	}
	tests := []struct {
		name string
		body []byte
		says string
	}{
		{"a wrong CRC", damaged(-8), "checksum"},
		{"a wrong length", damaged(-1), "checksum"},
		{"no trailer", whole[:len(whole)-8], "cut off"},
		{"a cut", whole[:len(whole)/2], "cut off"},
		{"something behind", append(bytes.Clone(whole), "more of something else"...), "follows"},
		{"a second part that is cut", append(bytes.Clone(whole), whole[:len(whole)-3]...), "cut off"},
		{"half a character", append(utf16LE(rows), 'x'), "cut off"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{}, withInventory("", listPolicy))
			for _, key := range keys {
				w.add(key, 300)
			}
			w.e.PutObject("ops", "lists/a.csv.gz", test.body, time.Now())
			r, _ := w.invoke(listEvent("lists/a.csv.gz"))
			if r.Status != report.Failed || len(w.deleted()) > 0 || r.Counts.Looked > 0 || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, test.says) {
				t.Errorf("%s %s, %+v, %+v, %d deleted", r.Status, r.Error, r.Counts, r.Failures, len(w.deleted()))
			}
			w.e.PutObject("ops", "lists/a.csv.gz", whole, time.Now())
			if r = w.mustInvoke(listEvent("lists/a.csv.gz"), report.Done); r.Counts.Deleted != 30 {
				t.Errorf("the whole list: %+v", r.Counts)
			}
		})
	}
}

func utf16LE(text string) []byte {
	b := []byte("\xff\xfe")
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return b
}

// Of what lies below manifests only lists are read. The rest is passed over with a note;
// a report whose checksum is not there yet fails, and is read when the event comes again.
func TestObjectsThatAreNoLists(t *testing.T) {
	onTurnedClock(t, withInventory("", listPolicy), testObjectsThatAreNoLists)
}

func testObjectsThatAreNoLists(t *testing.T, w *world) {
	for i := range 3 {
		w.add(fmt.Sprint("clips/", i), 300)
	}
	w.add("lists/", 300) // not in that bucket
	manifest := w.inventoryReport("lists/inv", []string{"clips/0", "clips/1", "clips/2"}, 2)
	checksum, _ := w.e.Object("ops", path.Dir(manifest)+"/manifest.checksum")
	w.e.PutObject("ops", "lists/", nil, time.Now())
	for key, says := range map[string]string{"lists/": "a folder marker", "lists/inv/": "a folder marker", "lists/inv/data/0.csv.gz": "a data file", checksum.Key: "the checksum"} {
		r := w.mustInvoke(listEvent(key), report.Done)
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "oss://ops/"+key) || !strings.Contains(r.Notes[0], says) || r.Counts != (report.Counts{}) {
			t.Errorf("%s: %q, %+v", key, r.Notes, r.Counts)
		}
	}
	w.e.RemoveObject("ops", checksum.Key)
	if r, _ := w.invoke(listEvent(manifest)); r.Status != report.Failed || !strings.Contains(r.Error, "manifest.checksum") {
		t.Errorf("without its checksum: %s %s", r.Status, r.Error)
	}
	w.e.PutObject("ops", checksum.Key, checksum.Body, time.Now())
	if r := w.mustInvoke(listEvent(manifest), report.Done); r.Counts.Deleted != 3 {
		t.Errorf("%+v", r.Counts)
	}
}

// A list that is none fails the run. A list of bad rows was read: the run is partial.
func TestListsOfWhichNothingCanBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want report.Status
	}{
		"nothing": {"", report.Failed}, "only a mark": {"\ufeff", report.Failed}, "Excel": {"PK\x03\x04...", report.Failed}, "an array": {`[{"mediaId":"m1"}]`, report.Failed},
		"spaces": {"\n \n", report.Failed}, "no column": {"id\nm1\n", report.Failed}, "NULs": {strings.Repeat("\x00", 1000), report.Failed}, "a long line": {strings.Repeat("x", 3<<20), report.Failed},
		"bad rows": {"object\nclips/1\n", report.Partial}, "other objects": {`{"mediaIds":["m1"]}`, report.Partial}, "one quote": {"mediaId\n\"m1", report.Partial}, "CR and LF": {"mediaId\rm1\nm2\r", report.Partial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Config{}, withInventory("", listPolicy))
			w.e.PutObject("ops", "lists/a", []byte(test.body), time.Now())
			if r, _ := w.invoke(listEvent("lists/a")); r.Status != test.want || len(r.Failures) == 0 || len(r.Failures[0].Message) > 1000 {
				t.Errorf("%s %s, %+v", r.Status, r.Error, r.Failures)
			}
		})
	}
}

// Reading stops after ten thousand bad rows; what was read before counts.
func TestTooManyBadRows(t *testing.T) {
	w := newWorld(t, emulator.Config{}, withInventory("", listPolicy))
	first, last := w.add("clips/first", 300), w.add("clips/last", 300)
	long := strings.Repeat("y", 100_000)
	list := "mediaId,x\n" + first.ID + ",\n" + long + ",\n" + strings.Repeat("\n no ID,\n", 10_500) + last.ID + ",\n"
	w.e.PutObject("ops", "lists/a.csv", []byte(list), time.Now())
	r := w.mustInvoke(listEvent("lists/a.csv"), report.Partial)
	if got := w.deleted(); !slices.Equal(got, []string{first.ID}) || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "9901 more failures") {
		t.Errorf("deleted %q, notes %q", got, r.Notes)
	}
	if answer, err := json.Marshal(r); err != nil || len(answer) > 100_000 {
		t.Errorf("a report of %d bytes, %v", len(answer), err)
	}
}

// Names in requests and lists are literal. One that looks like a prefix or a pattern and
// has no medium is noted; a folder that a listing finds is not.
func TestNamesThatLookLikePrefixes(t *testing.T) {
	w := newWorld(t, emulator.Config{}, enforcing)
	w.e.PutObject("media-in", "drafts/", nil, time.Now())
	star := w.add("drafts/*", 300)
	w.add("drafts/a", 300)
	r := w.mustInvoke(`{"objects":["oss://media-in/drafts/","oss://media-in/drafts/**","oss://media-in/drafts/*","oss://media-in/nothing"]}`, report.Done)
	want := []string{"\"oss://media-in/drafts/\" has no medium: a name is literal here, not a prefix or a pattern", "\"oss://media-in/drafts/**\" has no medium: a name is literal here, not a prefix or a pattern"}
	slices.Sort(r.Notes)
	slices.Sort(want)
	if !slices.Equal(r.Notes, want) || r.Counts.Expired != 1 || r.Counts.ObjectsWithoutMedia != 3 {
		t.Errorf("%q, %+v", r.Notes, r.Counts)
	}
	w.e.PutObject("ops", "a.csv", []byte("object\noss://media-in/drafts/\noss://media-in/drafts/*\n"), time.Now())
	if r = w.mustInvoke(`{"manifest":"oss://ops/a.csv"}`, report.Done); !slices.Equal(r.Notes, want[1:]) && !slices.Equal(r.Notes, want[:1]) {
		t.Errorf("a list: %q", r.Notes)
	}
	if r = w.mustInvoke(everything, report.Done); len(r.Notes) > 0 || !slices.Contains(w.deleted(), star.ID) {
		t.Errorf("the inventory: %q", r.Notes)
	}
	many := make([]string, 50)
	for i := range many {
		many[i] = fmt.Sprintf("oss://media-in/%d/", i)
	}
	if r = w.mustInvoke(request("objects", many), report.Done); len(r.Notes) != 21 || r.Notes[20] != "30 more names that end in / or * have no medium" {
		t.Errorf("%d notes: %q", len(r.Notes), r.Notes)
	}
}
