package emulator_test

import (
	"compress/gzip"
	"crypto/md5"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// listed returns up to two pages of a listing of the input bucket.
func listed(t *testing.T, c *sdkoss.Client, prefix, after string) (keys []string) {
	t.Helper()
	p := c.NewListObjectsV2Paginator(&sdkoss.ListObjectsV2Request{
		Bucket: sdkoss.Ptr(emulator.InputBucket), MaxKeys: 1000, Prefix: &prefix, StartAfter: &after})
	for range 2 {
		if !p.HasNext() {
			break
		}
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func TestMadeUpObjects(t *testing.T) {
	library := emulator.MadeUp{Objects: 20_000_000}
	e := start(t, emulator.Config{MadeUp: library})
	c := ossClient(e)
	from := func(first, n int) (keys []string) {
		for i := first; i < first+n; i++ {
			keys = append(keys, library.Key(i))
		}
		return keys
	}
	for name, test := range map[string]struct {
		prefix, after string
		want          []string
	}{
		"first":     {"", "", from(0, 2000)},
		"after":     {"", library.Key(7_654_321), from(7_654_322, 2000)},
		"last":      {"", library.Key(19_999_997), from(19_999_998, 2)},
		"end":       {"", library.Key(19_999_999), nil},
		"prefix":    {"clips/0012345/", "", from(12_345_000, 1000)},
		"no_prefix": {"clips/9999999/", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := listed(t, c, test.prefix, test.after); !slices.Equal(got, test.want) {
				t.Errorf("%d keys %.200q, want %d", len(got), got, len(test.want))
			}
		})
	}
	if o, ok := e.Object(emulator.InputBucket, library.Key(19_999_999)); !ok || o.Size == 0 {
		t.Errorf("last object: %+v, %t", o, ok)
	}
	for _, key := range []string{library.Key(20_000_000), "clips/0000001/clip-0000000000.mp4", "clips/0000000/clip-000000000+.mp4", ".mp4"} {
		if _, ok := e.Object(emulator.InputBucket, key); ok {
			t.Errorf("object %s is not in the library", key)
		}
	}
	noViolations(t, e)
	if _, err := put(t.Context(), c, emulator.InputBucket, "new.mp4", "", nil); ossCode(err) != "403 AccessDenied" {
		t.Errorf("write: %v", err)
	}
	if len(e.Violations()) != 1 {
		t.Errorf("violations %q, want one for the write", e.Violations())
	}
}

func TestMadeUpMedia(t *testing.T) {
	library := emulator.MadeUp{Objects: 1000, DueEvery: 200, NewEvery: 100}
	e := start(t, emulator.Config{MadeUp: library})
	c := mpsClient(t, e)
	due, fresh := 0, 0
	var ids []string
	for first := 0; first < library.Objects; first += 10 {
		var urls []string
		for i := first; i < first+10; i++ {
			urls = append(urls, fileURL(library.Key(i)))
		}
		answer, err := queryURLs(c, urls...)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range answer.MediaList.Media {
			ids = append(ids, m.MediaId)
			created, err := time.Parse(time.RFC3339, m.CreationTime)
			switch age := time.Since(created); {
			case err != nil:
				t.Error(err)
			case age > emulator.MadeUpAge:
				due++
			case age < 24*time.Hour:
				fresh++
			}
		}
	}
	slices.Sort(ids)
	last := ids[len(ids)-1]
	if due != 5 || fresh != 10 || len(slices.Compact(ids)) != library.Objects {
		t.Errorf("%d due, %d new, %d IDs: want 5, 10 and 1000", due, fresh, len(ids))
	}
	if _, err := deleteMedia(c, last); err != nil {
		t.Fatal(err)
	}
	answer, err := queryMedia(c, ids[len(ids)-10:]...)
	if err != nil || !slices.Equal(answer.NonExistMediaIds.MediaId, []string{last}) {
		t.Errorf("after the deletion of %s: %+v, %v", last, answer.NonExistMediaIds, err)
	}
	if m, ok := e.Medium(last); !ok || !m.Deleted || len(e.Media()) != 1 {
		t.Errorf("remembered %+v of %d", m, len(e.Media()))
	}
	noViolations(t, e)
}

// The rows of a report come twice in the same bytes, from any place on.
func TestMadeUpReport(t *testing.T) {
	library := emulator.MadeUp{Objects: 5000, NewEvery: 100, Report: true}
	e := start(t, emulator.Config{MadeUp: library})
	c := ossClient(e)
	read := func(key, from string) string {
		t.Helper()
		body, _, err := get(t.Context(), c, emulator.OpsBucket, key, func(r *sdkoss.GetObjectRequest) {
			if from != "" {
				r.Range = sdkoss.Ptr("bytes=" + from + "-")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	text := read(emulator.ReportKey, "")
	if sum := fmt.Sprintf("%X", md5.Sum([]byte(text))); read("inv/manifest.checksum", "") != sum {
		t.Errorf("checksum of the manifest: %s", sum)
	}
	var head struct {
		Files []struct {
			Key, MD5checksum string
			Size             int
		}
	}
	if err := json.Unmarshal([]byte(text), &head); err != nil || len(head.Files) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	file := head.Files[0]
	part := read(file.Key, "")
	if sum := fmt.Sprintf("%X", md5.Sum([]byte(part))); len(part) != file.Size || sum != file.MD5checksum {
		t.Errorf("%d bytes with the sum %s, want %+v", len(part), sum, file)
	}
	if read(file.Key, "1234") != part[1234:] {
		t.Error("a range has other bytes")
	}
	unzipped, err := gzip.NewReader(strings.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, row := range rows {
		key, err := url.PathUnescape(row[1])
		if err != nil || row[0] != emulator.InputBucket {
			t.Errorf("row %q: %v", row, err)
		}
		o, ok := e.Object(emulator.InputBucket, key)
		if !ok || row[2] != fmt.Sprint(o.Size) || row[3] != o.Modified.UTC().Format("2006-01-02T15:04:05.000Z") {
			t.Errorf("row %q, object %+v", row, o)
		}
		keys = append(keys, key)
	}
	if slices.IsSorted(keys) {
		t.Error("all rows are in order: real ones are not")
	}
	if all := slices.Compact(slices.Sorted(slices.Values(keys))); len(all) != library.Objects {
		t.Errorf("%d objects, want each", len(all))
	}
}
