package text_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestMembers(t *testing.T) {
	tests := []struct{ data, want string }{
		{` { "a" : 1 , "b":[{"c":","}],"a":{"d:":"}"},"\"e\\":"\\\"" } `, `a=1 b=[{"c":","}] a={"d:":"}"} "e\="\\\""`},
		{`{}`, ""},
		{"{\n}", ""},
		{`{"\u0061":null,"A":""}`, `a=null A=""`},
		{`[]`, "error: a JSON object is expected"},
		{`null`, "error: a JSON object is expected"},
		{``, "error: not JSON: unexpected end of JSON input"},
		{`{"a":1`, "error: not JSON: unexpected end of JSON input"},
		{`{"a":1}}`, "error: not JSON: invalid character '}' after top-level value"},
		{`{"a":1,}`, "error: not JSON: invalid character '}' looking for beginning of object key string"},
	}
	for _, test := range tests {
		var got []string
		err := text.Members([]byte(test.data), func(name []byte, value json.RawMessage) error {
			got = append(got, string(name)+"="+string(value))
			return nil
		})
		if err != nil {
			got = []string{"error: " + err.Error()}
		}
		if told := strings.Join(got, " "); told != test.want {
			t.Errorf("%s: got %s, want %s", test.data, told, test.want)
		}
	}
}

// The first error of take ends the reading.
func TestMembersEnd(t *testing.T) {
	stop, calls := errors.New("stop"), 0
	end := func(json.RawMessage) error { calls++; return stop }
	byName := text.Members([]byte(`{"a":1,"b":2}`), func(_ []byte, value json.RawMessage) error { return end(value) })
	if inList := text.Elements([]byte(`[1,2]`), end); !errors.Is(byName, stop) || !errors.Is(inList, stop) || calls != 2 {
		t.Errorf("%v, %v after %d calls", byName, inList, calls)
	}
}

func TestElements(t *testing.T) {
	for data, want := range map[string]string{
		` [ 1 , [2,3],{"a":"],"} ] `: `1 [2,3] {"a":"],"}`, `[]`: "", "[ ]": "", `[""]`: `""`,
		`{}`: "a JSON list is expected", `[1`: "not JSON: unexpected end of JSON input", `[1]]`: "not JSON: invalid character ']' after top-level value",
	} {
		var got []string
		err := text.Elements([]byte(data), func(value json.RawMessage) error {
			got = append(got, string(value))
			return nil
		})
		if err != nil {
			got = []string{err.Error()}
		}
		if told := strings.Join(got, " "); told != want {
			t.Errorf("%s: got %s, want %s", data, told, want)
		}
	}
}

// A key counts once, by its name or by what it means.
func TestKeys(t *testing.T) {
	noSpare := func(name string) string { return strings.ToLower(strings.TrimPrefix(name, "spare")) }
	for _, test := range []struct {
		data    string
		meaning func(string) string
		want    string
	}{
		{`{"a":1,"A":2,"":3}`, nil, "=3 A=2 a=1"},
		{`{"a":1,"b":2,"c":3,"d":4}`, nil, "the object has more than 3 keys a=1 b=2 c=3"},
		{`{"a":1,"b":null,"\u0061":2}`, nil, `"a" is set twice a=1 b=null`},
		{`{"Ab":1,"spare":2,"":3,"spare":4}`, noSpare, "ab=1"},
		{`{"ab":1,"spareAB":2}`, noSpare, `"spareAB" is set twice, in this case or another ab=1`},
		{`[]`, nil, "a JSON object is expected"},
	} {
		keys, err := text.Keys([]byte(test.data), 3, test.meaning)
		var got []string
		if err != nil {
			got = append(got, err.Error())
		}
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			got = append(got, name+"="+string(keys[name]))
		}
		if said := strings.Join(got, " "); said != test.want {
			t.Errorf("%s: got %s, want %s", test.data, said, test.want)
		}
	}
}

func TestList(t *testing.T) {
	tooMany := errors.New("too many")
	for data, want := range map[string]string{`[1,2]`: "1 2: <nil>", `[]`: ": <nil>", `[1,"b",[]]`: `1 "b": too many`, `{}`: ": a JSON list is expected"} {
		list, err := text.List([]byte(data), 2, tooMany)
		if got := fmt.Sprintf("%s: %v", bytes.Join(rawTexts(list), []byte(" ")), err); got != want {
			t.Errorf("%s: got %s, want %s", data, got, want)
		}
	}
}

func rawTexts(list []json.RawMessage) (texts [][]byte) {
	for _, one := range list {
		texts = append(texts, one)
	}
	return texts
}

// Members and Elements agree with the decoder of the standard library.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":[2,{"b":"\\\""}]}`, `[{"a":1},",",[[]]]`, ` {"\u0061":"\ud83d\ude00"} `, "{\"\xff\":1}", "[" + strings.Repeat("1, ", 100) + "2 ]", "{" + strings.Repeat(`"a":[],`, 60) + `"b" : 0 }`, strings.Repeat("[", 10_001), `["\u12g4"]`, "[-]", "[01]", "[1.e5]", "[1E+]", `["12345678\"ab\\"]`, "[\"1234567\x1f\"]", `["\x"]`, "[nul]"} {
		f.Add([]byte(seed))
	}
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		var want []string
		decoder := json.NewDecoder(bytes.NewReader(data))
		open, err := decoder.Token()
		isObject, isList := open == json.Delim('{'), open == json.Delim('[')
		for err == nil && (isObject || isList) && decoder.More() {
			if isObject {
				var name json.Token
				if name, err = decoder.Token(); err == nil {
					want = append(want, name.(string))
				}
			}
			var value json.RawMessage
			if err == nil {
				err = decoder.Decode(&value)
			}
			want = append(want, string(value))
		}
		if err == nil && (isObject || isList) {
			_, err = decoder.Token()
		}
		if err == nil {
			if _, end := decoder.Token(); !errors.Is(end, io.EOF) {
				err = errors.New("something follows")
			}
		}
		var members, elements []string
		membersErr := text.Members(data, func(name []byte, value json.RawMessage) error {
			members = append(members, string([]rune(string(name))), string(value)) // the decoder mends bytes that are not UTF-8
			return nil
		})
		elementsErr := text.Elements(data, func(value json.RawMessage) error {
			elements = append(elements, string(value))
			return nil
		})
		if (membersErr == nil) != (isObject && err == nil) || (elementsErr == nil) != (isList && err == nil) {
			t.Fatalf("members %v, elements %v, the decoder says %v", membersErr, elementsErr, err)
		}
		switch {
		case err != nil:
		case isObject && !slices.Equal(members, want), isList && !slices.Equal(elements, want):
			t.Errorf("got members %q or elements %q, want %q", members, elements, want)
		}
	})
}

// What decides a digest, a signature or a policy of RAM is encoded as people write it.
func TestJSON(t *testing.T) {
	written, err := text.JSON(map[string]string{"url": "oss://a/<b>&c"})
	if want := `{"url":"oss://a/<b>&c"}`; err != nil || string(written) != want {
		t.Errorf("%s, %v: want %s", written, err, want)
	}
	if _, err := text.JSON(func() {}); err == nil {
		t.Error("a function is encoded")
	}
}
