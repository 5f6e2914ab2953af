package scan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// The next scheduled run, or the same request, resumes an interrupted scan, up to checkpointAge later: a day, and
// an hour for a timer that fires once a day.
const checkpointAge = 25 * time.Hour

// checkpointFolder returns the folder of the checkpoints of a mode. A dry run takes no lease: it must
// neither resume nor close the scan of an enforcing run under way.
func checkpointFolder(mode policy.Mode) string {
	if mode == policy.Enforce {
		return "checkpoints/"
	}
	return "checkpoints-dry-run/"
}

// checkpointsOf returns the folder of the checkpoints of a request, and who resumes them. Both are empty for a scan
// without checkpoints. Each policy has its own: two that take turns must not hide each other's. A changed manifest has other
// checkpoints: its rows may come before the cursor.
func (c *scan) checkpointsOf(ctx context.Context) (folder, resumer string) {
	request := c.request
	switch {
	case request.isScheduled():
		return checkpointFolder(request.Mode) + state.SafeName(c.Policy.Digest()) + "/", "the next scheduled run"
	case request.Trigger != trigger.HTTP && request.Trigger != trigger.Invoke, !request.Inventory && len(request.Manifests) == 0:
		return "", ""
	}
	names := []string{request.Digest()}
	for _, manifest := range request.Manifests {
		content, version, err := c.Objects.Open(ctx, manifest, "")
		if err != nil { // the scan reports it
			return "", ""
		}
		_ = content.Close() // not read
		names = append(names, version)
	}
	return "checkpoints-requests/" + state.SafeName(strings.Join(names, " ")) + "/", "the same request"
}

// headRecord is the head of a checkpoint. It refers to segments with the findings.
type headRecord struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	// Region is the library's. Media IDs are valid in one region.
	Region string `json:"region"`
	// Sorted is true if listings are sorted before they are used.
	Sorted bool `json:"sorted,omitempty"`
	// Segments are the numbers of the segments.
	Segments []int `json:"segments"`
	// After is the name of the last candidate that was taken. Pending are the candidates up to
	// After that have not been looked up.
	After   string          `json:"after,omitempty"`
	Pending []pendingRecord `json:"pending,omitempty"`
	// Skipped counts the candidates that the index skipped. Live counts their live media.
	Skipped int `json:"passed,omitempty"`
	Live    int `json:"known,omitempty"`
	// Missing is true if some candidates or sources could not be read.
	Missing  bool             `json:"missing,omitempty"`
	Sources  []report.Source  `json:"sources,omitempty"`
	Failures []report.Failure `json:"failures,omitempty"`
}

type pendingRecord struct {
	Name     string `json:"name"`
	Modified int64  `json:"modified,omitempty"`
	Escaped  bool   `json:"escaped,omitempty"`
	Lead     bool   `json:"lead,omitempty"`
	Named    bool   `json:"named,omitempty"`
	Orphan   bool   `json:"orphan,omitempty"`
	Beside   uint64 `json:"beside,omitempty"`
}

func (p pending) record() pendingRecord {
	return pendingRecord{p.Name(), p.Modified, p.escaped, p.Lead, p.Named, p.Orphan, p.Beside}
}

func (r pendingRecord) pending() (pending, error) {
	candidate, err := inventory.Named(r.Name, r.Modified)
	candidate.Lead, candidate.Named, candidate.Orphan, candidate.Beside = r.Lead, r.Named, r.Orphan, r.Beside
	return pending{candidate, r.Escaped}, err
}

// checkpointFormat is the version of headRecord and of its segments. Other versions are refused.
const checkpointFormat = 8

const (
	maxHead = 16 << 20
	// maxCount bounds the counts of a checkpoint, so that their sums do not overflow.
	maxCount = 1 << 40
)

func decodeHead(data []byte) (headRecord, error) {
	var head headRecord
	if err := state.Decode(data, maxHead, &head); err != nil {
		return headRecord{}, err
	}
	if head.Format != checkpointFormat {
		return headRecord{}, fmt.Errorf("%w: %w", text.OtherFormat(head.Format, checkpointFormat), errOther)
	}
	for _, n := range append([]int{head.Skipped, head.Live}, head.Segments...) {
		if n < 0 || n > maxCount {
			return headRecord{}, fmt.Errorf("count or segment number %d is out of range", n)
		}
	}
	return head, nil
}

// maybeCheckpoint writes a checkpoint if one is due. After a failure a resumed scan starts from an
// earlier checkpoint.
func (c *scan) maybeCheckpoint() {
	if !c.checkpoints.isDue() {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, deadline.MaxRecord)
	defer cancel()
	if err := c.checkpoints.save(ctx, c.head()); err != nil {
		c.Log.Warn("checkpoint not written", "error", err.Error())
	}
}

// head returns the head of a checkpoint, without the place of the scan.
func (c *scan) head() headRecord {
	return headRecord{Format: checkpointFormat, AsOf: c.Head.AsOf, Policy: c.Head.Policy, Region: c.Region, Sorted: c.sources.sorted,
		Skipped: c.skips.Skipped, Live: c.skips.live(), Missing: c.Missing, Sources: c.sources.lines, Failures: c.Failures}
}

// Suspend writes the last checkpoint of an interrupted scan. It returns the cause and who resumes the scan.
func (f *Found) Suspend(ctx context.Context, budget deadline.Budget, why error) error {
	c := f.checkpoints
	if c == nil || c.resumer == "" || c.after == "" {
		return why
	}
	ctx, cancel := budget.Record(ctx)
	defer cancel()
	if err := c.saveLast(ctx, &f.Draft); err != nil {
		return fmt.Errorf("%w (checkpoint not written: %s)", why, text.Bound(err.Error()))
	}
	f.Resumes = true
	return fmt.Errorf("%w: %s resumes it", why, c.resumer)
}

// CloseCheckpoint records that the scan must not be resumed: its plan is saved.
func (f *Found) CloseCheckpoint(ctx context.Context) error {
	if !f.checkpoints.series.IsSaved() {
		return nil
	}
	if err := f.checkpoints.series.Close(ctx); err != nil {
		return fmt.Errorf("close the checkpoint: %s repeats this scan: %w", f.checkpoints.resumer, err)
	}
	return nil
}
