package sweep

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/spool"
	"github.com/mediasweep/mediasweep/internal/text"
)

// line is one entry of the plan, with what its deletion needs to know.
type line struct {
	id, rule, state string
	created         int64 // its CreationTime, in seconds since 1970
	decided         int64 // when it was read and decided on, likewise
	ranked          bool  // this run has found enough newer ones of its group
	part            int   // which part of its look's checkpoints has it; 0 for an earlier look's
	text            []byte

	object media.Object // of a line that has just been read of a record
}

// lineOf returns the line of an entry whose medium was created and read then.
func lineOf(e plan.Entry, created, decided time.Time) (line, error) {
	entry, err := e.Line()
	if err == nil && len(entry) > maxLine {
		err = fmt.Errorf("its entry in a plan has %d bytes: the limit is %d", len(entry), maxLine)
	}
	return line{id: e.MediaID, rule: e.Rule, state: e.State, created: created.Unix(), decided: decided.Unix(), text: entry}, err
}

// unread is the read time of media from a record. It is older than any decision may be, so
// each is read again before it is sent.
var unread = time.Unix(0, 0)

// keptLine returns the line of an entry that was kept; what it does not tell of its
// medium is in the record.
func keptLine(e plan.Entry, decided time.Time) (line, error) {
	m, err := media.Parse(e.Record)
	switch {
	case err != nil:
		return line{}, err
	case m.ID != e.MediaID || m.Doubt != "":
		return line{}, fmt.Errorf("the record of %s is not its own: %s", text.Quote(e.MediaID), cmp.Or(m.Doubt, "it has another MediaId"))
	}
	l, err := lineOf(e, m.Created, decided)
	l.object = m.Object
	return l, err
}

// planLines are the lines of a plan until all of them are there, in the order of their
// MediaIds.
type planLines struct{ spool.Spool }

// add takes a line.
func (p *planLines) add(l line) error {
	ranked := int64(0)
	if l.ranked {
		ranked = 1
	}
	rest := make([]byte, 0, 64+len(l.text))
	for _, number := range []int64{l.created, l.decided, int64(l.part), ranked} {
		rest = binary.AppendVarint(rest, number)
	}
	for _, text := range []string{l.rule, l.state} {
		rest = append(binary.AppendUvarint(rest, uint64(len(text))), text...)
	}
	return p.Add(l.id, append(rest, l.text...))
}

// all yields the lines as often as it is asked, of each medium the first.
func (p *planLines) all() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		last := ""
		for l, err := range p.raw() {
			if err == nil && l.id == last {
				continue
			}
			if last = l.id; !yield(l, err) {
				return
			}
		}
	}
}

// doubles yields the lines that all leaves out.
func (p *planLines) doubles() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		last := ""
		for l, err := range p.raw() {
			if (err != nil || l.id == last) && !yield(l, err) {
				return
			}
			last = l.id
		}
	}
}

func (p *planLines) raw() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for record, err := range p.All() {
			var l line
			if err == nil {
				l, err = readLine(record)
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

func readLine(record spool.Record) (line, error) {
	rest, sound := record.Rest, true
	var numbers [4]int64
	for i := range numbers {
		number, n := binary.Varint(rest)
		if sound = sound && n > 0; sound {
			numbers[i], rest = number, rest[n:]
		}
	}
	var texts [2]string
	for i := range texts {
		size, n := binary.Uvarint(rest)
		if sound = sound && n > 0 && size <= uint64(len(rest)-n); sound { //nolint:gosec // n bytes of it have been read
			texts[i], rest = string(rest[n:n+int(size)]), rest[n+int(size):] //nolint:gosec // bounded above
		}
	}
	if !sound {
		return line{}, errors.New("read what was spooled: a line is damaged")
	}
	return line{id: record.Name, rule: texts[0], state: texts[1], created: numbers[0], decided: numbers[1], part: int(numbers[2]), ranked: numbers[3] == 1, text: rest}, nil
}
