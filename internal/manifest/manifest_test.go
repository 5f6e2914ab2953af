package manifest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

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

// utf16Text encodes a text with a byte order mark.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestRows(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"CSV of IDs", "mediaId\nm1\nm2\n", "m1 m2"},
		{"CSV of objects", "object\noss://media-in/a.mp4\n\"oss://media-in/b, c.mp4\"\n", "oss://media-in/a.mp4 oss://media-in/b, c.mp4"},
		{"other columns", "title,mediaId,size\n\"a\nb\",m1,3\n,m2,\n", "m1 m2"},
		{"both columns", "mediaId,object\nm1,oss://media-in/a\n,oss://media-in/b\nm3,\n", "m1 oss://media-in/b m3"},
		{"spaces in the header, CRLF, a mark, no last end of line", "\ufeffobject , mediaId\r\n,m1\r\n,m2", "m1 m2"},
		{"spaces around an ID", "mediaId\nm1 \n m2\nm3\u00a0\nm4\n", "bad 2 bad 3 bad 4 m4"},
		{"blank lines", "mediaId\n\nm1\n\n", "m1"},
		{"a header and no rows", "mediaId\n", ""},
		{"bad rows", "mediaId,n\nm1,1\nm 2,2\nm3\n,4\n\"m5\"x,5\nm6,6\n", "m1 bad 3 bad 4 bad 5 bad 6 m6"},
		{"bad objects", "object\nmedia-in/a\noss://media-in/\noss://media-in/a\n", "bad 2 bad 3 oss://media-in/a"},
		{"a quote that does not end", "mediaId\nm1\n\"m2\nm3\n", "m1 bad 3 m3"},
		{"what stands within quotes", "mediaId,note\nm1,\"see also:\nm2,which stays\n\",one too many\nm3,\"a\nm4,b\"c\nm5,\n", "bad 2 bad 5 m5"},
		{"quotes that do not end", "mediaId,x\nm1,\"a\nm2,b\nm3,\"\"\"\"\nm4,\"\nm5,c\n\"m6\n7\",d\nm8,\"e\nm9,f", "m1 m5 bad 7 bad 9 m9"},
		{"long lines and open quotes", "mediaId,x\nm1,\"a\nm2,b\n" + strings.Repeat("x", 1<<21) + "\nm3,\"a\n" + strings.Repeat("m4,c\n", 3) + strings.Repeat("x", 1<<21), "bad 2 m2 bad 4 bad 5 m4 m4 m4 bad 9"},
		{"no such column", "id,key\nm1,a\n", `error: line 1: the header has neither mediaId nor object: it is "id,key"`},
		{"a column twice", "mediaId,media_id\nm1,m2\n", `error: line 1: the header has mediaId twice: it is "mediaId,media_id"`},
		{"another case", "MediaId\nm1\n", "m1"},
		{"capitals", " MEDIA_ID ,OBJECT\nm1,\n,oss://media-in/a\n", "m1 oss://media-in/a"},
		{"semicolons", "title;mediaId\na,b;m1\n\"c;\nd\";m2\ne,m3\n", "m1 m2 bad 5"},
		{"tabs", "title\tobject\na,b\toss://media-in/c,d;e.mp4\n", "oss://media-in/c,d;e.mp4"},
		{"a hint for Excel", "sep=;\r\nmediaId;x\r\nm1;1,5\r\n", "m1"},
		{"another hint for Excel", "sep=\t\n\nmediaId\n\nm1\n", "m1"},
		{"empty cells at the end", "mediaId,title,,\nm1,a\nm2,a,\nm3,a,,\nm4,a,,b\nm5,a,,,,,\n,,,\nm6,,\nm7,a,,b,c\nm8\n", "m1 m2 m3 m4 m5 m6 bad 9 bad 10"},
		{"lines that end in CR", "mediaId,x\rm1,\"a\rb\"\rm2,\r\rm3,", "m1 m2 m3"},
		{"lines that end in CR, CR and LF", "mediaId\r\r\nm1\r\r\nm 2\r\r\nm3", "m1 bad 5 m3"},
		{"lines that end in CR, an LF in one", "object\ross://media-in/a\n.mp4\ross://media-in/b\r", "bad 2 oss://media-in/b"},
		{"lines that end in LF, a CR in one", "object\noss://media-in/a\r.mp4\noss://media-in/b\r\noss://media-in/c\n", "bad 2 oss://media-in/b oss://media-in/c"},
		{"line ends in the header", "\"a\rb\",mediaId\n1,m1\n2,m2\n", "m1 m2"},
		{"JSON Lines that end in CR", "{\"mediaId\":\"m1\"}\r{\"mediaId\":\"m2\"}\r", "m1 m2"},
		{"names byte for byte", "object\n\"oss://media-in/a \"\n\"oss://media-in/\tb\t\"\n\"oss://media-in/c\r\nd\r\"\noss://media-in/e\u3000\n\"oss://media-in/f\u00a0\"\noss://media-in/g \n",
			"oss://media-in/a  oss://media-in/\tb\t oss://media-in/c\r\nd\r oss://media-in/e\u3000 oss://media-in/f\u00a0 oss://media-in/g "},
		{"quotes in cells", "mediaId,title\nm1,x\nm2,Display 24\" wide\nm3,5\"\nm4,a \"b\" c\nm5,\"\"\nm9,Display 24\" wide\nm10,x\n", "m1 m2 m3 m4 m5 m9 m10"},
		{"quotes in names", "object\noss://media-in/24\" wide.mp4\n\"oss://media-in/24\"\".mp4\"\n", `oss://media-in/24" wide.mp4 oss://media-in/24".mp4`},
		{"quotes that are not doubled", "mediaId,title,x\nm1,a,1\nm2,\"Display 24\" wide\",1\nm3,a,1\nm4,\"Display 24\"\",1\nm5,a,1\nm6,\"Display 24\"\",1\nm7,a,1\nm8,\"Best of\" all,1\nm9,a,1\n", "m1 bad 3 m3 bad 5 m5 bad 7 m7 bad 9 m9"},
		{"quotes that only open", "mediaId,title,x\nm1,\"24 inch,1\nm2,a,1\nm3,\"24 inch,1\nm4,a,1\nm5,\"24 inch,1\n", "bad 2 m2 bad 4 m4 bad 6"},
		{"quotes that only open, in the first column", "title,mediaId\n\"24 inch,m1\na,m2\n\"24 inch,m3\na,m4\n", "bad 2 m2 bad 4 m4"},
		{"rows within quotes behind a misplaced quote", "mediaId,title,x\nm1,\"24\" wide,\"see:\nm2,a,b\n\"\nm3,a,b\n", "bad 2 m3"},
		{"a quote that opens on the second line of a row", "mediaId,a,b\nm1,\"see\nm2,a\",\"b\nm3,a,b\n", "bad 2 m3"},
		{"nothing", "", "error: it is empty: a manifest is CSV with a header, or JSON Lines"},
		{"spaces only", " \n\n", "error: it is empty: a manifest is CSV with a header, or JSON Lines"},
		{"JSON Lines", `{"mediaId":"m1"}` + "\n\n" + ` {"object":"oss://media-in/视频","x":[1]}`, "m1 oss://media-in/视频"},
		{"bad JSON", `{"mediaId":"m1"}` + "\n" + `{"mediaId":1}` + "\n" + `{"MediaId":"m3"}` + "\n" + `{"mediaId":"m4"` + "\n[]\nnull\n" + `{"mediaId":"m7"} {}` + "\n" + `{"mediaId":null,"object":"oss://media-in/a"}`,
			"m1 bad 2 m3 bad 4 bad 5 bad 6 bad 7 oss://media-in/a"},
		{"JSON with a name twice", `{"mediaId":"a","MEDIA_ID":"a"}` + "\n" + `{"Object":"oss://media-in/a "}`, "bad 1 oss://media-in/a "},
		{"a line too long", `{"mediaId":"m1"}` + "\n" + `{"x":"` + strings.Repeat("x", 1<<20) + `"}` + "\n" + `{"mediaId":"m3"}`, "m1 bad 2 m3"},
		{"JSON that is guessed at", `{"mediaId":"m1"}` + "\n{\"object\":\"oss://media-in/\xff\"}\n" + `{"object":"oss://media-in/\ud83d"}` + "\n" + `{"mediaId":"a","mediaId":"b"}` + "\n" + `{"object":"oss://media-in/\u89c6"}`,
			"m1 bad 2 bad 3 bad 4 oss://media-in/视"},
		{"gzipped CSV", zipped("mediaId\nm1\n"), "m1"},
		{"gzipped JSON", zipped(`{"mediaId":"m1"}`), "m1"},
		{"gzipped, cut off", zipped("mediaId\nm1\nm2\n")[:20], "error: after line 0: unzip: it is cut off"},
		{"gzipped twice", zipped(zipped("mediaId\nm1\n")), "error: it is zipped twice: unzip it once"},
		{"URLs", "object\nhttp://media-in.oss-cn-shanghai.aliyuncs.com/a%20b%2Fc.mp4\nhttps://media-in.oss-cn-shanghai-internal.aliyuncs.com/d+e.mp4\nhttp://media-in.cn-shanghai.oss.aliyuncs.com/f\n" +
			"http://media-in.oss-cn-shanghai.aliyuncs.com/g?x=1\nhttp://media-in.oss-cn-shanghai.aliyuncs.com/g?\nhttp://cdn.example.com/g\nhttp://media-in.oss-cn-shanghai.aliyuncs.com/%zz\nhttp://oss-cn-shanghai.aliyuncs.com/media-in/g\nftp://media-in/a\n",
			"oss://media-in/a b/c.mp4 oss://media-in/d+e.mp4 oss://media-in/f bad 5 bad 6 bad 7 bad 8 bad 9 bad 10"},
		{"UTF-16", utf16Text(binary.LittleEndian, "title\tobject\r\n视频😀\toss://media-in/视频😀.mp4\r\n"), "oss://media-in/视频😀.mp4"},
		{"UTF-16, big-endian, gzipped", zipped(utf16Text(binary.BigEndian, "{\"object\":\"oss://media-in/视频😀.mp4\"}\n")), "oss://media-in/视频😀.mp4"},
		{"UTF-16 with half a character", "\xff\xfe" + "o\x00b\x00j\x00e\x00c\x00t\x00\n\x00" + utf16Text(binary.LittleEndian, "oss://media-in/a")[2:] + "\x00\xd8" + "b\x00\n\x00" + utf16Text(binary.LittleEndian, "oss://media-in/b")[2:] + "\x00\xdc", "bad 2 bad 3"},
		{"UTF-16 that is cut off", utf16Text(binary.LittleEndian, "mediaId\nm1\n") + "m", "error: after line 0: it is cut off: its UTF-16 ends in half a character"},
		{"UTF-16 without a mark", utf16Text(binary.LittleEndian, "mediaId\nm1\n")[2:], "error: it is UTF-16 without a byte order mark, or no text: save it as UTF-8"},
		{"UTF-32", "\xff\xfe\x00\x00m\x00\x00\x00", "error: it is UTF-32: save it as UTF-8"},
		{"Excel", "PK\x03\x04\x14\x00", "error: it is an Excel workbook or another ZIP archive: save the sheet as CSV (UTF-8)"},
		{"a JSON array", " [\n{\"mediaId\":\"m1\"}]", "error: it is a JSON array: write JSON Lines, one object a line, as `jq -c '.[]'` does"},
		{"JSON over several lines", "{\n\"mediaId\": \"m1\"\n}\n", "bad 1 bad 2 bad 3"},
		{"HTML", "<!DOCTYPE html>", "error: it is HTML or XML: export it as CSV or JSON Lines"},
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
	if got := told(inventory.Rows(strings.NewReader(file))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if inventory.Bucket != "media-in" {
		t.Errorf("%+v", inventory)
	}
	if err := inventory.Files[0].Verify(strings.NewReader(file)); err != nil {
		t.Error(err)
	}
	for name, damaged := range map[string]string{"cut off": file[:len(file)-20], "with more behind": file + "x", "another": zipped("media-in,dir/a,,true,false\n"), "empty": ""} {
		if err := inventory.Files[0].Verify(strings.NewReader(damaged)); err == nil {
			t.Errorf("%s: it was taken for whole", name)
		}
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
