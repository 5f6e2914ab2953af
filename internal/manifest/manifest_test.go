package manifest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mediasweep/mediasweep/internal/manifest"
)

// told describes rows and errors in one line.
func told(rows iter.Seq2[manifest.Row, error]) string {
	var list []string
	for row, err := range rows {
		var bad *manifest.RowError
		switch {
		case errors.As(err, &bad):
			list = append(list, fmt.Sprintf("bad %d", bad.Line))
		case err != nil:
			list = append(list, "error: "+err.Error())
		case row.MediaID != "":
			list = append(list, row.MediaID)
		default:
			list = append(list, row.Object.String())
		}
	}
	return strings.Join(list, " ")
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func TestRows(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"CSV of IDs", "mediaId\nm1\nm2\n", "m1 m2"},
		{"CSV of objects", "object\noss://media-in/a.mp4\n\"oss://media-in/b, c.mp4\"\n", "oss://media-in/a.mp4 oss://media-in/b, c.mp4"},
		{"other columns", "title,mediaId,size\n\"a\nb\",m1,3\n,m2,\n", "m1 m2"},
		{"both columns", "mediaId,object\nm1,oss://media-in/a\n,oss://media-in/b\nm3,\n", "m1 oss://media-in/b m3"},
		{"spaces, CRLF, a mark, no last end of line", "\ufeffobject , mediaId\r\n, m1 \r\n,m2", "m1 m2"},
		{"blank lines", "mediaId\n\nm1\n\n", "m1"},
		{"a header and no rows", "mediaId\n", ""},
		{"bad rows", "mediaId,n\nm1,1\nm 2,2\nm3\n,4\n\"m5\"x,5\nm6,6\n", "m1 bad 3 bad 4 bad 5 bad 6 m6"},
		{"bad objects", "object\nmedia-in/a\noss://media-in/\noss://media-in/a\n", "bad 2 bad 3 oss://media-in/a"},
		{"a quote that does not end", "mediaId\nm1\n\"m2\nm3\n", "m1 bad 3 m3"},
		{"what stands within quotes", "mediaId,note\nm1,\"see also:\nm2,which stays\n\",one too many\nm3,\"a\nm4,b\"c\nm5,\n", "bad 2 bad 5 m5"},
		{"quotes that do not end", "mediaId,x\nm1,\"a\nm2,b\nm3,\"\"\"\"\nm4,\"\nm5,c\n\"m6\n7\",d\nm8,\"e\nm9,f", "m1 m5 bad 7 bad 9 m9"},
		{"long lines and open quotes", "mediaId,x\nm1,\"a\nm2,b\n" + strings.Repeat("x", 1<<21) + "\nm3,\"a\n" + strings.Repeat("m4,c\n", 3) + strings.Repeat("x", 1<<21), "bad 2 m2 bad 4 bad 5 m4 m4 m4 bad 9"},
		{"no such column", "id,key\nm1,a\n", `error: line 1: the header has neither mediaId nor object: it is "id,key"`},
		{"a column twice", "mediaId,mediaId\nm1,m2\n", "error: line 1: the header has mediaId twice"},
		{"another case", "MediaId\nm1\n", `error: line 1: the header has neither mediaId nor object: it is "MediaId"`},
		{"nothing", "", "error: it is empty: a manifest is CSV with a header, or JSON Lines"},
		{"spaces only", " \n\n", "error: it is empty: a manifest is CSV with a header, or JSON Lines"},
		{"JSON Lines", `{"mediaId":"m1"}` + "\n\n" + ` {"object":"oss://media-in/视频","x":[1]}`, "m1 oss://media-in/视频"},
		{"bad JSON", `{"mediaId":"m1"}` + "\n" + `{"mediaId":1}` + "\n" + `{"MediaId":"m3"}` + "\n" + `{"mediaId":"m4"` + "\n[]\nnull\n" + `{"mediaId":"m7"} {}` + "\n" + `{"mediaId":null,"object":"oss://media-in/a"}`,
			"m1 bad 2 bad 3 bad 4 bad 5 bad 6 bad 7 oss://media-in/a"},
		{"a line too long", `{"mediaId":"m1"}` + "\n" + `{"x":"` + strings.Repeat("x", 1<<20) + `"}` + "\n" + `{"mediaId":"m3"}`, "m1 bad 2 m3"},
		{"JSON that is guessed at", `{"mediaId":"m1"}` + "\n{\"object\":\"oss://media-in/\xff\"}\n" + `{"object":"oss://media-in/\ud83d"}` + "\n" + `{"mediaId":"a","mediaId":"b"}` + "\n" + `{"object":"oss://media-in/\u89c6"}`,
			"m1 bad 2 bad 3 bad 4 oss://media-in/视"},
		{"gzipped CSV", zipped("mediaId\nm1\n"), "m1"},
		{"gzipped JSON", zipped(`{"mediaId":"m1"}`), "m1"},
		{"gzipped, cut off", zipped("mediaId\nm1\nm2\n")[:20], "error: after line 1: unexpected EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.text), iotest.OneByteReader(strings.NewReader(test.text))} {
				if got := told(manifest.Rows(r)); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
			}
		})
	}
}

