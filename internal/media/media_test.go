package media_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
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
		{"not a plain decimal", `{"MediaId":"a","Size":"010","Duration":"1e3"}`, func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known }},
		{"signs", `{"MediaId":"a","Size":"+1","Duration":"+1"}`, func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known }},
		{"numbers for texts", `{"MediaId":"a","Size":1,"Duration":1,"Title":1}`, func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known && !m.Title.Known }},
		{"huge", `{"MediaId":"a","Size":"9223372036854775807","Duration":"99999999999","CateId":99999999999999999999}`,
			func(m media.Medium) bool { return !m.Size.Known && !m.Duration.Known && !m.Category.Known }},
		{"category negative", `{"MediaId":"a","CateId":-1}`, func(m media.Medium) bool { return !m.Category.Known }},
		{"category a fraction", `{"MediaId":"a","CateId":83.0}`, func(m media.Medium) bool { return !m.Category.Known }},
		{"category a text", `{"MediaId":"a","CateId":"83"}`, func(m media.Medium) bool { return !m.Category.Known }},
		{"state of another type", `{"MediaId":"a","PublishState":["Published"]}`, func(m media.Medium) bool { return m.State == "" }},
		{"file URL twice", `{"MediaId":"a","File":{"URL":"http://bkt.oss-cn-shanghai.aliyuncs.com/a","URL":"http://bkt.oss-cn-shanghai.aliyuncs.com/b"}}`,
			func(m media.Medium) bool { return m.Object.IsZero() }},
		{"file URL in another case", `{"MediaId":"a","File":{"url":"http://bkt.oss-cn-shanghai.aliyuncs.com/a"}}`, func(m media.Medium) bool { return m.Object.IsZero() }},
		{"texts that are no Unicode", `{"MediaId":"a","Title":"\ud800","Tags":{"Tag":["\ud800"]}}`, func(m media.Medium) bool { return !m.Title.Known && m.TagsGarbled }},
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

// The bounds are the last values that are not believed.
func TestParseBounds(t *testing.T) {
	const century = 100 * 366 * 24 * 3600
	for _, test := range []struct {
		size, seconds          int64
		sizeKnown, lengthKnown bool
	}{
		{1<<50 - 1, century - 1, true, true},
		{1 << 50, century, false, false},
	} {
		m, err := media.Parse(fmt.Appendf(nil, `{"MediaId":"a","Size":"%d","Duration":"%d"}`, test.size, test.seconds))
		if err != nil || m.Size.Known != test.sizeKnown || m.Duration.Known != test.lengthKnown {
			t.Errorf("size %d, %d s: %+v, %v", test.size, test.seconds, m, err)
		}
	}
}

func TestParseTexts(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{`""`, ``}, {`"plain"`, `plain`}, {`"a \"quoted\" word"`, `a "quoted" word`}, {`"\u7247\u5934"`, "片头"}, {`"C:\\clips"`, `C:\clips`},
	} {
		m, err := media.Parse([]byte(`{"MediaId":"a","Title":` + test.json + `}`))
		if err != nil || !m.Title.Known || m.Title.Value != test.want {
			t.Errorf("title %s: %+v, %v, want %q", test.json, m.Title, err, test.want)
		}
	}
}

func TestCheckID(t *testing.T) {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	for r := range rune(0x100) {
		if got, want := media.CheckID("a"+string(r)+"b") == nil, strings.ContainsRune(allowed, r); got != want {
			t.Errorf("%q in an ID: %t, want %t", r, got, want)
		}
	}
	for length, want := range map[int]bool{0: false, 1: true, 64: true, 65: false} {
		if got := media.CheckID(strings.Repeat("a", length)) == nil; got != want {
			t.Errorf("an ID of %d bytes: %t, want %t", length, got, want)
		}
	}
}

func TestParseRefusesWhatIsNoRecord(t *testing.T) {
	for _, record := range []string{``, `[]`, `"a"`, `null`, `7`, `{`, `{"MediaId":"a"`, `{"MediaId":"a",}`, `{"MediaId":"a"}{}`, "{\"MediaId\":\"a\",\"Title\":\"\xff\"}"} {
		if m, err := media.Parse([]byte(record)); err == nil {
			t.Errorf("Parse(%s) = %+v, want an error", record, m)
		}
	}
}

