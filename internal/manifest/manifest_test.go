package manifest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
)

// listed describes rows and errors in one line.
func listed(rows iter.Seq2[manifest.Row, error]) string {
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
		{"content in a column without a name", "object,\noss://media-in/k1,x\noss://media-in/k2,\noss://media-in/k3\n", "bad 2 oss://media-in/k2 oss://media-in/k3"},
		{"an escape that is no character beside one that is", "{\"object\":\"oss://media-in/b\\udc00\uFFFD\"}\n{\"object\":\"oss://media-in/\\ufffd\"}\n", "bad 1 oss://media-in/\uFFFD"},
		{"other columns", "title,mediaId,size\n\"a\nb\",m1,3\n,m2,\n", "m1 m2"},
		{"both columns", "mediaId,object\nm1,oss://media-in/a\n,oss://media-in/b\nm3,\n", "m1 oss://media-in/b m3"},
		{"an object beside an ID that is none", "mediaId,object\nm1,clips/a\nm2,oss://media-in/a\nm3,https://media-in.oss-cn-shanghai.aliyuncs.com/a\n", "bad 2 m2 m3"},
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
		{"empty cells at the end", "mediaId,title,,\nm1,a\nm2,a,\nm3,a,,\nm4,a,,b\nm5,a,,,,,\n,,,\nm6,,\nm7,a,,b,c\nm8\n", "m1 m2 m3 bad 5 m5 m6 bad 9 bad 10"},
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
		{"JSON with two names", `{"mediaId":"a","MediaId":"b"}` + "\n" + `{"media_id":"a","mediaId":"b"}` + "\n" + `{"object":"oss://media-in/a","OBJECT":"oss://media-in/b"}` + "\n" + `{"mediaId":null,"mediaId":"b"}` + "\n" + `{"mediaId":"a","medi\u0061Id":"b"}` + "\n" + `{"mediaId":"m6","x":{"mediaId":"a"},"x":[{"mediaId":"b"}]}`,
			"bad 1 bad 2 bad 3 bad 4 bad 5 m6"},
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
		{"URLs in other forms", "object\nHTTP://media-in.OSS-cn-shanghai.aliyuncs.com:80/a\nhttp://media-in.oss-x.evil.aliyuncs.com/b\nHttps://media-in.oss-cn-shanghai.aliyuncs.com:80/c\n", "oss://media-in/a bad 3 bad 4"},
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
				if got := listed(manifest.Rows(r)); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
			}
		})
	}
}

