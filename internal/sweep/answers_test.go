package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// enforce runs a request against an emulated library, under a policy whose hold needs
// tags and which expires everything else.
func enforce(t *testing.T, e *cloud, request *trigger.Request) *report.Report {
	t.Helper()
	request.Trigger = trigger.Invoke
	return runWith(t.Context(), t, e, time.Now, func() error { return nil }, request, whole)
}

// scopes are the ways to ask for the same media.
func scopes(list []emulator.Medium) map[string]*trigger.Request {
	byID, byObject := &trigger.Request{}, &trigger.Request{}
	for _, m := range list {
		byID.MediaIDs = append(byID.MediaIDs, m.ID)
		byObject.Objects = append(byObject.Objects, media.Object{Bucket: m.Bucket, Key: m.Key})
	}
	return map[string]*trigger.Request{"by ID": byID, "by object": byObject}
}

// sent returns all IDs of DeleteMedia calls.
func sent(e *cloud) (ids []string) {
	for _, call := range e.Calls() {
		if call.Operation == "DeleteMedia" {
			ids = append(ids, call.MediaIDs...)
		}
	}
	return ids
}

// threeOf adds three expired media; the second is the odd one of a test.
func threeOf(t *testing.T) (*cloud, []emulator.Medium) {
	t.Helper()
	e := newCloud(t, emulator.MPSOptions{})
	var list []emulator.Medium
	for i := range 3 {
		list = append(list, e.Add(emulator.Medium{Bucket: "media-in", Key: fmt.Sprintf("a%d.mp4", i), CreationTime: "2020-01-01T00:00:00Z"}))
	}
	return e, list
}

// What a record garbles, or an answer contradicts, keeps its medium as unknown, and no
// other one.
func TestOddRecordsAreUnknown(t *testing.T) {
	const plain = `{"MediaId":"ID","CreationTime":"2020-01-01T00:00:00Z","PublishState":"Published","Tags":{"Tag":[]},"File":{"URL":"URL"}}`
	with := func(old, new string) []string { return []string{strings.Replace(plain, old, new, 1)} }
	tags := func(value string) []string { return with(`{"Tag":[]}`, value) }
	created := func(value string) []string { return with("2020-01-01T00:00:00Z", value) }
	tests := []struct {
		name    string
		records []string
		both    bool // and said to be missing
		deleted bool
	}{
		{name: "sound", records: []string{plain}, deleted: true},
		{name: "the same twice", records: []string{plain, plain}, deleted: true},
		{name: "no tags", records: tags(`""`), deleted: true},
		{name: "created at the beginning of 2010", records: created("2010-01-01T00:00:00Z"), deleted: true},
		{name: "tags of another shape", records: tags(`{"TagList":["legal-hold"]}`)},
		{name: "a null tag", records: tags(`{"Tag":[null]}`)},
		{name: "a bare list of tags", records: tags(`["legal-hold"]`)},
		{name: "tags in lower case", records: with(`"Tags"`, `"tags"`)},
		{name: "tags twice", records: with(`"File"`, `"Tags":{},"File"`)},
		{name: "created in year 0", records: created("0000-01-01T00:00:00Z")},
		{name: "created in year 1", records: created("0001-01-01T00:00:00Z")},
		{name: "created in 1970", records: created("1970-01-01T00:00:00Z")},
		{name: "created in 2009", records: created("2009-12-31T23:59:59Z")},
		{name: "created in the future", records: created("2999-01-01T00:00:00Z")},
		{name: "created twice", records: with(`"File"`, `"CreationTime":"2021-01-01T00:00:00Z","File"`)},
		{name: "an undocumented state", records: with("Published", "Archived")},
		{name: "two records", records: []string{plain, strings.Replace(plain, "[]", `["legal-hold"]`, 1)}},
		{name: "two records, one deleted", records: []string{strings.Replace(plain, "Published", "Deleted", 1), plain}},
		{name: "present and missing", records: []string{plain}, both: true},
	}
	for _, test := range tests {
		for _, scope := range []string{"by ID", "by object"} {
			t.Run(test.name+", "+scope, func(t *testing.T) {
				t.Parallel()
				turnClock(t, func(t *testing.T) {
					e, list := threeOf(t)
					address := media.Object{Bucket: "media-in", Key: list[1].Key}.URL("cn-shanghai", media.SlashPlain)
					options := emulator.MPSOptions{Records: map[string][]string{}}
					for _, record := range test.records {
						record = strings.Replace(strings.Replace(record, `"ID"`, `"`+list[1].ID+`"`, 1), `"URL":"URL"`, `"URL":"`+address+`"`, 1)
						options.Records[list[1].ID] = append(options.Records[list[1].ID], record)
					}
					if test.both {
						options.AlsoMissing = []string{list[1].ID, address}
					}
					e.SetMPS(options)
					r := enforce(t, e, scopes(list)[scope])
					if slices.Contains(sent(e), list[1].ID) != test.deleted {
						t.Errorf("sent: %v; want the medium there: %v", sent(e), test.deleted)
					}
					if c := r.Counts; !test.deleted && (r.Status != report.Done || c.Looked != 3 || c.Unknown != 1 || c.Deleted != 2) {
						t.Errorf("%s, %+v, %s", r.Status, c, r.Error)
					}
				})
			})
		}
	}
}