// What a record says twice, or under a name in another case, proves nothing: another
// reader of the same JSON may take the other value.
func TestParseDoubts(t *testing.T) {
	const sound = `"MediaId":"a","CreationTime":"2020-01-01T00:00:00Z","PublishState":"Published"`
	tests := []struct {
		name, record string
		doubt        bool
	}{
		{"sound", `{` + sound + `}`, false},
		{"an unknown field twice", `{` + sound + `,"New":1,"New":2}`, false},
		{"the state of the file", `{` + sound + `,"File":{"URL":"http://media-in.oss-cn-shanghai.aliyuncs.com/a","State":"Normal"}}`, false},
		{"no MediaId", `{"CreationTime":"2020-01-01T00:00:00Z"}`, true},
		{"MediaId empty", `{"MediaId":""}`, true},
		{"MediaId null", `{"MediaId":null}`, true},
		{"MediaId a number", `{"MediaId":7}`, true},
		{"two IDs in one", `{"MediaId":"id1,id2"}`, true},
		{"a space before the ID", `{"MediaId":" id"}`, true},
		{"a line feed after the ID", `{"MediaId":"id\n"}`, true},
		{"a long ID", `{"MediaId":"` + strings.Repeat("a", 65) + `"}`, true},
		{"an ID of other digits", `{"MediaId":"１２３"}`, true},
		{"MediaId twice", `{` + sound + `,"MediaId":"b"}`, true},
		{"MediaId in another case", `{"mediaId":"a"}`, true},
		{"CreationTime twice", `{` + sound + `,"CreationTime":"2026-01-01T00:00:00Z"}`, true},
		{"tags in lower case", `{` + sound + `,"tags":{"Tag":["legal-hold"]}}`, true},
		{"Tags twice", `{` + sound + `,"Tags":{"Tag":["legal-hold"]},"Tags":{"Tag":[]}}`, true},
		{"Tags in two cases", `{` + sound + `,"Tags":{"Tag":[]},"TAGS":{"Tag":["legal-hold"]}}`, true},
		{"Tags with a long s", `{` + sound + `,"Tagſ":{"Tag":["legal-hold"]}}`, true},
		{"Size that begins with a long s", `{` + sound + `,"ſize":"5"}`, true},
		{"a field without a name", `{` + sound + `,"":1}`, false},
		{"PublishState twice", `{` + sound + `,"PublishState":"Deleted"}`, true},
		{"File twice", `{` + sound + `,"File":{},"File":{}}`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := media.Parse([]byte(test.record))
			if err != nil || (m.Doubt != "") != test.doubt {
				t.Errorf("Parse(%s) has the doubt %q, %v; want one: %v", test.record, m.Doubt, err, test.doubt)
			}
		})
	}
}

func TestParseTags(t *testing.T) {
	tests := []struct {
		tags    string
		want    []string
		garbled bool
	}{
		{tags: ``}, {tags: `null`}, {tags: `""`}, {tags: `{}`}, {tags: `[]`}, {tags: `[ ]`}, {tags: `{"Tag":[]}`}, {tags: `{"Tag":null}`}, {tags: ` { } `},
		{tags: `{"Tag":["a"]}`, want: []string{"a"}},
		{tags: `{"Tag":["a","b c",""]}`, want: []string{"a", "b c", ""}},
		{tags: `{"Tag":["legal-hold,b"]}`, garbled: true},
		{tags: `{"Tag":["b"," legal-hold"]}`, garbled: true},
		{tags: `{"Tag":["legal-hold\u00a0"]}`, garbled: true},
		{tags: `{"TagList":["legal-hold"]}`, garbled: true},
		{tags: `{"Tag":["a"],"TagList":["legal-hold"]}`, garbled: true},
		{tags: `{"tag":["legal-hold"]}`, garbled: true},
		{tags: `{"Tag":["legal-hold"],"Tag":[]}`, garbled: true},
		{tags: `{"Tag":"legal-hold"}`, garbled: true},
		{tags: `{"Tag":{"0":"legal-hold"}}`, garbled: true},
		{tags: `{"Tag":[null]}`, garbled: true},
		{tags: `{"Tag":[1]}`, garbled: true},
		{tags: `{"Tag":["a",["legal-hold"]]}`, garbled: true},
		{tags: `{"Tag":[{"Name":"legal-hold"}]}`, garbled: true},
		{tags: `["legal-hold"]`, garbled: true},
		{tags: `[{"Tag":"legal-hold"}]`, garbled: true},
		{tags: `"legal-hold"`, garbled: true},
		{tags: `7`, garbled: true}, {tags: `true`, garbled: true}, {tags: `false`, garbled: true},
	}
	for _, test := range tests {
		record := `{"MediaId":"a","Tags":` + test.tags + `}`
		if test.tags == "" {
			record = `{"MediaId":"a"}`
		}
		m, err := media.Parse([]byte(record))
		if err != nil || m.TagsGarbled != test.garbled || !slices.Equal(m.Tags, test.want) {
			t.Errorf("%s: %q, garbled %v, %v; want %q, %v", test.tags, m.Tags, m.TagsGarbled, err, test.want, test.garbled)
		}
	}
}