// A row is bounded, however many lines it has: a small file can unzip to a large one. What
// follows a quote that nothing closes is not lost, and is read in time.
func TestARowTooLong(t *testing.T) {
	for _, text := range []string{strings.Repeat("x\n", 1<<20), strings.Repeat("\"\n\n", 1<<20), strings.Repeat("x\"\n", 1<<20)} {
		got := told(manifest.Rows(strings.NewReader("mediaId,x\nm1,\nm2,\"" + text + "m3,\n")))
		if !strings.HasPrefix(got, "m1 ") || !strings.HasSuffix(got, " m3") {
			t.Errorf("%.80s … %s", got, got[max(0, len(got)-80):])
		}
	}
}

func sum(text string) string { return fmt.Sprintf("%X", md5.Sum([]byte(text))) }

func TestInventory(t *testing.T) {
	file := zipped("\"media-in\",\"dir%2Fa%20b.mp4\",\"2023-10-26T08:00:00.000Z\",True,false\nmedia-in,dir/c+d.mp4,2025-04-14T07-06-00Z,true,false\n" +
		"media-in,old,2025-04-14T07-06-00Z,false,false\nmedia-in,marker,2025-04-14T07-06-00Z,true,TRUE\n" +
		"other,e,2025-04-14T07-06-00Z,true,false\nmedia-in,%zz,x,true,false\nmedia-in,short\n" +
		"\"media-in,open,,true,false\nmedia-in,when,yesterday,true,false\n\n" + strings.Repeat("x", 1<<20+1) + "\nmedia-in,last,,true,false")
	head := `{"creationTimestamp":"1642994594","destinationBucket":"ops","fileFormat":"CSV","fileSchema":"Bucket, Key, LastModifiedDate, IsLatest, isDeleteMarker",` +
		`"files":[{"MD5checksum":"` + sum(file) + `","key":"inv/data/a.csv.gz","size":100}],"sourceBucket":"media-in","version":"2019-09-01"}`
	inventory, err := manifest.ParseInventory([]byte(head), strings.ToLower(sum(head))+"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "oss://media-in/dir/a b.mp4 oss://media-in/dir/c+d.mp4 bad 5 bad 6 bad 7 bad 8 bad 9 bad 11 oss://media-in/last"
	if got := told(inventory.Rows(inventory.Files[0], strings.NewReader(file))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if inventory.Bucket != "media-in" {
		t.Errorf("%+v", inventory)
	}
	for name, damaged := range map[string]string{"cut off": file[:len(file)-20], "with more behind": file + "x"} {
		got := told(inventory.Rows(inventory.Files[0], strings.NewReader(damaged)))
		if !strings.Contains(got, "error: ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	another := zipped("media-in,dir/a,,true,false\n")
	if got := told(inventory.Rows(inventory.Files[0], strings.NewReader(another))); !strings.Contains(got, "oss://media-in/dir/a error: its checksum is") {
		t.Errorf("another file: %s", got)
	}

	bad := []struct{ name, old, new, says string }{
		{"ORC", `"CSV"`, `"ORC"`, "only CSV"},
		{"no key", "Key,", "", "no Bucket and Key"},
		{"no checksum of a file", sum(file), "", "neither may be missing"},
		{"not JSON", "{", "", "not a manifest"},
	}
	for _, test := range bad {
		text := strings.Replace(head, test.old, test.new, 1)
		if _, err := manifest.ParseInventory([]byte(text), sum(text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := manifest.ParseInventory([]byte(head), sum("another")); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("another checksum: %v", err)
	}
}

// Whatever comes, reading ends, and every row that is yielded can be asked for.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{"mediaId\nm1\n", "object,x\noss://media-in/a,\"\n", `{"mediaId":"m1"}`, zipped("mediaId\nm1\n"), "\ufeff{", strings.Repeat("\xa7", 81)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows := 0
		for row, err := range manifest.Rows(bytes.NewReader(data)) {
			rows++
			if err == nil && (row.MediaID == "") == row.Object.IsZero() {
				t.Errorf("row %+v", row)
			}
		}
		if rows > len(data)+1 {
			t.Errorf("%d rows of %d bytes", rows, len(data))
		}
		inventory, err := manifest.ParseInventory(data, sum(string(data)))
		if err == nil && slices.ContainsFunc(inventory.Files, func(file manifest.File) bool { return file.Key == "" }) {
			t.Error("a file without a name")
		}
	})
}
