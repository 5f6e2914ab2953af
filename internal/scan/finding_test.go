package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/checkpoint"
	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

// randomFinding returns any finding that a scan may make.
func randomFinding(random *rand.Rand) *finding {
	number := func() int64 {
		return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, random.Int64()}[random.IntN(6)]
	}
	text := func() string {
		return []string{"", "a", "media-in/b c", "\x00\xff\n", strings.Repeat("x", 300)}[random.IntN(5)]
	}
	f := &finding{
		modified: number(), verdict: retention.Verdict(random.IntN(int(retention.Expired) + 1)), rule: text(),
		rank:   retention.Rank{Rule: text(), Created: number(), Groups: make([]string, random.IntN(4)), Leaving: random.IntN(2) == 0},
		digest: random.Uint64(), uncounted: random.IntN(2) == 0, due: number(), expires: number(), line: plan.Line{State: text(), Created: number(), ReadAt: number(), Text: []byte(text())},
	}
	for i := range f.rank.Groups {
		f.rank.Groups[i] = text()
	}
	if random.IntN(3) == 0 {
		f.name = "media-in/" + text()
		return f
	}
	f.mediaID, f.name = "id"+text(), text()
	return f
}

func TestAFindingComesBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		f := randomFinding(random)
		encoded := f.encode()
		got, err := decode(f.key(), bytes.Clone(encoded))
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, f)
		}
		for size := range min(len(encoded)-len(f.line.Text), 60) { // the line is whatever is left
			if got, err := decode(f.key(), encoded[:size]); err == nil {
				t.Fatalf("%d bytes of %d are a finding: %+v", size, len(encoded), got)
			}
		}
	}
}

// Any bytes are a finding, or damaged. A finding comes back from its encoding.
func FuzzFinding(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		one := randomFinding(random)
		f.Add(one.key(), one.encode())
	}
	f.Add("m", []byte{})
	f.Add("mid", bytes.Repeat([]byte{0xff}, 100))
	fuzztest.Fuzz(f, func(t *testing.T, key string, encoded []byte) {
		one, err := decode(key, encoded)
		if err != nil {
			return
		}
		if one.key() != key || one.verdict < 0 || one.verdict > retention.Expired {
			t.Fatalf("key %q, verdict %d of %q", one.key(), one.verdict, key)
		}
		again, err := decode(one.key(), one.encode())
		if err != nil || !reflect.DeepEqual(again, one) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, again, one)
		}
		_ = one.verdict.String()
		one.merge(again)
	})
}

// segmentOf returns a segment of a checkpoint.
func segmentOf(findings ...*finding) []byte {
	store := statetest.New()
	series := checkpoint.New(store, "")
	for _, f := range findings {
		series.Add(f.key(), f.encode())
	}
	if _, err := series.Flush(context.Background()); err != nil {
		panic(err)
	}
	return store.Records["000001.gz"]
}