// A medium has at most a thousand tags.
func TestTheMostTags(t *testing.T) {
	for tags, garbled := range map[int]bool{1000: false, 1001: true} {
		m, err := media.Parse([]byte(`{"MediaId":"a","Tags":{"Tag":["t"` + strings.Repeat(`,"t"`, tags-1) + `]}}`))
		if err != nil || m.TagsGarbled != garbled || len(m.Tags) > 0 == garbled {
			t.Errorf("%d tags: %d, garbled %v, %v", tags, len(m.Tags), m.TagsGarbled, err)
		}
	}
}

func TestParseCreationTime(t *testing.T) {
	for text, want := range map[string]string{
		"2010-01-01T00:00:00Z": "2010-01-01T00:00:00Z", "2024-05-01T10:00:00Z": "2024-05-01T10:00:00Z", "2024-05-01T10:00:00+08:00": "2024-05-01T02:00:00Z",
		"2024-05-01T10:00:00.001Z": "2024-05-01T10:00:01Z", "2024-05-01T10:00:59.999999999Z": "2024-05-01T10:01:00Z",
		"2009-12-31T23:59:59Z": "", "2010-01-01T00:00:00+08:00": "", "0000-00-00T00:00:00Z": "", "0000-01-01T00:00:00Z": "", "0001-01-01T00:00:00Z": "",
		"1970-01-01T00:00:00Z": "", "1601-01-01T00:00:00Z": "", "-2024-05-01T10:00:00Z": "", "20240501T100000Z": "", "2024-05-01": "", "2024-05-01 10:00:00": "",
		"2024-05-01T10:00:00": "", "2024-13-01T10:00:00Z": "", "1714557600": "", "": "",
	} {
		m, err := media.Parse(fmt.Appendf(nil, `{"MediaId":"a","CreationTime":%q}`, text))
		got := ""
		if !m.Created.IsZero() {
			got = m.Created.Format(time.RFC3339Nano)
		}
		if err != nil || got != want {
			t.Errorf("%q is read as %q, %v; want %q", text, got, err, want)
		}
	}
}

