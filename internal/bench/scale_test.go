package bench

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osscredentials "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/index"
	"github.com/mediasweep/mediasweep/internal/media"
	ossobjects "github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
)

var (
	objects = flag.Int("objects", 1_000_000, "objects of the largest library of BenchmarkScale")
	first   = flag.Int("first", 1_000_000, "objects of the largest first look of BenchmarkScale, and of the SDK's paginator")
	drawing = flag.String("drawing", "", "file for a drawing of BenchmarkScale (SVG)")
)

// scaleStart is the clock of the made-up libraries.
var scaleStart = time.Now().UTC().Truncate(time.Second)

// madeUpMPS is the behaviour of MPS towards a program without a quota.
func madeUpMPS() emulator.MPSOptions {
	const none = 1_000_000
	return emulator.MPSOptions{Quota: map[string]int{"DeleteMedia": none, "QueryMediaList": none, "QueryMediaListByURL": none}}
}

// BenchmarkScale sweeps made-up libraries of three sizes: a first look; a quiet second day, beside the
// SDK's paginator; a day with half a percent due and one percent new; a quiet day by a report of OSS
// Inventory; and a scan of a report that goes on. The program has no quota. Its state is in OSS.
func BenchmarkScale(b *testing.B) {
	var drawn chart
	for _, day := range []struct {
		name   string
		most   int
		of     emulator.MadeUp
		faults []string
		run    func(*testing.B, *cloud, emulator.MadeUp) usage
	}{
		{"first", *first, emulator.MadeUp{}, nil, firstLook},
		{"quiet", *objects, emulator.MadeUp{}, nil, quietDay},
		{"due", *objects, emulator.MadeUp{DueEvery: 200, NewEvery: 100}, nil, dueDay},
		{"report", *objects, emulator.MadeUp{Report: true}, nil, quietDay},
		{"resumed", min(*objects, 5_000_000), emulator.MadeUp{Report: true, DueEvery: 200, NewEvery: 100}, []string{"QueryMediaListByURL:latency:after=20:delay=1h"}, resumedDay},
	} {
		var least usage
		for _, n := range []int{day.most / 20, day.most / 4, day.most} {
			b.Run(day.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					day.of.Objects = n
					took := day.run(b, start(b, library{MadeUp: day.of, Faults: day.faults}), day.of)
					drawn.add(day.name, n, took)
					b.ReportMetric(took.CPU.Seconds(), "cpu-s")
					b.ReportMetric(float64(n)/took.CPU.Seconds(), "objects/cpu-s")
					b.ReportMetric(float64(took.Peak)/1e6, "MB")
					if n == day.most/20 {
						least = took
						continue
					}
					b.ReportMetric(float64(took.Peak)/float64(least.Peak), "MB/least")
					b.ReportMetric(took.CPU.Seconds()/least.CPU.Seconds()/float64(n/(day.most/20)), "cpu/linear")
				}
			})
		}
	}
	if *drawing == "" {
		return
	}
	if err := os.WriteFile(*drawing, drawn.svg(), 0o600); err != nil {
		b.Fatal(err)
	}
}

func firstLook(b *testing.B, c *cloud, m emulator.MadeUp) usage {
	r, took := c.scaled()
	if r.Counts.Kept != m.Objects {
		b.Fatalf("%+v", r.Counts)
	}
	c.reportCalls(r, m.Objects/10)
	return took
}

func quietDay(b *testing.B, c *cloud, m emulator.MadeUp) usage {
	c.knows(m)
	r, took := c.scaled()
	if r.Counts.Looked+r.Counts.ObjectsWithoutMedia != 0 || r.Sources[0].Named != m.Objects {
		b.Fatalf("%+v %+v", r.Counts, r.Sources)
	}
	if !m.Report && m.Objects <= *first { // the SDK takes several times as long
		b.ReportMetric(took.CPU.Seconds()/c.loop("paginate").CPU.Seconds(), "cpu/paginator")
	}
	return took
}

func dueDay(b *testing.B, c *cloud, m emulator.MadeUp) usage {
	c.knows(m)
	r, took := c.scaled()
	due, fresh := m.Objects/m.DueEvery, m.Objects/m.NewEvery
	if r.Counts.Deleted != due || r.Counts.Looked != due+fresh {
		b.Fatalf("%+v", r.Counts)
	}
	c.reportCalls(r, (3*due+fresh)/10) // look-up, deletion, read-back; look-up
	return took
}

