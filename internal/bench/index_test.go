package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

// objects is how many a bucket has whose second day is measured.
var objects = flag.Int("objects", 1_000_000, "objects of the bucket that is swept for the second day")

// rows is how many a report of OSS Inventory has.
var rows = flag.Int("rows", 5_000_000, "rows of the report of OSS Inventory")

// written returns when an object of these buckets was, in the year before March 2025.
func written(i int) time.Time {
	return time.Date(2025, time.March, 1, 0, 0, 0, 0, time.UTC).Add(-time.Duration(i*7919%31_536_000) * time.Second)
}

func objectKey(i int) string { return fmt.Sprintf("clips/%04d/clip-%07d.mp4", i/1000, i) }

// knows writes what a sweep of yesterday left of the first objects of the bucket: of each
// a medium, of which some are due by now.
func (c *cloud) knows(n, due int) {
	c.b.Helper()
	text, err := os.ReadFile(c.env["MEDIASWEEP_POLICY"])
	if err != nil {
		c.b.Fatal(err)
	}
	p, err := policy.Parse("policy", text)
	if err != nil {
		c.b.Fatal(err)
	}
	yesterday := time.Now().UTC().Add(-24 * time.Hour)
	known := index.Open(c.b.Context(), state.Folder(filepath.Join(c.dir, "state")), p.Digest(), yesterday, yesterday, slog.Warn)
	finds := &index.Finds{}
	defer finds.Close()
	for i := range n {
		e := index.Entry{Name: "media-in/" + objectKey(i), Modified: written(i).Unix(), Medium: true, Due: written(i).AddDate(5, 0, 0).Unix()}
		if due > 0 && i%(n/due) == 0 {
			e.Due = time.Now().Add(-time.Hour).Unix()
		}
		finds.Add(e)
	}
	if err := finds.Write(c.b.Context(), known, yesterday, "yesterday"); err != nil {
		c.b.Fatal(err)
	}
	c.b.ReportMetric(float64(c.indexBytes())/float64(n), "bytes/object")
}

// indexBytes returns the size of all index records in the state store.
func (c *cloud) indexBytes() (size int64) {
	c.b.Helper()
	err := filepath.WalkDir(filepath.Join(c.dir, "state", "index"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		c.b.Fatal(err)
	}
	return size
}

// BenchmarkSecondDay sweeps a large bucket of which yesterday's sweep knows all but what
// is new: with nothing due and nothing new, beside a smaller one and the SDK's paginator;
// and with half a percent due and one percent new.
func BenchmarkSecondDay(b *testing.B) {
	b.Run("quiet", func(b *testing.B) {
		for b.Loop() {
			c, took := quietDay(b, *objects, func(n int) library { return library{Objects: n} })
			bare := c.loop("paginate")
			b.ReportMetric(took.CPU.Seconds()/bare.CPU.Seconds(), "cpu/paginator")
		}
	})
	b.Run("due", func(b *testing.B) {
		for b.Loop() {
			due, fresh := *objects/200, *objects/100
			c := start(b, library{Objects: *objects + fresh, Due: due, New: fresh})
			c.knows(*objects, due)
			before := c.indexBytes()
			r, took := c.sweep(nightly)
			if r.Counts.Deleted != due || r.Counts.Looked != due+fresh {
				b.Fatalf("%+v", r.Counts)
			}
			calls := r.Calls.DeleteMedia + r.Calls.QueryMediaList + r.Calls.QueryMediaListByURL
			b.ReportMetric(float64(calls), "calls")
			b.ReportMetric(float64(calls)/(float64(due+fresh)/10*3), "calls/least")
			b.ReportMetric(float64(calls)/(float64(*objects)/10), "calls/full-look")
			b.ReportMetric(took.Wall.Seconds(), "s")
			b.ReportMetric(float64(c.indexBytes()-before)/1e6, "index-MB")
		}
	})
}

// quietDay sweeps what a source names, all of which yesterday's sweep knows, beside a small
// one.
func quietDay(b *testing.B, n int, of func(n int) library) (*cloud, usage) {
	b.Helper()
	var c *cloud
	var took, least usage
	for _, named := range []int{10_000, n} {
		least = took
		c = start(b, of(named))
		c.knows(named, 0)
		before := c.indexBytes()
		var r report.Report
		if r, took = c.sweep(nightly); r.Counts.Looked+r.Counts.ObjectsWithoutMedia != 0 || r.Sources[0].Named != named {
			b.Fatalf("%+v %+v", r.Counts, r.Sources)
		}
		b.ReportMetric(float64(c.indexBytes()-before)/1e6, "index-MB")
	}
	b.ReportMetric(took.CPU.Seconds(), "cpu-s")
	b.ReportMetric(float64(took.Peak)/1e6, "MB")
	b.ReportMetric(float64(took.Peak)/float64(least.Peak), "large/small")
	return c, took
}

// paginate lists the bucket with the SDK's own paginator.
func paginate() {
	getenv := os.Getenv
	config := oss.NewConfig().WithRegion(getenv("MEDIASWEEP_REGION")).WithEndpoint(getenv("MEDIASWEEP_OSS_ENDPOINT")).WithUsePathStyle(true).
		WithCredentialsProvider(osscredentials.NewStaticCredentialsProvider(getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"), getenv("ALIBABA_CLOUD_SECURITY_TOKEN")))
	p := oss.NewClient(config).NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr("media-in"), MaxKeys: 1000})
	for p.HasNext() {
		_, err := p.NextPage(context.Background())
		check(err)
	}
}

// BenchmarkInventoryReport sweeps what a report of OSS Inventory names, all of which
// yesterday's sweep knows, beside a small one: the rows come in no order.
func BenchmarkInventoryReport(b *testing.B) {
	for b.Loop() {
		_, took := quietDay(b, *rows, func(n int) library { return library{Rows: n} })
		b.ReportMetric(float64(*rows)/took.Wall.Seconds(), "rows/s")
	}
}

// putReport puts a report of OSS Inventory into a bucket, in files of a million rows.
func putReport(e *emulator.Emulator, n int) {
	const perFile = 1_000_000
	var files []map[string]any
	put := func(key string, body []byte) string {
		e.PutObject("ops", key, body, time.Now())
		return fmt.Sprintf("%X", md5.Sum(body))
	}
	for first := 0; first < n; first += perFile {
		key := fmt.Sprintf("inv/data/%d.csv.gz", len(files))
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		for i := first; i < min(first+perFile, n); i++ {
			at := i * 7919 % n // each once: 7919 is prime, and no divisor of n
			_, err := fmt.Fprintf(w, "\"media-in\",\"clips%%2F%04d%%2Fclip-%07d.mp4\",\"%d\",\"%s\"\n", at/1000, at, at, written(at).Format("2006-01-02T15:04:05.000Z"))
			check(err)
		}
		check(w.Close())
		files = append(files, map[string]any{"key": key, "size": body.Len(), "MD5checksum": put(key, body.Bytes())})
	}
	head, err := json.Marshal(map[string]any{"creationTimestamp": "1740787200", "destinationBucket": "ops", "fileFormat": "CSV",
		"fileSchema": "Bucket, Key, Size, LastModifiedDate", "files": files, "sourceBucket": "media-in", "version": "2019-09-01"})
	check(err)
	put("inv/manifest.checksum", []byte(put("inv/manifest.json", head)))
}
