package media_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
)

func TestParseReadsWhatDecisionsNeed(t *testing.T) {
	record := `{"MediaId":"00000000000000000000000000000abc","CreationTime":"2024-05-01T10:00:00Z","CateId":0,
	 "PublishState":"Published","Title":"a","Size":"2647692","Duration":"7.5","Tags":{"Tag":["k1","k2"]},"File":{"URL":"http://bkt.oss-cn-shanghai.aliyuncs.com/dir/a%20b.mp4","State":"Normal"}}`
	got, err := media.Parse([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	want := media.Medium{
		ID: "00000000000000000000000000000abc", Object: media.Object{Bucket: "bkt", Key: "dir/a b.mp4"},
		Tags: []string{"k1", "k2"}, State: media.StatePublished,
		Title: media.Known("a"), Category: media.Known(int64(0)), Size: media.Known(int64(2647692)), Duration: media.Known(7500 * time.Millisecond),
		Created: time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), Record: []byte(record),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record read wrongly (-want +got):\n%s", diff)
	}
}

func TestParseLeavesDamagedFieldsUnknown(t *testing.T) {
	tests := []struct {
		name, record string
		check        func(media.Medium) bool
	}{
		{"no creation time", `{"MediaId":"a"}`, func(m media.Medium) bool { return m.Created.IsZero() }},
		{"creation time is not a time", `{"MediaId":"a","CreationTime":"yesterday"}`, func(m media.Medium) bool { return m.Created.IsZero() }},
		{"creation time is a number", `{"MediaId":"a","CreationTime":5,"PublishState":"Published"}`,
			func(m media.Medium) bool { return m.Created.IsZero() && m.State == media.StatePublished }},
		{"tags absent", `{"MediaId":"a"}`, func(m media.Medium) bool { return len(m.Tags) == 0 && !m.TagsGarbled }},
		{"tags null", `{"MediaId":"a","Tags":null}`, func(m media.Medium) bool { return len(m.Tags) == 0 && !m.TagsGarbled }},
		{"tags empty", `{"MediaId":"a","Tags":{}}`, func(m media.Medium) bool { return len(m.Tags) == 0 && !m.TagsGarbled }},
		{"tags a text", `{"MediaId":"a","Tags":"legal-hold"}`, func(m media.Medium) bool { return m.TagsGarbled }},
		{"tags of numbers", `{"MediaId":"a","Tags":{"Tag":[1]}}`, func(m media.Medium) bool { return m.TagsGarbled }},
		{"no category", `{"MediaId":"a"}`, func(m media.Medium) bool { return !m.Category.Known && !m.Title.Known }},
		{"category null", `{"MediaId":"a","CateId":null,"Title":null}`, func(m media.Medium) bool { return !m.Category.Known && !m.Title.Known }},
		{"category empty", `{"MediaId":"a","CateId":"","Size":"5"}`, func(m media.Medium) bool { return !m.Category.Known && m.Size.Value == 5 }},
		{"title empty is a title", `{"MediaId":"a","Title":""}`, func(m media.Medium) bool { return m.Title.Known }},
		{"size is no number", `{"MediaId":"a","Size":"big","Duration":"1"}`, func(m media.Medium) bool { return !m.Size.Known && m.Duration.Known }},
		{"size empty", `{"MediaId":"a","Size":"","Duration":""}`, func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known }},
		{"negative", `{"MediaId":"a","Size":"-1","Duration":"-1"}`, func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known }},
		{"not a number", `{"MediaId":"a","Duration":"NaN"}`, func(m media.Medium) bool { return !m.Duration.Known }},
		{"for ever", `{"MediaId":"a","Duration":"Inf"}`, func(m media.Medium) bool { return !m.Duration.Known }},
		{"no file", `{"MediaId":"a"}`, func(m media.Medium) bool { return m.Object.IsZero() }},
		{"file is a text", `{"MediaId":"a","File":"x","PublishState":"Published"}`,
			func(m media.Medium) bool { return m.Object.IsZero() && m.State == media.StatePublished }},
		{"file behind a CDN", `{"MediaId":"a","File":{"URL":"http://cdn.example.com/a.mp4"}}`, func(m media.Medium) bool { return m.Object.IsZero() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := media.Parse([]byte(test.record))
			if err != nil {
				t.Fatal(err)
			}
			if m.ID != "a" || !test.check(m) {
				t.Errorf("Parse(%s) = %+v", test.record, m)
			}
		})
	}
}

func TestParseRefusesRecordsWithoutIdentity(t *testing.T) {
	for _, record := range []string{`{}`, `[]`, `"a"`, `{"MediaId":7}`, `{"MediaId":""}`, `{`} {
		if m, err := media.Parse([]byte(record)); err == nil {
			t.Errorf("Parse(%s) = %+v, want an error", record, m)
		}
	}
}