// findingsOf yields the findings of a segment.
func findingsOf(segment []byte) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		for record, err := range checkpoint.Decode(segment) {
			var f *finding
			if err == nil {
				f, err = saved(record)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// expiredFinding returns the finding of a medium that a rule takes.
func expiredFinding(id string) *finding {
	m := testMedium(id, id, 400)
	l, err := plan.LineOf(plan.Entry{MediaID: id, Rule: "rest", State: m.State, Record: m.Record}, m.Created, now)
	if err != nil {
		panic(err)
	}
	return &finding{mediaID: id, name: "media-in/" + id, verdict: retention.Expired, rule: "rest", line: l}
}

// checkSaved checks a finding of a segment. An expired medium has an ID that DeleteMedia accepts, agrees
// with its line, and counts as never read.
func checkSaved(t *testing.T, f *finding) {
	t.Helper()
	if f.line.ReadAt != plan.Unread {
		t.Errorf("%q was read at %d", f.mediaID, f.line.ReadAt)
	}
	if f.verdict != retention.Expired {
		if f.line.Text != nil {
			t.Errorf("%q has not expired and has a line", f.mediaID)
		}
		return
	}
	entry, _, err := plan.ParseEntry(f.line.Text)
	if err != nil || media.CheckID(f.mediaID) != nil || entry.MediaID != f.mediaID || entry.Rule != f.rule || entry.State != f.line.State {
		t.Errorf("%q of rule %q, state %q: its line is %+v, %v", f.mediaID, f.rule, f.line.State, entry, err)
	}
	m, err := media.Parse(entry.Record)
	if err != nil || m.ID != f.mediaID || m.Doubt != "" || m.Created.Unix() != f.line.Created {
		t.Errorf("%q, created at %d: the record of its line is %+v, %v", f.mediaID, f.line.Created, m, err)
	}
}

func TestASegmentThatIsForged(t *testing.T) {
	change := func(change func(*finding)) *finding {
		f := expiredFinding("a")
		change(f)
		return f
	}
	for name, test := range map[string]struct {
		f  *finding
		ok bool
	}{
		"sound":                      {expiredFinding("a"), true},
		"another medium's line":      {change(func(f *finding) { f.line = expiredFinding("b").line }), false},
		"another rule":               {change(func(f *finding) { f.rule = "series" }), false},
		"no line":                    {change(func(f *finding) { f.line.Text = nil }), false},
		"half a line":                {change(func(f *finding) { f.line.Text = f.line.Text[:len(f.line.Text)/2] }), false},
		"an object without a medium": {change(func(f *finding) { f.mediaID = "" }), false},
		"an ID that is none":         {change(func(f *finding) { f.mediaID = "a,b" }), false},
		"a record of another medium": {change(func(f *finding) {
			f.line.Text = bytes.Replace(f.line.Text, []byte(`"MediaId":"a"`), []byte(`"MediaId":"b"`), 1)
		}), false},
		"another state":         {change(func(f *finding) { f.line.State = "Initiated" }), true},
		"another creation time": {change(func(f *finding) { f.line.Created = 1 }), true},
		"read just now":         {change(func(f *finding) { f.line.ReadAt = math.MaxInt64 }), true},
		"kept, with a line":     {change(func(f *finding) { f.verdict = retention.Keep }), true},
	} {
		n := 0
		var last error
		for f, err := range findingsOf(segmentOf(test.f)) {
			if last = err; err == nil {
				n++
				checkSaved(t, f)
			}
		}
		if (last == nil) != test.ok || (n == 1) != test.ok {
			t.Errorf("%s: %d findings, %v", name, n, last)
		}
	}
}

func FuzzSegment(f *testing.F) {
	unzip := func(segment []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(segment))
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		_, _ = b.ReadFrom(r)
		return b.Bytes()
	}
	random := rand.New(rand.NewPCG(5, 6))
	f.Add(unzip(segmentOf(expiredFinding("a"), expiredFinding("b"))), true)
	f.Add(unzip(segmentOf(randomFinding(random), randomFinding(random))), true)
	f.Add(segmentOf(expiredFinding("a")), false)
	f.Add([]byte{}, true)
	fuzztest.Fuzz(f, func(t *testing.T, segment []byte, zip bool) {
		size := len(segment)
		if zip {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write(segment)
			_ = w.Close()
			segment = b.Bytes()
		}
		n := 0
		for one, err := range findingsOf(segment) {
			if err != nil {
				break
			}
			if n++; zip && n > size {
				t.Fatalf("%d findings of %d bytes", n, size)
			}
			checkSaved(t, one)
		}
	})
}

// A head is refused, or its numbers are of use.
func FuzzCheckpointHead(f *testing.F) {
	f.Add(fmt.Appendf(nil, `{"format":%d,"asOf":"2026-01-01T00:00:00Z","policy":"p","region":"r","segments":[1,2],"after":"media-in/a","pending":[{"name":"~a","modified":1}],"passed":1,"known":1}`, checkpointFormat))
	f.Add(fmt.Appendf(nil, `{"format":%d,"segments":[-1]}`, checkpointFormat))
	f.Add([]byte(`null`))
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		head, err := decodeHead(data)
		if err != nil {
			return
		}
		if head.Format != checkpointFormat || head.Skipped < 0 || head.Live < 0 || head.Skipped > maxCount || head.Live > maxCount {
			t.Errorf("%+v", head)
		}
		for _, n := range head.Segments {
			if n < 0 || n > maxCount {
				t.Errorf("segment %d", n)
			}
		}
	})
}