// FuzzParse: whatever a record has, what is read of it can be believed or is in doubt.
func FuzzParse(f *testing.F) {
	f.Add(`{"MediaId":"a","CreationTime":"2024-05-01T10:00:00Z","CateId":0,"PublishState":"Published","Title":"a","Size":"1","Duration":"7.5","Tags":{"Tag":["k"]},"File":{"URL":"http://bkt.oss-cn-shanghai.aliyuncs.com/a"}}`)
	f.Add(`{"MediaId":"a","tags":{"Tag":["k"]},"CreationTime":"1970-01-01T00:00:00Z","CateId":-1e9,"Size":9e99}`)
	f.Add(`{"MediaId":"id1,id2","Tags":[{}],"File":{"URL":1}}`)
	fuzztest.Fuzz(f, func(t *testing.T, record string) {
		m, err := media.Parse([]byte(record))
		if err != nil {
			return
		}
		if m.Doubt == "" && media.CheckID(m.ID) != nil {
			t.Errorf("%q is no media ID", m.ID)
		}
		if !m.Created.IsZero() && m.Created.Year() < 2010 {
			t.Errorf("created %s", m.Created)
		}
		if m.Category.Value < 0 || m.Size.Value < 0 || m.Duration.Value < 0 || m.TagsGarbled && len(m.Tags) > 0 {
			t.Errorf("%+v", m)
		}
		// A record whose names differ in case only says the same to json.Unmarshal.
		var lenient struct {
			MediaID      string `json:"MediaId"`
			CreationTime string
			Tags         struct{ Tag []string }
		}
		if json.Unmarshal([]byte(record), &lenient) == nil && m.Doubt == "" && !m.TagsGarbled &&
			(lenient.MediaID != m.ID || len(lenient.Tags.Tag) != len(m.Tags)) {
			t.Errorf("%s is read as %+v, and as %+v", record, m, lenient)
		}
	})
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
		"HTTP://bkt.oss-cn-shanghai.aliyuncs.com/d/a.mp4", "http://BKT.OSS-CN-SHANGHAI.aliyuncs.COM/d/a.mp4", "http://bkt.oss-cn-shanghai.aliyuncs.com:80/d/a.mp4",
		"Https://bkt.oss-cn-shanghai-internal.aliyuncs.com:443/d/a.mp4", "https://bkt.oss-cn-shanghai.aliyuncs.com:/d/a.mp4",
	} {
		if got, err := media.ParseURL(address); err != nil || got != want {
			t.Errorf("ParseURL(%q) = %v, %v; want %v", address, got, err, want)
		}
	}
	for address, says := range map[string]string{
		"": "neither http nor https", "bkt/d/a.mp4": "neither http nor https", "ftp://bkt.oss-cn-shanghai.aliyuncs.com/a": "neither http nor https",
		"http:/bkt.oss-cn-shanghai.aliyuncs.com/a": "neither http nor https", "http://cdn.example.com/a": "not an address of OSS",
		"http://bkt.oss-x.evil.aliyuncs.com/a": "not an address of OSS", "http://bkt.evil.oss-x.aliyuncs.com/a": "not an address of OSS",
		"http://bkt.x.evil.oss.aliyuncs.com/a": "not an address of OSS", "http://bkt.oss-x.oss.aliyuncs.com/a": "not an address of OSS",
		"http://bkt.oss-.aliyuncs.com/a": "not an address of OSS", "http://bkt..oss.aliyuncs.com/a": "not an address of OSS",
		"http://bkt.oss-x-.aliyuncs.com/a": "not an address of OSS", "http://bkt.oss-x_y.aliyuncs.com/a": "not an address of OSS",
		"http://bkt.oss-x.aliyuncs.com.evil.com/a": "not an address of OSS", "http://bkt.oss-x.aliyuncs.com@evil.com/a": "not an address of OSS",
		"http://u@bkt.oss-x.aliyuncs.com/a": "not a bucket name", "http://u:80@bkt.oss-x.aliyuncs.com/a": "not an address of OSS",
		"http://oss-cn-shanghai.aliyuncs.com/bkt/a": "not an address of OSS",
		"http://bkt.oss-x.aliyuncs.com:443/a":       `port "443"`, "https://bkt.oss-x.aliyuncs.com:80/a": `port "80"`, "http://bkt.oss-x.aliyuncs.com:80:80/a": `port "80:80"`,
		"http://bkt.oss-cn-shanghai.aliyuncs.com/": "key is empty", "http://bkt.oss-cn-shanghai.aliyuncs.com/a?x=1": "carries a query", "http://bkt.oss-cn-shanghai.aliyuncs.com/%zz": "malformed escape",
	} {
		if got, err := media.ParseURL(address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseURL(%q) = %v, %v; want an error with %q", address, got, err, says)
		}
	}
}

// A URL is taken for an object only if its host is one of OSS, label by label.
func FuzzParseURL(f *testing.F) {
	host := regexp.MustCompile(`^[a-z0-9-]+\.(oss-[a-z0-9-]+|[a-z0-9-]+\.oss)\.aliyuncs\.com$`)
	for _, seed := range []string{"HTTP://bkt.oss-x.aliyuncs.com:80/a", "https://bkt.x.oss.aliyuncs.com:443/a%2Fb", "http://bkt.oss-x.evil.aliyuncs.com/a", "http://bkt.oss-\u212a.aliyuncs.com/a", "http://b\u212at.oss-x.aliyuncs.com/a"} {
		f.Add(seed)
	}
	fuzztest.Fuzz(f, func(t *testing.T, address string) {
		object, err := media.ParseURL(address)
		if err != nil {
			return
		}
		scheme, rest, _ := strings.Cut(address, "://")
		name, _, _ := strings.Cut(rest, "/")
		lower := strings.Map(func(r rune) rune { // ASCII only
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}, name)
		lower = strings.TrimSuffix(strings.TrimSuffix(lower, map[string]string{"http": ":80", "https": ":443"}[strings.ToLower(scheme)]), ":")
		if !host.MatchString(lower) {
			t.Errorf("%q was taken for %s", address, object)
		}
		if again, err := media.ParseURL(object.URL("cn-shanghai", media.SlashPlain)); err != nil || again != object {
			t.Errorf("%q is %v, and its own URL is %v, %v", address, object, again, err)
		}
	})
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

func TestBucketNames(t *testing.T) {
	for length, want := range map[int]bool{2: false, 3: true, 63: true, 64: false} {
		if _, err := media.NewObject(strings.Repeat("b", length), "key"); (err == nil) != want {
			t.Errorf("a bucket of %d characters: %v", length, err)
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
