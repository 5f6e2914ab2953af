package plan

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxLine bounds an entry's line in bytes: a media record with its outputs.
const MaxLine = 8 << 20

// Unread is the ReadAt of an entry from the state store. It is older than any decision may be:
// each medium is read again before its deletion.
const Unread int64 = 0

// Line is an entry of a plan with the inputs of a deletion.
type Line struct {
	MediaID, Rule, State string
	// Created is the CreationTime and ReadAt when the record was read, in seconds since 1970.
	Created, ReadAt int64
	// Outranked is true if this run read enough newer media of the group of a keepLatest rule.
	Outranked bool
	// Text is the entry in canonical form.
	Text []byte
	// Medium and Reason are set once Parse has read the entry.
	Medium *media.Medium
	Reason string
}

// LineOf returns the line of an entry.
func LineOf(e Entry, created, readAt time.Time) (Line, error) {
	line, err := e.Line()
	if err == nil && len(line) > MaxLine {
		err = fmt.Errorf("its entry in a plan has %d bytes: the limit is %d", len(line), MaxLine)
	}
	return Line{MediaID: e.MediaID, Rule: e.Rule, State: e.State, Created: created.Unix(), ReadAt: readAt.Unix(), Text: line}, err
}

// Parse sets Medium and Reason, unless they are set.
func (l *Line) Parse() error {
	if l.Medium != nil {
		return nil
	}
	e, m, err := ParseEntry(l.Text)
	if err == nil && m.ID == "" {
		m, err = media.Parse(e.Record) // its error says what is wrong
	}
	if err != nil {
		return err
	}
	l.Medium, l.Reason = &m, e.Reason
	return nil
}

// Saved returns the line of an entry from the state store, as Parse leaves it.
func Saved(e Entry) (Line, error) {
	m, err := media.Parse(e.Record)
	switch {
	case err != nil:
		return Line{}, err
	case m.ID != e.MediaID || m.Doubt != "":
		return Line{}, fmt.Errorf("the record of %s is not its own: %s", text.Quote(e.MediaID), cmp.Or(m.Doubt, "it has another MediaId"))
	}
	l, err := LineOf(e, m.Created, time.Unix(Unread, 0))
	l.Medium, l.Reason = &m, e.Reason
	return l, err
}