// resumedDay is the day after one that was cut off: look-ups hung, after the report had been read.
func resumedDay(b *testing.B, c *cloud, m emulator.MadeUp) usage {
	c.knows(m)
	name, err := unlimited()
	if err != nil {
		b.Fatal(err)
	}
	c.env["MEDIASWEEP_TIMEOUT"] = "20" // some five million rows are read in half of it, and a look-up that hangs has not failed yet
	first := c.command(name, "invoke", "-f", "-")
	first.Stdin = strings.NewReader(nightly)
	var cut report.Report
	answer, _ := first.Output() // its exit code says that it is incomplete
	if err := json.Unmarshal(answer, &cut); err != nil || cut.Status != report.Incomplete {
		b.Fatalf("%v: %.1000s", err, answer)
	}
	c.child.ask("end", new(truth)) // of the fault
	c.env["MEDIASWEEP_TIMEOUT"] = "3600"
	r, took := c.scaled()
	if r.Counts.Deleted != m.Objects/m.DueEvery || !r.AsOf.Equal(cut.AsOf) {
		b.Fatalf("%+v as of %v, the first as of %v", r.Counts, r.AsOf, cut.AsOf)
	}
	return took
}

func (c *cloud) reportCalls(r report.Report, least int) {
	calls := r.Calls.DeleteMedia + r.Calls.QueryMediaList + r.Calls.QueryMediaListByURL
	c.b.ReportMetric(float64(calls), "calls")
	c.b.ReportMetric(float64(calls)/float64(least), "calls/least")
}

// scaled runs a sweep by the program without a quota, and reports its traffic with the state store.
func (c *cloud) scaled() (r report.Report, took usage) {
	c.b.Helper()
	name, err := unlimited()
	if err != nil {
		c.b.Fatal(err)
	}
	before := c.traffic()
	r, took = c.sweepBy(name, nightly)
	after := c.traffic()
	c.b.ReportMetric(float64(after.read-before.read)/1e6, "state-MB-read")
	c.b.ReportMetric(float64(after.written-before.written)/1e6, "state-MB-written")
	c.b.ReportMetric(float64(after.calls-before.calls), "state-calls")
	if before.index > 0 {
		c.b.ReportMetric(float64(after.written-before.written)/float64(before.index), "written/index")
	}
	return r, took
}

// traffic counts the bytes and calls of the state store.
type traffic struct{ read, written, index, calls int64 }

func (c *cloud) traffic() (t traffic) {
	c.b.Helper()
	response, err := http.Get(c.env["MEDIASWEEP_MPS_ENDPOINT"] + "/_emulator/calls")
	if err != nil {
		c.b.Fatal(err)
	}
	defer response.Body.Close()
	var all []emulator.Call
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		c.b.Fatal(err)
	}
	for _, call := range all {
		switch {
		case !strings.HasPrefix(call.Key, stateKey):
		case call.Operation == "PutObject":
			t.written += call.Bytes
			t.calls++
			if strings.HasPrefix(call.Key, stateKey+index.Folder) {
				t.index += call.Bytes
			}
		default:
			t.read += call.Bytes
			t.calls++
		}
	}
	return t
}

const stateKey = "state/"

// knows writes what a sweep of yesterday left, which found all objects but the new ones.
func (c *cloud) knows(m emulator.MadeUp) {
	c.b.Helper()
	text, err := os.ReadFile(c.env["MEDIASWEEP_POLICY"])
	if err != nil {
		c.b.Fatal(err)
	}
	p, err := policy.Parse("policy", text)
	if err != nil {
		c.b.Fatal(err)
	}
	getenv := func(name string) string { return c.env[name] }
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		c.b.Fatal(err)
	}
	session := ossobjects.New(a).Session(account.NewKeyring(getenv).Or(account.Credentials{}))
	store := state.Bucket{OSS: session, Prefix: media.Object{Bucket: emulator.OpsBucket, Key: stateKey}}
	yesterday := scaleStart.Add(-24 * time.Hour)
	known := index.Open(c.b.Context(), store, p.Digest(), a.Region, yesterday, yesterday, slog.Warn)
	finds := &index.Finds{}
	defer finds.Close()
	for i := range m.Objects {
		modified := m.Modified(i, scaleStart)
		if modified.Before(yesterday) {
			due := m.Created(i, scaleStart).Add(emulator.MadeUpAge)
			finds.Add(index.Entry{Name: emulator.InputBucket + "/" + m.Key(i), Modified: modified.Unix(), Medium: true, Due: due.Unix()})
		}
	}
	if err := finds.Write(c.b.Context(), known, yesterday, "yesterday"); err != nil {
		c.b.Fatal(err)
	}
	c.b.ReportMetric(float64(c.traffic().index)/float64(m.Objects), "index-bytes/object")
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

// buildUnlimited builds the program with another quota of MPS.
func buildUnlimited() (string, error) {
	const file, quota = "../mps/mps.go", "const quota = 100\n"
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mediasweep-bench-")
	if err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(dir, "mps.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), quota, "const quota = 10_000\n", 1)), 0o600); err != nil {
		return "", err
	}
	replaced, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	described, err := json.Marshal(map[string]map[string]string{"Replace": {replaced: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, described, 0o600); err != nil {
		return "", err
	}
	return buildWith(overlay)
}
