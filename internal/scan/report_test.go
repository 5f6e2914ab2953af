package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// reportsOf is a cloud with reports of OSS Inventory, by the keys of their objects.
type reportsOf struct {
	*cloud
	contents map[string]string
}

func (r reportsOf) Open(_ context.Context, object media.Object, _ string) (io.ReadCloser, string, error) {
	content, ok := r.contents[object.Key]
	if !ok {
		return nil, "", objects.ErrNotFound
	}
	return io.NopCloser(strings.NewReader(content)), "1", nil
}

// put puts a report of some files.
func (r reportsOf) put(folder string, files ...string) media.Object {
	list := make([]string, len(files))
	for i, rows := range files {
		key := fmt.Sprintf("%s/data/%d.csv.gz", folder, i)
		r.contents[key] = rows
		list[i] = fmt.Sprintf(`{"key":%q,"MD5checksum":"%X"}`, key, md5.Sum([]byte(rows)))
	}
	head := fmt.Sprintf(`{"fileFormat":"CSV","fileSchema":"Bucket, Key","sourceBucket":"media-in","files":[%s]}`, strings.Join(list, ","))
	r.contents[folder+"/manifest.json"], r.contents[folder+"/manifest.checksum"] = head, fmt.Sprintf("%x", md5.Sum([]byte(head)))
	return media.Object{Bucket: "ops", Key: folder + "/manifest.json"}
}

func zipped(rows string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(rows))
	_ = w.Close()
	return b.String()
}

// A report whose checksums are right, and whose compression is not, names nothing. Other reports do.
func TestDamagedReport(t *testing.T) {
	row := func(key string) string { return "media-in," + key + "\n" }
	bad := strings.Repeat("media-in\n", maxBadRows+1)
	cut := zipped(row("c"))
	cut = cut[:len(cut)-4]
	for name, damaged := range map[string][]string{
		"cut_off":              {zipped(row("a")), cut},
		"behind_bad_rows":      {zipped(row("a") + "media-in\n"), cut},
		"behind_many_bad_rows": {zipped(row("a") + bad), cut},
		"another_file":         {zipped(row("a")), zipped(row("c")) + "x"},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/", again), func(t *testing.T) {
				r := reportsOf{newCloud(t), map[string]string{}}
				request := &trigger.Request{Trigger: trigger.Timer, Inventory: true, Manifests: []media.Object{
					r.put("first", zipped(row("x"))), r.put("damaged", damaged...), r.put("last", zipped(row("y"))),
				}}
				s := r.scanner(testPolicy)
				s.Objects = r
				c := s.newScan(t.Context(), t.Context(), Request{Request: request, AsOf: now}, false)
				defer c.close()
				defer c.pool.close()
				if again {
					c.Origin = Origin{isHint: true, prefixes: s.Policy.Inventory.Prefixes}
				}
				c.sources.lists = s.listsOf(request)
				c.gather()
				failures := c.Failures
				_, unlisted := c.Unlisted()
				for failure, err := range unlisted {
					if err != nil {
						t.Fatal(err)
					}
					failures = append(failures, failure)
				}
				if n := len(failures); n == 0 || !strings.Contains(failures[n-1].Message, "nothing of it is used") {
					t.Errorf("%d failures, the last of %v", n, failures)
				}
				var names []string
				for candidate, err := range c.sources.gathered.Objects(nil, "") {
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, candidate.Name())
				}
				if got := fmt.Sprint(names); got != "[media-in/x media-in/y]" {
					t.Errorf("gathered %s", got)
				}
				if n := c.sources.line("manifest:oss://ops/damaged/manifest.json").Named; n != 0 {
					t.Errorf("%d rows are counted", n)
				}
				for _, key := range []string{"a", "c", "x", "y"} {
					if got := c.Origin.hasName(inventory.Candidate{Object: objectOf(key)}); got != (again && key >= "x") {
						t.Errorf("%s is named: %t", key, got)
					}
				}
			})
		}
	}
}

// A resumed scan reads its lists again. What it cannot read is in its report once.
func TestFailuresOfAResumedScan(t *testing.T) {
	for name, list := range map[string]string{"a_row": "mediaId\nno ID\n", "a_list": "[", "many_rows": "mediaId\n" + strings.Repeat("no ID\n", 150)} {
		t.Run(name, func(t *testing.T) {
			r := newResumable(t, 60)
			r.list = list
			want := r.scan(2, false).found.Failures
			got := r.scan(0, false)
			if got.found.End() != nil || !got.found.Origin.isHint || len(want) == 0 || !slices.Equal(got.found.Failures, want) {
				t.Errorf("%v, resumed %v, %d failures, want %d", got.found.End(), got.found.Origin.isHint, len(got.found.Failures), len(want))
			}
		})
	}
}
