package restore

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// lost is a medium that may be restored. Its result is one of the last three fields.
type lost struct {
	id     string
	object media.Object
	texts  mps.Texts
	// garbled is true if the tags cannot be sent: AddMedia would split a tag at its comma, and drop the white space
	// around it.
	garbled bool

	newID   string
	skipped string // the reason
	failed  error
}

// open reports whether the medium has no result yet.
func (l *lost) open() bool { return l.newID == "" && l.skipped == "" && l.failed == nil }

// result returns the result of the medium. An open one would be restored.
func (l *lost) result() report.RestoredMedium {
	result := report.RestoredMedium{MediaID: l.id, NewID: l.newID, Result: report.Restored}
	if !l.object.IsZero() {
		result.Object = l.object.String()
	}
	switch {
	case l.skipped != "":
		result.Result, result.Reason = report.Skipped, l.skipped
	case l.failed != nil:
		result.Result, result.Reason = report.NotRestored, l.failed.Error()
	}
	return result
}

// record holds the fields that a restore needs and media.Medium lacks. Any JSON may stand in them: a record is as MPS
// sent it, and only what a rule needs has been checked.
type record struct {
	Description, CoverURL json.RawMessage
	CateID                json.RawMessage `json:"CateId"`
}

// textOf returns a field that is a text, and nothing of another field: AddMedia takes only texts.
func textOf(field json.RawMessage) string {
	written, _ := text.OfJSON(field) // empty after an error
	return written
}

// categoryOf returns a CateId, which is a number or a text. It returns nothing of another field.
func categoryOf(field json.RawMessage) string {
	category := strings.Trim(string(field), `"`)
	if _, err := text.Decimal(category); err != nil {
		return ""
	}
	return category
}

// lostOf parses an entry. It sets skipped if the entry cannot be restored.
func lostOf(entry plan.Entry) *lost {
	one := &lost{id: entry.MediaID}
	var r record
	m, err := media.Parse(entry.Record)
	if err = errors.Join(err, json.Unmarshal(entry.Record, &r)); err != nil {
		one.skipped = "its record cannot be read"
		return one
	}
	if m.Object.IsZero() {
		one.skipped = "its record names no object"
		return one
	}
	one.object, one.garbled = m.Object, m.TagsGarbled
	one.texts = mps.Texts{Title: m.Title.Value, Description: textOf(r.Description), CoverURL: textOf(r.CoverURL), Category: categoryOf(r.CateID), Tags: m.Tags}
	return one
}

func (s *Restorer) checkSource(ctx context.Context, one *lost) error {
	exists, err := s.Sources.Exists(ctx, one.object)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		one.failed = err
	case !exists:
		one.skipped = "its object is gone"
	case one.garbled:
		one.failed = errGarbled
	}
	return nil
}

var errGarbled = errors.New("AddMedia would change its tags, since one has a comma or white space around it, or their shape is not documented: the plan has the record; add the medium by hand")