var awkwardKeys = []string{
	"a.mp4", "dir/a.mp4", "with space.mp4", "1+1=2.mp4", "100%.mp4", "a%2Fb.mp4", "a,b.mp4", "视频/第一集.mp4",
	"question?mark#hash", "quote'\"<>&.mp4", "tilde~-._", "double//slash/./..", "*star*", strings.Repeat("é", 511),
}

func TestURLRoundTrip(t *testing.T) {
	for _, key := range awkwardKeys {
		for _, slash := range []media.Slash{media.SlashPlain, media.SlashEscaped} {
			want := media.Object{Bucket: "media-in", Key: key}
			address := want.URL("cn-shanghai", slash)
			if strings.ContainsAny(address, ", +") {
				t.Errorf("%q holds a character that splits or changes the list", address)
			}
			if len(address) > media.MaxURLBytes {
				t.Errorf("%q is longer than %d bytes", address, media.MaxURLBytes)
			}
			if got, err := media.ParseURL(address); err != nil || got != want {
				t.Errorf("ParseURL(%q) = %v, %v; want %v", address, got, err, want)
			}
		}
	}
}

func TestURLIsThePublicHTTPAddress(t *testing.T) {
	object := media.Object{Bucket: "media-in", Key: "dir/a,b c+d.mp4"}
	if got, want := object.URL("cn-shanghai", media.SlashPlain), "http://media-in.oss-cn-shanghai.aliyuncs.com/dir/a%2Cb%20c%2Bd.mp4"; got != want {
		t.Errorf("plain slash: %s, want %s", got, want)
	}
	if got, want := object.URL("cn-shanghai", media.SlashEscaped), "http://media-in.oss-cn-shanghai.aliyuncs.com/dir%2Fa%2Cb%20c%2Bd.mp4"; got != want {
		t.Errorf("escaped slash: %s, want %s", got, want)
	}
}

func TestParseURLForms(t *testing.T) {
	want := media.Object{Bucket: "bkt", Key: "d/a.mp4"}
	for _, address := range []string{
		"http://bkt.oss-cn-shanghai.aliyuncs.com/d/a.mp4", "https://bkt.oss-cn-shanghai.aliyuncs.com/d%2Fa.mp4",
		"http://bkt.oss-cn-shanghai-internal.aliyuncs.com/d/a.mp4", "https://bkt.cn-shanghai.oss.aliyuncs.com/d/a.mp4",
	} {
		if got, err := media.ParseURL(address); err != nil || got != want {
			t.Errorf("ParseURL(%q) = %v, %v; want %v", address, got, err, want)
		}
	}
	for _, address := range []string{
		"", "bkt/d/a.mp4", "ftp://bkt.oss-cn-shanghai.aliyuncs.com/a", "http://cdn.example.com/a", "http://bkt.oss-cn-shanghai.aliyuncs.com/",
		"http://bkt.oss-cn-shanghai.aliyuncs.com/a?x=1", "http://bkt.oss-cn-shanghai.aliyuncs.com/%zz", "http://oss-cn-shanghai.aliyuncs.com/bkt/a",
	} {
		if got, err := media.ParseURL(address); err == nil {
			t.Errorf("ParseURL(%q) = %v, want an error", address, got)
		}
	}
}

func TestParseObject(t *testing.T) {
	for _, key := range awkwardKeys {
		want := media.Object{Bucket: "media-in", Key: key}
		if got, err := media.ParseObject(want.String()); err != nil || got != want {
			t.Errorf("ParseObject(%q) = %v, %v", want.String(), got, err)
		}
	}
	for _, s := range []string{
		"", "media-in/a", "http://media-in/a", "oss://", "oss://media-in", "oss://media-in/", "oss://media-in//a", "oss://Media/a", "oss://ab/x",
		"oss://-ab/x", `oss://media-in/\a`, "oss://media-in/\xff", "oss://media-in/" + strings.Repeat("k", 1024),
	} {
		if got, err := media.ParseObject(s); err == nil {
			t.Errorf("ParseObject(%q) = %v, want an error", s, got)
		}
	}
}

func TestCovers(t *testing.T) {
	whole, err := media.ParsePrefix("oss://media-in/")
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := media.ParsePrefix("oss://media-in/drafts/")
	if err != nil {
		t.Fatal(err)
	}
	if !whole.Covers(drafts) || drafts.Covers(whole) || whole.Covers(media.Object{Bucket: "media-in2", Key: "a"}) {
		t.Error("Covers does not follow bucket and prefix")
	}
}
