package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/plan"
)

// contents returns the contents of a plan with so many entries in segments.
func contents(entries, segments int) plan.Contents {
	c := plan.Contents{ID: "sha256:" + strings.Repeat("0", 64), Head: sample().Head, Entries: entries, Segments: []string{}}
	for i := range segments {
		c.Segments = append(c.Segments, plan.SegmentName(c.ID, i+1))
	}
	return c
}

// Contents that no run writes are refused: what they say of the media cannot be checked.
func TestParseContentsRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		of plan.Contents
		ok bool
	}{
		"without media":         {contents(0, 0), true},
		"media without segment": {contents(1, 0), false},
		"segment without media": {contents(0, 1), false},
		"a full segment":        {contents(1000, 1), true},
		"as many of both":       {contents(2, 2), true},
		"more segments":         {contents(2, 3), false},
		"negative":              {contents(-1, 0), false},
	} {
		if record, err := test.of.Record(); (err == nil) != test.ok {
			t.Errorf("%s: %s: %v", name, record, err)
		}
	}
	other := contents(2, 2)
	other.Segments[1] = other.Segments[0]
	if _, err := other.Record(); err == nil {
		t.Error("a segment counts twice")
	}
	other = contents(0, 0)
	other.Head.AsOf = other.Head.AsOf.AddDate(-10_000, 0, 0)
	if _, err := other.Record(); err == nil {
		t.Error("a year that JSON does not have is written")
	}
}

// A record may have exactly MaxContents bytes.
func TestParseContentsIsBounded(t *testing.T) {
	record, err := contents(1, 1).Record()
	if err != nil {
		t.Fatal(err)
	}
	for over, want := range map[int]bool{0: true, 1: false} {
		padded := append(bytes.Repeat([]byte(" "), plan.MaxContents-len(record)+over), record...)
		if _, err := plan.ParseContents(padded); (err == nil) != want {
			t.Errorf("%d bytes: %v", len(padded), err)
		}
	}
}

// A scope of exactly MaxScope bytes is written whole. Of a larger one there are its digest and the number of its names.
func TestAScopeIsBounded(t *testing.T) {
	scope := func(over int) (written plan.Scope) {
		t.Helper()
		head := sample().Head
		head.Scope = plan.Scope{Plan: "sha256:p", Inventory: []string{"oss://media-in/"}, MediaIDs: []string{"a", ""}, Objects: []string{"o", "p", "q"}, Manifests: []string{"m"}}
		text, err := json.Marshal(plan.Scope{MediaIDs: head.Scope.MediaIDs, Objects: head.Scope.Objects, Manifests: head.Scope.Manifests})
		if err != nil {
			t.Fatal(err)
		}
		head.Scope.MediaIDs[1] = strings.Repeat("x", plan.MaxScope-len(text)+over)
		record, err := json.Marshal(head)
		var read plan.Head
		if err == nil {
			err = json.Unmarshal(record, &read)
		}
		if err != nil {
			t.Fatal(err)
		}
		return read.Scope
	}
	if whole := scope(0); whole.Digest != "" || len(whole.MediaIDs) != 2 || whole.Names != 0 {
		t.Errorf("%d bytes: digest %q of %d names", plan.MaxScope, whole.Digest, whole.Names)
	}
	short := scope(1)
	if short.Digest == "" || short.Names != 6 || short.Plan != "sha256:p" || len(short.Inventory) != 1 || len(short.MediaIDs)+len(short.Objects)+len(short.Manifests) > 0 {
		t.Errorf("a byte more: %.300v", short)
	}
}

// IDOf takes the ID from the name of a plan's head or of an empty plan, and from no other.
func TestNamesOfRecords(t *testing.T) {
	id := "sha256:" + strings.Repeat("0a", 32)
	for name, want := range map[string]bool{
		plan.Name(id): true, plan.EmptyName(id): true, plan.SegmentName(id, 1): false, plan.AppliedName(id): false, "plans/sha256-0a/plan.json": false,
		strings.Replace(plan.Name(id), "plans/", "plans-empty/", 1): false, strings.Replace(plan.EmptyName(id), "plans-empty/", "plans/", 1): false,
	} {
		if got, ok := plan.IDOf(name); ok != want || ok && got != id {
			t.Errorf("%s: %s, %v", name, got, ok)
		}
	}
	if first, last := plan.SegmentName(id, 1), plan.SegmentName(id, 123_456); first >= last || !strings.HasSuffix(first, "/000001.jsonl.gz") {
		t.Errorf("segments %s and %s", first, last)
	}
}

func TestCheckRegion(t *testing.T) {
	for of, ok := range map[string]bool{"": true, "cn-shanghai": true, "cn-beijing": false} {
		c := plan.Contents{Region: of}
		if err := c.CheckRegion("cn-shanghai"); (err == nil) != ok {
			t.Errorf("a plan of region %q: %v", of, err)
		}
	}
}

// The digest of a line is that of its record, whatever else the line says.
func TestDigests(t *testing.T) {
	seen := map[uint64]string{}
	for i := range 100 {
		e := entry("a", fmt.Sprintf(`{"MediaId":"a","Title":",\"record\":%d"}`, i/2))
		e.Reason = fmt.Sprintf(`,"record":{%d}`, i)
		line, err := e.Line()
		if err != nil {
			t.Fatal(err)
		}
		digest := plan.LineDigest(line)
		if of, err := plan.RecordDigest(e.Record); err != nil || of != digest {
			t.Errorf("%s: digest %d, and %d of its record: %v", line, digest, of, err)
		}
		if other, ok := seen[digest]; ok && other != string(e.Record) {
			t.Errorf("%s and %s have one digest", other, e.Record)
		}
		seen[digest] = string(e.Record)
	}
	if len(seen) != 50 {
		t.Errorf("%d digests of 50 records", len(seen))
	}
}
