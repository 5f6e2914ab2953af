// Package plan is the canonical form of a plan. Its ID is the hash of its content: a dry run and the
// real run over the same library, rules and clock have the same plan. It is pure.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// format is the version of the form. Other versions are refused.
const format = 1

// SegmentEntries is the largest number of entries of a segment.
const SegmentEntries = 1000

// Head holds the inputs of a plan.
type Head struct {
	// AsOf is the run's clock, in whole seconds.
	AsOf time.Time
	// Policy is the digest of the policy that decided.
	Policy string
	Scope  Scope
}

// Scope is the scope of the request. One of its fields is set. An event can have objects and manifests,
// and the command line objects and prefixes, which count as Inventory.
type Scope struct {
	// Plan is the ID of a plan that was applied.
	Plan      string   `json:"plan,omitempty"`
	MediaIDs  []string `json:"mediaIds,omitempty"`
	Objects   []string `json:"objects,omitempty"`
	Manifests []string `json:"manifests,omitempty"`
	Inventory []string `json:"inventory,omitempty"`
	// Digest replaces the media, objects and manifests of a scope larger than MaxScope.
	// Names is their number.
	Digest string `json:"digest,omitempty"`
	Names  int    `json:"names,omitempty"`
}

// MaxScope is the size of a scope, in bytes of JSON, above which a plan has only its digest. A plan
// must be small enough to be read back.
const MaxScope = 1 << 20

// canonical sorts what the scope names. Of a large one only the digest is left.
func (s Scope) canonical() (Scope, error) {
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) }
	whole := Scope{s.Plan, sorted(s.MediaIDs), sorted(s.Objects), sorted(s.Manifests), sorted(s.Inventory), s.Digest, s.Names}
	text, err := json.Marshal(Scope{MediaIDs: whole.MediaIDs, Objects: whole.Objects, Manifests: whole.Manifests})
	if err != nil || len(text) <= MaxScope {
		return whole, err
	}
	return Scope{Plan: whole.Plan, Inventory: whole.Inventory, Digest: digest(sha256.Sum256(text)), Names: len(s.MediaIDs) + len(s.Objects) + len(s.Manifests)}, nil
}

func digest(sum [sha256.Size]byte) string { return "sha256:" + hex.EncodeToString(sum[:]) }

// Entry is one medium that is to be deleted, and why.
type Entry struct {
	MediaID   string    `json:"mediaId"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expiresAt"`
	// State is the PublishState of the record.
	State string `json:"state"`
	// Record is the whole media record as MPS sent it: what a restore needs.
	Record json.RawMessage `json:"record"`
}

// Line returns the entry in canonical form: one line of JSON, its end included.
func (e Entry) Line() ([]byte, error) {
	record, err := canonical(e.Record)
	if err != nil {
		return nil, fmt.Errorf("plan: record of %s: %w", e.MediaID, err)
	}
	e.Record = nil
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("plan: %s: %w", e.MediaID, err)
	}
	// The record is the last field, and has just been marshaled itself.
	line = bytes.TrimSuffix(line, []byte("null}"))
	return append(append(line, record...), "}\n"...), nil
}

