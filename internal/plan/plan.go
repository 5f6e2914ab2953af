// Package plan is the canonical form of what a run would delete. A plan is named
// by the hash of its content, so a dry run and the real run over the same
// library, rules and clock have the same plan. It is pure.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// format is the version of the form. A reader refuses others.
const format = 1

// Plan is what one run has decided to delete, and from what.
type Plan struct {
	// AsOf is the run's clock, in whole seconds.
	AsOf time.Time
	// Policy is the digest of the policy that decided.
	Policy string
	Scope  Scope
	// Entries are the media to delete, in any order.
	Entries []Entry
}

// Scope is what the run was asked to look at. One of its fields is set.
type Scope struct {
	MediaIDs  []string `json:"mediaIds,omitempty"`
	Objects   []string `json:"objects,omitempty"`
	Inventory []string `json:"inventory,omitempty"`
}

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

// Seal returns the plan in canonical form, and its ID: "sha256:" and the hash of
// that. The plan itself is left as it is.
func (p *Plan) Seal() (id string, content []byte, err error) {
	scope := Scope{slices.Sorted(slices.Values(p.Scope.MediaIDs)), slices.Sorted(slices.Values(p.Scope.Objects)), slices.Sorted(slices.Values(p.Scope.Inventory))}
	entries := slices.Clone(p.Entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.MediaID, b.MediaID) })
	for i := range entries {
		if entries[i].Record, err = canonical(entries[i].Record); err != nil {
			return "", nil, fmt.Errorf("plan: record of %s: %w", entries[i].MediaID, err)
		}
	}
	content, err = json.Marshal(struct {
		Format  int       `json:"format"`
		AsOf    time.Time `json:"asOf"`
		Policy  string    `json:"policy"`
		Scope   Scope     `json:"scope"`
		Entries []Entry   `json:"entries"`
	}{format, p.AsOf.UTC().Truncate(time.Second), p.Policy, scope, entries})
	if err != nil {
		return "", nil, fmt.Errorf("plan: %w", err)
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:]), content, nil
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

// Name returns the name under which a plan is kept.
func Name(id string) string {
	return "plans/" + strings.ReplaceAll(id, ":", "-") + ".json"
}