// A record whose MediaId is none is unknown, and nothing of it is ever sent.
func TestMediaIDsThatAreNone(t *testing.T) {
	for _, id := range []string{`"%s,%s"`, `" %s"`, `"%s\n"`, `""`, `null`, `7`} {
		e, list := threeOf(t)
		odd := id
		if n := strings.Count(id, "%s"); n > 0 {
			odd = fmt.Sprintf(id, []any{list[1].ID, list[2].ID}[:n]...)
		}
		e.SetMPS(emulator.MPSOptions{Records: map[string][]string{
			list[1].ID: {fmt.Sprintf(`{"MediaId":%s,"CreationTime":"2020-01-01T00:00:00Z","PublishState":"Published","File":{"URL":%q}}`,
				odd, media.Object{Bucket: "media-in", Key: list[1].Key}.URL("cn-shanghai", media.SlashPlain))},
		}})
		r := enforce(t, e, scopes(list[:2])["by object"])
		if c := r.Counts; r.Status != report.Done || c.Unknown != 1 || c.Deleted != 1 || !slices.Equal(sent(e), []string{list[0].ID}) {
			t.Errorf("%s: %s, %+v, sent %v", odd, r.Status, c, sent(e))
		}
	}
}

// What an answer mentions nowhere is asked for once more. If that is not answered
// either it has not been looked at.
func TestWhatNoAnswerMentions(t *testing.T) {
	for _, scope := range []string{"by ID", "by object"} {
		t.Run("once, "+scope, func(t *testing.T) {
			turnClock(t, func(t *testing.T) {
				e, list := threeOf(t)
				e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Omit, Count: 1})
				r := enforce(t, e, scopes(list)[scope])
				if r.Status != report.Done || r.Counts.Deleted != 3 || r.Counts.Looked != 3 || len(r.Failures) > 0 {
					t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
				}
			})
		})
		t.Run("never, "+scope, func(t *testing.T) {
			turnClock(t, func(t *testing.T) {
				e, list := threeOf(t)
				e.SetMPS(emulator.MPSOptions{Records: map[string][]string{list[1].ID: {}}})
				r := enforce(t, e, scopes(list)[scope])
				if c := r.Counts; r.Status != report.Partial || c.Deleted != 2 || c.Looked != 2 || c.Unknown != 0 || len(r.Failures) != 1 || c.ObjectsWithoutMedia != 0 {
					t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
				}
				if slices.Contains(sent(e), list[1].ID) {
					t.Error("a medium was sent that no answer mentions")
				}
			})
		})
	}
}

// A call that is too long for a gateway is split. How long one may be is not documented.
func TestCallsThatAreTooLong(t *testing.T) {
	turnClock(t, func(t *testing.T) {
		e := newCloud(t, emulator.MPSOptions{MaxQuery: 4000})
		var list []emulator.Medium
		for i := range 9 { // three URLs fit into a list, and not into a call
			list = append(list, e.Add(emulator.Medium{Key: strings.Repeat("长", 100) + strconv.Itoa(i), CreationTime: "2020-01-01T00:00:00Z"}))
		}
		r := enforce(t, e, scopes(list)["by object"])
		if r.Status != report.Done || r.Counts.Looked != 9 || r.Counts.Deleted != 9 {
			t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
		}
	})
}

// What is read again before its deletion has to be answered for too.
func TestOddAnswersBeforeADeletion(t *testing.T) {
	for name, test := range map[string]struct {
		options func(id string) emulator.MPSOptions
		status  report.Status
		unknown int
	}{
		"not mentioned":       {func(id string) emulator.MPSOptions { return emulator.MPSOptions{Records: map[string][]string{id: {}}} }, report.Partial, 0},
		"present and missing": {func(id string) emulator.MPSOptions { return emulator.MPSOptions{AlsoMissing: []string{id}} }, report.Done, 1},
	} {
		t.Run(name, func(t *testing.T) {
			turnClock(t, func(t *testing.T) {
				e, ids := library(t, emulator.MPSOptions{}, 3)
				clock := time.Now()
				r := run(context.Background(), t, e, func() time.Time { return clock }, func() error {
					clock = clock.Add(61 * time.Minute)
					e.SetMPS(test.options(ids[1]))
					return nil
				}, ids)
				if r.Status != test.status || r.Counts.Unknown != test.unknown || r.Counts.Deleted != 2 || r.Counts.Failed != 1-test.unknown || slices.Contains(sent(e), ids[1]) {
					t.Errorf("%s, %+v, %+v, sent %v", r.Status, r.Counts, r.Failures, sent(e))
				}
			})
		})
	}
}

// An answer that contradicts itself proves no deletion.
func TestAnOddReadBackProvesNothing(t *testing.T) { turnClock(t, testAnOddReadBackProvesNothing) }

func testAnOddReadBackProvesNothing(t *testing.T) {
	e, ids := library(t, emulator.MPSOptions{}, 3)
	r := run(context.Background(), t, e, time.Now, func() error {
		e.SetMPS(emulator.MPSOptions{DeleteNothing: true, AlsoMissing: ids[1:2]})
		return nil
	}, ids)
	if r.Status != report.Partial || r.Counts.Unverified != 3 {
		t.Errorf("%s, %+v, %+v", r.Status, r.Counts, r.Failures)
	}
}
