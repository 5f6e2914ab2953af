package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Contents is the record that completes a saved plan. It is written last, and
// names the segments.
type Contents struct {
	ID       string   `json:"id"`
	Head     Head     `json:"head"`
	Entries  int      `json:"entries"`
	Segments []string `json:"segments"` // names of records: gzipped lines of entries
	// Blocked is why the guard stopped the run that made the plan; empty if it did not.
	Blocked string `json:"blocked,omitempty"`
	// Live and MostLive bound the number of live media that the guard used; 0 if unknown.
	Live     int `json:"live,omitempty"`
	MostLive int `json:"mostLive,omitempty"`
	// Run is the run that deletes the plan, or has deleted it; empty for a plan that may await approval.
	Run string `json:"run,omitempty"`
	// Region is the region of the library; empty in a plan of an earlier version.
	Region string `json:"region,omitempty"`
}

// CheckRegion refuses a plan of another region's library, whose media may have the same IDs. The error is ErrOtherRegion.
func (c *Contents) CheckRegion(region string) error {
	if c.Region == "" || c.Region == region {
		return nil
	}
	return fmt.Errorf("the plan is of region %s and this run of %s: %w", text.Quote(c.Region), region, ErrOtherRegion)
}

// ErrOtherRegion means that the run is configured for another region than the plan is of.
var ErrOtherRegion = errors.New("set that region, or use the state of this one")

// MaxContents bounds the record of Contents, in bytes. The names of a
// hundred segments of a thousand entries take ten kilobytes.
const MaxContents = 8 << 20

// Record returns the JSON of the contents. It fails if ParseContents would.
func (c Contents) Record() ([]byte, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("contents of a plan: %w", err)
	}
	_, err = ParseContents(record)
	return record, err
}

// ParseContents parses the record of Contents.
func ParseContents(data []byte) (Contents, error) {
	var c Contents
	if len(data) > MaxContents {
		return Contents{}, fmt.Errorf("contents of a plan: they have %d bytes: the limit is %d", len(data), MaxContents)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return Contents{}, fmt.Errorf("contents of a plan: %w", err)
	}
	if err := c.check(); err != nil {
		return Contents{}, fmt.Errorf("contents of a plan: %w", err)
	}
	return c, nil
}

// check refuses contents that no run writes.
func (c *Contents) check() error {
	if len(c.Segments) > c.Entries || len(c.Segments) == 0 && c.Entries != 0 { // a plan without media has no segments
		return fmt.Errorf("%d entries in %d segments", c.Entries, len(c.Segments))
	}
	for i, name := range c.Segments {
		if name != SegmentName(c.ID, i+1) {
			return fmt.Errorf("segment %d is not one of this plan", i+1)
		}
	}
	if c.Head.AsOf.IsZero() {
		return errors.New("it has no time")
	}
	return nil
}

// Sealer returns a sealer that has taken the head of the plan.
func (c Contents) Sealer() *Sealer {
	s, _ := NewSealer(c.Head) // a parsed head can be written
	return s
}

// Name returns the name of the record that completes a plan.
func Name(id string) string { return folder(id) + "plan.json" }

// EmptyName returns the name of the record of a plan without media. Such plans have a folder of
// their own: most events make one.
func EmptyName(id string) string { return "plans-empty/" + safe(id) + ".json" }

// IDOf returns the ID of the plan that a record of this name completes. ok is false for other records.
func IDOf(name string) (id string, ok bool) {
	match := completing.FindStringSubmatch(name)
	if match == nil {
		return "", false
	}
	id = "sha256:" + match[1]
	return id, name == Name(id) || name == EmptyName(id)
}

var completing = regexp.MustCompile(`^plans(?:-empty)?/sha256-([0-9a-f]{64})(?:/plan)?\.json$`)

// SegmentName returns the name of a segment. Numbers start at 1.
func SegmentName(id string, number int) string {
	return fmt.Sprintf("%s%06d.jsonl.gz", folder(id), number)
}

// AppliedName returns the name of the record that marks a plan as applied.
func AppliedName(id string) string { return folder(id) + "applied.json" }

func folder(id string) string { return "plans/" + safe(id) + "/" }

func safe(id string) string { return strings.ReplaceAll(id, ":", "-") }
