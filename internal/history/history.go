// Package history finds every decision to delete a medium, by its ID or object, in an index of its
// own. Record adds the decisions of a run as a loose record. Fold moves loose records into tables, and
// the outcomes of runs of an earlier version too. Of reads both. History is for people: nothing is deleted or kept because of it.
package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Restored is the outcome of a restore. Its Decision has the new ID, and the run or plan that it
// undid.
const Restored journal.Became = "restored"

// Decision is a decision of a run to delete a medium, and its outcome.
type Decision struct {
	At      time.Time      `json:"at"` // in whole seconds
	MediaID string         `json:"mediaId"`
	Outcome journal.Became `json:"outcome"`
	NewID   string         `json:"newId,omitempty"`
	Code    string         `json:"code,omitempty"` // of a failure
	Run     string         `json:"run"`
	Plan    string         `json:"plan"`
	Policy  string         `json:"policy,omitempty"`
	Rule    string         `json:"rule,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Title   string         `json:"title,omitempty"`
	Object  string         `json:"object,omitempty"`
	// Orphan is true if the medium expired because its source object was removed.
	Orphan bool `json:"orphan,omitempty"`
}

// Describe adds what the entry of the plan says of the medium.
func (d *Decision) Describe(rule, reason string, m *media.Medium) {
	d.Rule, d.Reason, d.Title, d.Object = rule, reason, m.Title.Value, m.Object.String()
}

// isGone reports whether the medium is gone and a restore may bring it back.
func (d *Decision) isGone() bool {
	return d.Outcome == journal.Deleted || d.Outcome == journal.Unverified || d.Outcome == journal.Lost
}

// keys returns the hashes by which the decision is found.
func (d *Decision) keys() []key {
	keys := []key{keyOf(d.MediaID)}
	for _, name := range []string{d.Object, d.NewID} {
		if name != "" {
			keys = append(keys, keyOf(name))
		}
	}
	return keys
}

func (d *Decision) isOf(name string) bool {
	return d.MediaID == name || d.Object == name || d.NewID == name
}

// key is a hash of a media ID or an object.
type key uint64

func keyOf(name string) key {
	sum := sha256.Sum256([]byte(name))
	return key(binary.BigEndian.Uint64(sum[:]))
}

// String returns the key as keyLength hexadecimal digits.
func (k key) String() string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(k)))
}

const keyLength = 16

// maxLine bounds a line in bytes: its four foreign texts have at most text.MaxMessage each, and an
// escaped byte takes six.
const maxLine = 32 * text.MaxMessage

// encode returns the decision as a line of JSON, which begins with its time.
func (d Decision) encode() ([]byte, error) {
	d.At = d.At.UTC().Truncate(time.Second)
	d.Code, d.Reason, d.Title = text.Bound(d.Code), text.Bound(d.Reason), text.Bound(d.Title)
	line, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("decision on %s: %w", text.Quote(d.MediaID), err)
	}
	return append(line, '\n'), nil
}

// text returns the field of a text by its name in a line; nil for another name.
func (d *Decision) text(name string) *string {
	switch name {
	case "mediaId":
		return &d.MediaID
	case "outcome":
		return (*string)(&d.Outcome)
	case "newId":
		return &d.NewID
	case "code":
		return &d.Code
	case "run":
		return &d.Run
	case "plan":
		return &d.Plan
	case "policy":
		return &d.Policy
	case "rule":
		return &d.Rule
	case "reason":
		return &d.Reason
	case "title":
		return &d.Title
	case "object":
		return &d.Object
	}
	return nil
}

// decode reads what encode wrote. A Fold reads every decision of a run: encoding/json takes three times as long.
func decode(line []byte) (Decision, error) {
	var d Decision
	err := text.Members(line, func(name []byte, value json.RawMessage) (err error) {
		switch field := d.text(string(name)); {
		case field != nil:
			*field, err = text.OfJSON(value)
		case string(name) == "at":
			err = d.At.UnmarshalJSON(value)
		case string(name) == "orphan":
			err = json.Unmarshal(value, &d.Orphan)
		}
		return err
	})
	if err != nil {
		return Decision{}, err
	}
	if media.CheckID(d.MediaID) != nil || d.Run == "" || d.At.IsZero() {
		return Decision{}, errors.New("a decision has no medium, no run or no time")
	}
	return d, nil
}