// ParseEntry reads an entry's line. The record shares the line's memory.
func ParseEntry(line []byte) (Entry, error) {
	var e Entry
	members, err := text.Members(line)
	if err != nil {
		return Entry{}, err
	}
	for name, value := range members {
		var err error
		switch string(name) {
		case "mediaId":
			e.MediaID, err = text.OfJSON(value)
		case "rule":
			e.Rule, err = text.OfJSON(value)
		case "reason":
			e.Reason, err = text.OfJSON(value)
		case "state":
			e.State, err = text.OfJSON(value)
		case "expiresAt":
			err = e.ExpiresAt.UnmarshalJSON(value)
		case "record":
			e.Record = slices.Clip(value)
		}
		if err != nil {
			return Entry{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	if media.CheckID(e.MediaID) != nil || e.Rule == "" || len(e.Record) == 0 {
		return Entry{}, errors.New("an entry has no medium, no rule or no record")
	}
	return e, nil
}

// HasRecord reports whether an entry's line has this record.
func HasRecord(line []byte, record json.RawMessage) bool {
	same, err := canonical(record)
	return err == nil && bytes.HasSuffix(line, append(append([]byte(`"record":`), same...), "}\n"...))
}

// LineDigest returns a digest of the record in an entry's line. Lines have one digest if HasRecord
// takes their records for the same.
func LineDigest(line []byte) uint64 {
	_, record, _ := bytes.Cut(line, []byte(`,"record":`)) // texts before it have their quotes escaped
	return shortDigest(bytes.TrimSuffix(record, []byte("}\n")))
}

// RecordDigest returns the LineDigest of an entry with this record.
func RecordDigest(record json.RawMessage) (uint64, error) {
	same, err := canonical(record)
	return shortDigest(same), err
}

func shortDigest(record []byte) uint64 {
	sum := sha256.Sum256(record)
	return binary.LittleEndian.Uint64(sum[:])
}

// canonical orders the keys of a record, which the service does not promise to
// send in the same order twice. Numbers keep their text.
func canonical(record json.RawMessage) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// headForm is the JSON of a head.
type headForm struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	Scope  Scope     `json:"scope"`
}

// MarshalJSON writes the head in canonical form.
func (h Head) MarshalJSON() ([]byte, error) {
	scope, err := h.Scope.canonical()
	if err != nil {
		return nil, err
	}
	return json.Marshal(headForm{format, h.AsOf.UTC().Truncate(time.Second), h.Policy, scope})
}

// UnmarshalJSON reads a head, of this format only.
func (h *Head) UnmarshalJSON(data []byte) error {
	var form headForm
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	if form.Format != format {
		return fmt.Errorf("plan of format %d: this program reads format %d", form.Format, format)
	}
	*h = Head{form.AsOf, form.Policy, form.Scope}
	return nil
}

// Sealer finds out the ID of a plan from its head and its entries' lines, which
// come in the order of their MediaIds.
type Sealer struct{ sum hash.Hash }

// NewSealer starts with a head.
func NewSealer(h Head) (*Sealer, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	s := &Sealer{sha256.New()}
	s.Add(append(line, '\n'))
	return s, nil
}

// Add takes the next entry's line.
func (s *Sealer) Add(line []byte) { _, _ = s.sum.Write(line) } // a hash takes everything

// ID returns "sha256:" and the hash of all lines.
func (s *Sealer) ID() string { return digest([sha256.Size]byte(s.sum.Sum(nil))) }

// Contents is the record that completes a kept plan: it is written last, and
// names what was written before.
type Contents struct {
	ID       string   `json:"id"`
	Head     Head     `json:"head"`
	Entries  int      `json:"entries"`
	Segments []string `json:"segments"` // names of records: gzipped lines of entries
	// Blocked is why a guard stopped the run that made it; empty if none did.
	Blocked string `json:"blocked,omitempty"`
	// Run is the run that deletes the plan, or has deleted it; empty for a plan that may await approval.
	Run string `json:"run,omitempty"`
	// Region is the region of the library; empty in a plan of an earlier version.
	Region string `json:"region,omitempty"`
}

// CheckRegion refuses a plan of another region's library, whose media may have the same IDs.
func (c *Contents) CheckRegion(region string) error {
	if c.Region == "" || c.Region == region {
		return nil
	}
	return fmt.Errorf("the plan is of region %s and this run of %s: set that region, or use the state of this one", text.Quote(c.Region), region)
}

// MaxContents bounds in bytes what is read and written of Contents: the names of a
// hundred segments of a thousand entries take ten kilobytes.
const MaxContents = 8 << 20

// Record returns the contents as they are kept. What could not be read back is an error.
func (c Contents) Record() ([]byte, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("contents of a plan: %w", err)
	}
	_, err = ParseContents(record)
	return record, err
}

// ParseContents reads what was written of Contents.
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

// Resume returns a sealer that has taken the head of a kept plan.
func Resume(c Contents) *Sealer {
	s, _ := NewSealer(c.Head) // what was read can be written
	return s
}

// Name returns the name of the record that completes a plan.
func Name(id string) string { return folder(id) + "plan.json" }

// EmptyName returns the name of the record of a plan without media. These stand
// apart: most events make one.
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

// AppliedName returns the name of the record that says that a plan was applied.
func AppliedName(id string) string { return folder(id) + "applied.json" }

func folder(id string) string { return "plans/" + safe(id) + "/" }

func safe(id string) string { return strings.ReplaceAll(id, ":", "-") }
