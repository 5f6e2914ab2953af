// Package plan has the canonical form of a plan. The ID of a plan is the hash of its content: a dry run and an
// enforcing run over the same library, rules and clock have the same plan. The package is pure.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// format is the version of the form. Other versions are refused.
const format = 1

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

// canonical sorts the names of the scope. It replaces those of a large scope by their digest.
func (s Scope) canonical() (Scope, error) {
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) }
	whole := Scope{s.Plan, sorted(s.MediaIDs), sorted(s.Objects), sorted(s.Manifests), sorted(s.Inventory), s.Digest, s.Names}
	text, err := json.Marshal(Scope{MediaIDs: whole.MediaIDs, Objects: whole.Objects, Manifests: whole.Manifests})
	if err != nil || len(text) <= MaxScope {
		return whole, err
	}
	return Scope{Plan: whole.Plan, Inventory: whole.Inventory, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(text)), Names: len(s.MediaIDs) + len(s.Objects) + len(s.Manifests)}, nil
}

// Entry is a medium to delete, with the reason.
type Entry struct {
	MediaID   string    `json:"mediaId"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expiresAt"`
	// State is the PublishState of the record.
	State string `json:"state"`
	// Record is the whole media record as MPS sent it. A restore needs it.
	Record json.RawMessage `json:"record"`
}

// Line returns the entry in canonical form: one line of JSON, including its newline.
func (e Entry) Line() ([]byte, error) {
	record := e.Record
	e.Record = nil
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("plan: %s: %w", e.MediaID, err)
	}
	line = bytes.TrimSuffix(line, []byte("null}")) // of the record, the last field
	// The service does not promise to send keys in the same order twice.
	if line, err = text.AppendCanonical(line, record); err != nil {
		return nil, fmt.Errorf("plan: record of %s: %w", e.MediaID, err)
	}
	return append(line, "}\n"...), nil
}

// ParseEntry parses an entry's line, and the medium of its record. The medium of a record that is no object has only
// the Record. The record shares the line's memory.
func ParseEntry(line []byte) (Entry, media.Medium, error) {
	var e Entry
	var m media.Medium
	var wrong error
	s := text.Scan(line)
	isObject := s.Next() == '{'
	for name := range s.Members {
		var err error
		switch string(name) {
		case "mediaId":
			e.MediaID, err = text.OfJSON(s.Value())
		case "rule":
			e.Rule, err = text.OfJSON(s.Value())
		case "reason":
			e.Reason, err = text.OfJSON(s.Value())
		case "state":
			e.State, err = text.OfJSON(s.Value())
		case "expiresAt":
			err = e.ExpiresAt.UnmarshalJSON(s.Value())
		case "record":
			m, _ = media.Read(&s) // an entry with a bad record is listed, too
			e.Record = m.Record
		}
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("%s: %w", name, err)
		}
	}
	switch err := s.End(); {
	case err != nil:
		return Entry{}, media.Medium{}, err
	case !isObject:
		return Entry{}, media.Medium{}, text.ErrNoObject
	case wrong != nil:
		return Entry{}, media.Medium{}, wrong
	case media.CheckID(e.MediaID) != nil || e.Rule == "" || len(e.Record) == 0:
		return Entry{}, media.Medium{}, errors.New("an entry has no medium, no rule or no record")
	}
	return e, m, nil
}

// HasRecord reports whether an entry's line has this record.
func HasRecord(line []byte, record json.RawMessage) bool {
	same, err := text.Canonical(record)
	return err == nil && bytes.HasSuffix(line, append(append([]byte(`"record":`), same...), "}\n"...))
}

// LineDigest returns a digest of the record in an entry's line. Records that are equal for HasRecord have the same
// digest.
func LineDigest(line []byte) uint64 {
	_, record, _ := bytes.Cut(line, []byte(`,"record":`)) // texts before it have their quotes escaped
	return shortDigest(bytes.TrimSuffix(record, []byte("}\n")))
}

// RecordDigest returns the LineDigest of an entry with this record.
func RecordDigest(record json.RawMessage) (uint64, error) {
	same, err := text.Canonical(record)
	return shortDigest(same), err
}

func shortDigest(record []byte) uint64 {
	sum := sha256.Sum256(record)
	return binary.LittleEndian.Uint64(sum[:])
}

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
		return text.OtherFormat(form.Format, format)
	}
	*h = Head{form.AsOf, form.Policy, form.Scope}
	return nil
}

// Sealer computes the ID of a plan from its head and the lines of its entries, in the order of their MediaIds.
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

// Add adds the line of the next entry.
func (s *Sealer) Add(line []byte) { _, _ = s.sum.Write(line) } // a hash takes everything

// ID returns "sha256:" and the hash of all lines.
func (s *Sealer) ID() string { return fmt.Sprintf("sha256:%x", s.sum.Sum(nil)) }
