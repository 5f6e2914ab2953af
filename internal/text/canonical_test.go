package text_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestCanonical(t *testing.T) {
	for data, want := range map[string]string{
		` { "b" : [ 1 , { } , [ ] ] , "a" : { "y" : null , "x" : true } } `: `{"a":{"x":true,"y":null},"b":[1,{},[]]}`,
		`{"a":1,"b":2,"a":3}`:                    `{"a":3,"b":2}`,
		`{"a":1,"\u0061":2}`:                     `{"a":2}`,
		`{"é":1,"z":2,"A":3}`:                    `{"A":3,"z":2,"é":1}`,
		`[1.50, -0, 1E+2, 12345678901234567890]`: `[1.50,-0,1E+2,12345678901234567890]`,
		`"<\u003c/\/\u0000片"`:                    `"\u003c\u003c//\u0000片"`,
		`["[","{",""]`:                           `["[","{",""]`,
	} {
		if got, err := text.Canonical([]byte(data)); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", data, got, err, want)
		}
	}
	for _, data := range []string{``, `{"a":1}}`, `{"a":1,}`, strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)} {
		if got, err := text.Canonical([]byte(data)); err == nil {
			t.Errorf("%.20s has the form %s", data, got)
		}
	}
}

// The ID of a plan is the hash of canonical forms: every version must write the same.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{` {"b":[1,{}],"a":{"y":null,"x":-0.5e+7},"a":""} `, `["\u2028\ud83d\ude00\ud83d", "<&>\u007f", []]`, "{\"\xff\":1,\"\xfe\":2}", `{"a\u0000":1,"a":"\b\f\n\r\t\"\\\/"}`} {
		f.Add([]byte(seed))
	}
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var value any
		var want []byte
		err := decoder.Decode(&value)
		if err == nil {
			want, err = json.Marshal(value)
		}
		if _, end := decoder.Token(); err == nil && !errors.Is(end, io.EOF) {
			err = errors.New("something follows")
		}
		got, gotErr := text.Canonical(data)
		if (gotErr == nil) != (err == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q, %v", data, got, gotErr, want, err)
		}
	})
}