// A row is bounded, however many lines it has: a small file can unzip to a large one. What
// follows a quote that nothing closes is not lost, and is read in time.
func TestARowTooLong(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"%s\n", "\"\n%s\n", "%s\"\n"} {
		text := strings.Repeat(fmt.Sprintf(line, strings.Repeat("x", 100)), 1<<20/100+1)
		got := listed(manifest.Rows(strings.NewReader("mediaId,x\nm1,\nm2,\"" + text + "m3,\n")))
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
		`"files":[{"MD5checksum":"` + sum(file) + `","key":"inv/data/a.csv.gz","size":` + strconv.Itoa(len(file)) + `}],"sourceBucket":"media-in","version":"2019-09-01"}`
	inventory, err := manifest.ParseInventory([]byte(head), strings.ToLower(sum(head))+"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "oss://media-in/dir/a b.mp4 oss://media-in/dir/c+d.mp4 bad 5 bad 6 bad 7 bad 8 bad 9 bad 11 oss://media-in/last"
	if got := listed(inventory.Rows(strings.NewReader(file))); got != want {
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
	for size, want := range map[string]string{
		`"size":` + strconv.Itoa(len(file)+1): "and the manifest says", `"size":0`: "and the manifest says", `"size":"1"`: "and the manifest says", `"ize":1`: "",
		`"size":-1`: "not a plain decimal number", `"size":1.5`: "not a plain decimal number", `"size":null`: "not a plain decimal number",
	} {
		other := strings.Replace(head, `"size":`+strconv.Itoa(len(file)), size, 1)
		inventory, err := manifest.ParseInventory([]byte(other), sum(other))
		if err == nil {
			err = inventory.Files[0].Verify(strings.NewReader(file))
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", size, err, want)
		}
	}

	var manyKeys strings.Builder
	for i := range 101 {
		fmt.Fprintf(&manyKeys, `"k%d":1,`, i)
	}
	bad := []struct{ name, old, new, says string }{
		{"ORC", `"CSV"`, `"ORC"`, "only CSV"},
		{"no key", "Key,", "", "no Bucket and Key"},
		{"no files", `"files":`, `"filez":`, "no files"},
		{"a key twice", `"version":`, `"fileFormat":"CSV","version":`, `"fileFormat" is set twice`},
		{"a key in another case", `"version":`, `"Files":[],"version":`, `"Files" is set twice`},
		{"a key that is not needed, twice", `"version":`, `"Version":"1","version":`, `"version" is set twice`},
		{"a key in escapes", `"version":`, `"f\u0069les":[],"version":`, `"files" is set twice`},
		{"a key of a file in another case", `"key":`, `"KEY":"b","key":`, `"key" is set twice`},
		{"a checksum of a file twice", `"key":`, `"md5checksum":"` + sum(file) + `","key":`, `"md5checksum" is set twice`},
		{"too many keys", `"version":`, manyKeys.String() + `"version":`, "more than 100 keys"},
		{"a number for a text", `"CSV"`, "1", "fileFormat: a text is expected"},
		{"a bucket that is no Unicode", `"media-in"`, `"\ud800"`, "sourceBucket: the text is not Unicode"},
		{"files that are no list", `"files":`, `"files":{},"filez":`, "files: a JSON list is expected"},
		{"a file that is no object", `"files":[`, `"files":["a",`, `files: "\"a\"": a JSON object is expected`},
		{"another letter", `"files":`, `"fi\u017fles":`, "no files"},
		{"a column twice", "Bucket, Key,", "Bucket, Key, Key,", "one twice"},
		{"too many columns", "Key,", "Key," + strings.Repeat("x,", 200), "the limit is 100"},
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

// A version of an object counts only if its row is clear about it.
func TestFlagsOfARow(t *testing.T) {
	head := `{"fileFormat":"CSV","fileSchema":"Bucket, Key, VersionId, IsLatest, IsDeleteMarker","files":[],"sourceBucket":"media-in"}`
	inventory, err := manifest.ParseInventory([]byte(head), sum(head))
	if err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]string{
		"true,false": "oss://media-in/a", "TRUE,False": "oss://media-in/a", " True ,false": "oss://media-in/a",
		"false,false": "", "true,true": "", "FALSE,True": "",
		",false": "bad 1", "true,": "bad 1", "no,false": "bad 1", "0,false": "bad 1", "true,no": "bad 1", "true,1": "bad 1",
		"no,true": "bad 1", "false,no": "bad 1", "tru\u00e9,false": "bad 1", "fal\u017fe,false": "bad 1",
	} {
		if got := listed(inventory.Rows(strings.NewReader("media-in,a,v," + flags + "\n"))); got != want {
			t.Errorf("%s: got %q, want %q", flags, got, want)
		}
	}
}

// The error of a row of a report shows the value that is wrong.
func TestMessagesOfAReport(t *testing.T) {
	head := `{"fileFormat":"CSV","fileSchema":"Bucket, Key, LastModifiedDate","files":[],"sourceBucket":"media-in"}`
	inventory, err := manifest.ParseInventory([]byte(head), sum(head))
	if err != nil {
		t.Fatal(err)
	}
	for row, value := range map[string]string{
		"media-in,short": `"media-in,short"`, "media-in,a,,\"b\"": `"media-in,a,,b"`, "other,a,": `"other"`, "media-in,a%2,": `"a%2"`,
		"media-in,/a,": `"/a"`, "media-in,a,yesterday": `"yesterday"`,
	} {
		for _, err := range inventory.Rows(strings.NewReader(row + "\n")) {
			if err == nil || !strings.HasPrefix(err.Error(), "line 1: ") || !strings.Contains(err.Error(), value) {
				t.Errorf("%s: %v", row, err)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	list := zipped(strings.Repeat("mediaId\nm1\n", 1000))
	flipped := func(at int) string {
		b := []byte(list)
		b[(at+len(b))%len(b)] ^= 0x10
		return string(b)
	}
	tests := []struct{ name, text, says string }{
		{"plain", "mediaId\nm1\n", ""},
		{"gzipped", list, ""},
		{"two parts", list + list, ""},
		{"UTF-16", utf16Text(binary.BigEndian, "mediaId\n"), ""},
		{"a wrong CRC", flipped(-8), "checksum"},
		{"a wrong length", flipped(-4), "checksum"},
		{"a wrong byte", flipped(20), "unzip"},
		{"only a header", list[:10], "cut off"},
		{"half a header", list[:5], "cut off"},
		{"no trailer", list[:len(list)-8], "cut off"},
		{"something behind", list + strings.Repeat("x", 20), "something else follows"},
		{"zeros behind", list + strings.Repeat("\x00", 20), "something else follows"},
		{"a few bytes behind", list + "xyz", "something else follows"},
		{"a byte behind", list + "\n", "something else follows"},
		{"the start of another part", list + list[:1], "cut off"},
		{"half of another part", list + list[:15], "cut off"},
		{"a wrong part", list + "\x1f\x8bxxxxxxxxxx", "something else follows"},
		{"empty parts", strings.Repeat(zipped(""), 300) + list, ""},
		{"UTF-16, cut off", utf16Text(binary.BigEndian, "mediaId\n") + "m", "cut off"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := manifest.Verify(iotest.HalfReader(strings.NewReader(test.text)))
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
	broken := errors.New("the connection broke")
	if err := manifest.Verify(io.MultiReader(strings.NewReader(list[:30]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a connection that breaks: %v", err)
	}
}

// A message names the line, and quotes the start of the value. It shows no query of a URL: a query
// may be a signature.
func TestMessages(t *testing.T) {
	tests := []struct{ text, want string }{
		{"mediaId\nm\u00a01\n", "line 2: mediaId \"m\\u00a01\": a media ID has 1 to 64 of 0-9, a-z, A-Z, - and _"},
		{"object\nraw/a.mp4\n", `line 2: "raw/a.mp4" does not start with oss://`},
		{"object,x\noss://media-in/a\n", `line 2: 1 columns, the header has 2: "oss://media-in/a"`},
		{"mediaId,x\n,\"a\nb\"\n", `line 2: neither mediaId nor object has a value: ",a\nb"`},
		{"mediaId,x\nm1,\"a\nb\"c\n", `line 2: text follows a closing quote: within quotes, write two for one, and the row ends on line 3: "m1,\"a\nb\"c"`},
		{"object\nhttp://media-in.oss-cn-shanghai.aliyuncs.com/a?Signature=secret\n", `line 2: "http://media-in.oss-cn-shanghai.aliyuncs.com/a?…": file URL carries a query: only the address of the object is allowed`},
		{"{", `line 1: not JSON: unexpected end of JSON input: write one JSON object a line, with each key once: it is "{"`},
		{"{\"mediaId\":\"a\",\"MediaId\":\"b\"}", `line 1: "MediaId" is set twice, in this case or another: write one JSON object a line, with each key once: it is "{\"mediaId\":\"a\",\"MediaId\":\"b\"}"`},
		{"{\"mediaId\":7}", `line 1: mediaId: a text is expected: "{\"mediaId\":7}"`},
	}
	for _, test := range tests {
		for _, err := range manifest.Rows(strings.NewReader(test.text)) {
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		}
	}
	long := strings.Repeat("\x1b", 1<<19)
	for _, text := range []string{"object\n" + long, "mediaId\n" + long, "object,x\n" + long, "mediaId,x\nm1,\"" + long, long, "{\"mediaId\":\"" + long[:1000], "{\"object\":" + strings.Repeat("1", 1<<19) + "}", "object\nhttp://" + long, "object\noss://" + long, "object\noss://media-in/" + long} {
		for _, err := range manifest.Rows(strings.NewReader(text)) {
			if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%.600q", fmt.Sprint(err))
			}
		}
	}
}

// Reading takes little memory, whatever a list unzips to.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory")
	}
	for name, unit := range map[string]string{"one line": "x", "lines": "\n", "rows": "m1\n", "commas": ",", "quotes": "\"", "doubled quotes": "\"\"\n", "open quotes": "\"x\n", "carriage returns": "\r", "NULs": "\x00", "objects": "{}\n", "braces": "{"} {
		start := "mediaId,x\n"
		if unit[0] == '{' {
			start = "{}\n"
		}
		const size = 8 << 20
		list := zipped(start + strings.Repeat(unit, size/len(unit)))
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		most, rows := uint64(0), 0
		if err := manifest.Verify(strings.NewReader(list)); err != nil {
			t.Error(err)
		}
		runtime.ReadMemStats(&now)
		if spent := now.TotalAlloc - before.TotalAlloc; spent > size/2 {
			t.Errorf("%s: %d KiB to verify %d KiB of text", name, spent>>10, size>>10)
		}
		for _, err := range manifest.Rows(strings.NewReader(list)) {
			if rows++; err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if rows%5_000 == 1 {
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
			}
			if rows == 20_000 {
				break
			}
		}
		runtime.ReadMemStats(&now)
		if most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc)); most > 64<<20 {
			t.Errorf("%s: %d MiB", name, most>>20)
		}
	}
}

// Rows with quotes that are not written as they should be cost no other row.
func TestBadRowsCostNoOther(t *testing.T) {
	titles := []struct {
		text string
		good bool
	}{
		{"plain", true}, {`24" wide`, true}, {`5"`, true}, {`a ""b""`, true}, {`"quoted, ""well"""`, true}, {"\"over\nlines\nx,m0,1\n\"", true},
		{`"24" wide"`, false}, {`"Best of" all`, false}, {`"24"x"`, false}, {`"a" "b"`, false},
	}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		ending := []string{"\n", "\r\n", "\r"}[random.IntN(3)]
		separator := []string{",", ";", "\t"}[random.IntN(3)]
		list := "title" + separator + "mediaId" + separator + "x" + ending
		var want []string
		line := 2
		for i := range 12 {
			title := titles[random.IntN(len(titles))]
			text := strings.ReplaceAll(strings.ReplaceAll(title.text, ",", separator), "\n", ending)
			list += fmt.Sprint(text, separator, "m", i+1, separator, 1, ending)
			if title.good {
				want = append(want, fmt.Sprint("m", i+1))
			} else {
				want = append(want, fmt.Sprint("bad ", line))
			}
			line += 1 + strings.Count(title.text, "\n")
		}
		if got := listed(manifest.Rows(strings.NewReader(list))); got != strings.Join(want, " ") {
			t.Fatalf("seed %d\ngot  %s\nwant %s\n%q", seed, got, strings.Join(want, " "), list)
		}
	}
}

// Whatever comes, reading ends, and every row that is yielded can be asked for.
// fuzzedRow bounds a row of a fuzzed list, in bytes: many are longer.
const fuzzedRow = 64

func FuzzRows(f *testing.F) {
	for _, seed := range []string{"mediaId\nm1\n", "object,x\noss://media-in/a,\"\n", `{"mediaId":"m1"}`, zipped("mediaId\nm1\n"), "\ufeff{", strings.Repeat("\xa7", 81), "sep=;\robject;x\r\"oss://media-in/a\";\r",
		utf16Text(binary.LittleEndian, "object\noss://media-in/😀\n"), "\xfe\xff\xd8\x00", "mediaId,x\nm1,\"a\n\"b\n,\"c", "object\nhttp://media-in.oss-cn-shanghai.aliyuncs.com/a%20b\n"} {
		f.Add([]byte(seed))
	}
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		rows, broken, line := 0, false, 0
		for row, err := range manifest.RowsUpTo(fuzzedRow, bytes.NewReader(data)) {
			rows++
			var bad *manifest.RowError
			switch {
			case broken:
				t.Error("reading goes on after an error that ends it")
			case errors.As(err, &bad):
				if bad.Line < line {
					t.Errorf("line %d after line %d", bad.Line, line)
				}
				line = bad.Line
			case err != nil:
				broken = true
			case row.MediaID == "" && row.Object.IsZero():
				t.Errorf("row %+v", row)
			}
		}
		if rows > len(data)+1 && !bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			t.Errorf("%d rows of %d bytes", rows, len(data))
		}
		_ = manifest.VerifyUpTo(fuzzedRow, bytes.NewReader(data)) // it ends
	})
}

// What a writer of CSV writes is read as it was meant, whatever stands in its cells.
func FuzzCSV(f *testing.F) {
	f.Add("a \r\n", "24\" wide", byte(0))
	f.Add("\u3000\ufeff\"", "\"\nm1,x\n\"", byte(1))
	f.Add("\r", "", byte(2))
	fuzztest.Fuzz(f, func(t *testing.T, key, note string, how byte) {
		object, err := media.NewObject("media-in", key)
		if err != nil {
			return
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Comma = []rune(",;\t")[how%3]
		_ = w.WriteAll([][]string{{"note", "object", "x"}, {note, object.String(), ""}, {"", object.String(), note}, {note, "oss://media-in/last", note}})
		want := strings.Join([]string{object.String(), object.String(), "oss://media-in/last"}, " ")
		if got := listed(manifest.Rows(&b)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// A report that is taken has the columns that its rows need, and names of its files.
func FuzzInventory(f *testing.F) {
	head := `{"fileFormat":"CSV","fileSchema":"Bucket, Key, LastModifiedDate, IsLatest, isDeleteMarker","files":[{"MD5checksum":"00112233445566778899aabbccddeeff","key":"a"}],"sourceBucket":"media-in"}`
	for _, seed := range []string{head, `{"files":[{}]}`, strings.Replace(head, "Key, ", "", 1), strings.Replace(head, "CSV", "ORC", 1), `{"files":{"key":1}}`, "[]", "null", `{"files":[null]}`} {
		f.Add([]byte(seed), []byte("media-in,a%2Fb,2025-04-14T07-06-00Z,true,false\n"))
	}
	fuzztest.Fuzz(f, func(t *testing.T, data, rows []byte) {
		if _, err := manifest.ParseInventory(data, sum(string(data)+"x")); err == nil {
			t.Error("another checksum was taken")
		}
		inventory, err := manifest.ParseInventory(data, sum(string(data)))
		if err != nil {
			if len(err.Error()) > 3000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		end := bytes.LastIndexByte(data, '}')
		for _, key := range []string{"Files", "fileschema", "SOURCEBUCKET", "fileFormat"} { // set again
			again := fmt.Sprintf(`%s,%q:[]}`, data[:end], key)
			if _, err := manifest.ParseInventory([]byte(again), sum(again)); err == nil {
				t.Errorf("a key that is set twice was taken: %s", again)
			}
		}
		for _, file := range inventory.Files {
			if file.Key == "" || file.Verify(bytes.NewReader(rows)) == nil && !strings.Contains(strings.ToUpper(string(data)), sum(string(rows))) {
				t.Errorf("file %q", file.Key)
			}
		}
		for row, err := range inventory.Rows(bytes.NewReader(rows)) {
			if err == nil && (row.Object.IsZero() || row.MediaID != "" || row.Object.Bucket != inventory.Bucket) {
				t.Errorf("row %+v", row)
			}
		}
	})
}

// A manifest.json may have many entries without a key.
func TestManyFilesWithoutNames(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory")
	}
	head := `{"fileFormat":"CSV","fileSchema":"Bucket, Key","files":[` + strings.Repeat("{},", 5<<20) + `{}]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := manifest.ParseInventory([]byte(head), sum(head))
	runtime.ReadMemStats(&after)
	if err == nil || after.TotalAlloc-before.TotalAlloc > 64<<20 {
		t.Errorf("%v with %d MiB", err, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}
