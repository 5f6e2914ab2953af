package scan

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
)

// finding is the result for one candidate: a medium with its decision, or no medium. A medium may
// have several findings; see Draft.
type finding struct {
	// mediaID is empty for an object without a medium.
	mediaID string
	// name and modified are the candidate's. A stray medium has no candidate.
	name     string
	modified int64

	verdict retention.Verdict
	rule    string
	// rank is the medium's place in the groups of a keepLatest rule. verdict assumes that enough
	// newer media outrank it.
	rank retention.Rank
	// digest is a hash of the record; 0 without a record.
	digest uint64
	// uncounted is true for a medium that was read only to rank others.
	uncounted bool
	// due is when the candidate must be looked up again, in seconds since 1970. expires is when the
	// medium expires if it is not among the latest; 0 for never.
	due, expires int64

	// contradicted is true if two answers have different records of the medium.
	contradicted bool

	line plan.Line // of the plan, if the medium has expired
}

// Keys sort media by ID, and before objects without a medium.
const (
	mediumKey = "m"
	vacantKey = "v"
)

func (f *finding) key() string {
	if f.mediaID == "" {
		return vacantKey + f.name
	}
	return mediumKey + f.mediaID
}

const (
	uncountedFlag = 1 << iota
	leavingFlag
)

// encode encodes the fields that the key does not contain.
func (f *finding) encode() []byte {
	b := make([]byte, 0, 128+len(f.line.Text))
	var flags byte
	if f.uncounted {
		flags |= uncountedFlag
	}
	if f.rank.Leaving {
		flags |= leavingFlag
	}
	b = append(b, flags, byte(f.verdict)) //nolint:gosec // there are five verdicts
	for _, number := range []int64{f.modified, f.due, f.expires, f.line.Created, f.line.ReadAt, f.rank.Created, int64(len(f.rank.Groups))} {
		b = binary.AppendVarint(b, number)
	}
	b = binary.LittleEndian.AppendUint64(b, f.digest)
	texts := append([]string{f.rule, f.line.State, f.rank.Rule}, f.rank.Groups...)
	if f.mediaID != "" {
		texts = append(texts, f.name)
	}
	for _, text := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, f.line.Text...)
}

var errDamaged = errors.New("a finding is damaged")

const maxGroups = 1000

// decode decodes the finding of a key. The result refers to parts of b.
func decode(key string, b []byte) (*finding, error) {
	f := &finding{}
	if len(key) < 2 || len(b) < 2 || b[1] > byte(retention.Expired) {
		return nil, errDamaged
	}
	f.uncounted, f.rank.Leaving, f.verdict = b[0]&uncountedFlag != 0, b[0]&leavingFlag != 0, retention.Verdict(b[1])
	b = b[2:]
	var groups int64
	for _, into := range []*int64{&f.modified, &f.due, &f.expires, &f.line.Created, &f.line.ReadAt, &f.rank.Created, &groups} {
		number, n := binary.Varint(b)
		if n <= 0 {
			return nil, errDamaged
		}
		*into, b = number, b[n:]
	}
	if len(b) < 8 || groups < 0 || groups > maxGroups {
		return nil, errDamaged
	}
	f.digest, b = binary.LittleEndian.Uint64(b), b[8:]
	f.rank.Groups = make([]string, groups)
	texts := append(make([]*string, 0, 4+len(f.rank.Groups)), &f.rule, &f.line.State, &f.rank.Rule)
	for i := range f.rank.Groups {
		texts = append(texts, &f.rank.Groups[i])
	}
	switch key[:1] {
	case mediumKey:
		f.mediaID = key[1:]
		texts = append(texts, &f.name)
	case vacantKey:
		f.name = key[1:]
	default:
		return nil, errDamaged
	}
	for _, into := range texts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) { //nolint:gosec // n <= len(b)
			return nil, errDamaged
		}
		*into, b = string(b[n:n+int(size)]), b[n+int(size):] //nolint:gosec // size <= len(b)-n
	}
	f.line.Text = b
	return f, nil
}

// merge adds another finding of the same medium. If the records differ, or one finding is unknown, the medium is unknown, and
// the next scan looks it up again. Two absent findings do not differ.
func (f *finding) merge(other *finding) {
	uncounted := f.uncounted && other.uncounted
	switch {
	case f.verdict == retention.Absent && other.verdict == retention.Absent:
	case f.contradicted || f.digest != other.digest && !f.hasLineOf(other):
		f.contradict()
	case f.isStray(), other.verdict == retention.Unknown && !other.isStray(): // a list contradicts it
		*f = *other
	case f.verdict == retention.Keep && other.verdict == retention.Expired, f.rule != other.rule && other.isLead(): // only one look-up was of an orphan
		*f = *other
	}
	f.uncounted = uncounted
}

// hasLineOf reports whether two media have the same entry in a plan, or were surveyed with the same record: their
// records differ in the order of their keys only, which the service does not promise.
func (f *finding) hasLineOf(other *finding) bool {
	return f.verdict == other.verdict && f.rule == other.rule && len(f.line.Text) > 0 && bytes.Equal(f.line.Text, other.line.Text)
}

func (f *finding) isStray() bool { return f.name == "" }

// isLead reports whether the medium has expired and was found by its ID, as orphans are.
func (f *finding) isLead() bool {
	return f.verdict == retention.Expired && f.name == inventory.Candidate{MediaID: f.mediaID}.Name()
}

// contradict makes the medium unknown, and clears the fields that come from its record.
func (f *finding) contradict() {
	f.verdict, f.rule, f.rank, f.due, f.expires, f.digest, f.line = retention.Unknown, "", retention.Rank{}, 0, 0, 0, plan.Line{}
	f.contradicted = true
}

func (f *finding) count(in *report.Tally) {
	switch {
	case f.uncounted:
	case f.mediaID == "":
		in.Counts.ObjectsWithoutMedia++
	default:
		in.Counts.Looked++
		in.Count(f.verdict, f.rule)
	}
}
