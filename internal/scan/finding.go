package scan

import (
	"encoding/binary"
	"errors"

	"github.com/mediasweep/mediasweep/internal/retention"
)

// finding is what a scan found out about one candidate: a medium with the decision on it,
// or that there is none. A medium may have several findings; see Draft.
type finding struct {
	// mediaID is empty for an object without a medium.
	mediaID string
	// name and modified are the candidate's. A stray medium has none.
	name     string
	modified int64

	verdict retention.Verdict
	rule    string
	// rank is the medium's place in the groups of a keepLatest rule, as if it were outranked:
	// verdict says what it is then.
	rank retention.Rank
	// digest is of the record; 0 without one.
	digest uint64
	// uncounted says that the medium is read only because others are ranked against it.
	uncounted bool
	// due is when the candidate is to be looked at again, in seconds since 1970.
	due int64

	// contradicted says that two answers have different records of the medium.
	contradicted bool

	state           string
	created, readAt int64  // in seconds since 1970
	line            []byte // the plan's, of a medium that has expired
}

// Keys sort media before objects without one, and media by their IDs.
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

const uncountedFlag = 1

// encode returns the finding without what its key says.
func (f *finding) encode() []byte {
	b := make([]byte, 0, 128+len(f.line))
	var flags byte
	if f.uncounted {
		flags |= uncountedFlag
	}
	b = append(b, flags, byte(f.verdict)) //nolint:gosec // there are five verdicts
	for _, number := range []int64{f.modified, f.due, f.created, f.readAt, f.rank.Created, int64(len(f.rank.Groups))} {
		b = binary.AppendVarint(b, number)
	}
	b = binary.LittleEndian.AppendUint64(b, f.digest)
	texts := append([]string{f.rule, f.state, f.rank.Rule}, f.rank.Groups...)
	if f.mediaID != "" {
		texts = append(texts, f.name)
	}
	for _, text := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, f.line...)
}

// errDamaged says that bytes are no finding.
var errDamaged = errors.New("a finding is damaged")

// maxGroups bounds the groups of one medium: it has a few tags.
const maxGroups = 1000

// decode reads a finding of a key. It keeps parts of b.
func decode(key string, b []byte) (*finding, error) {
	f := &finding{}
	if len(key) < 2 || len(b) < 2 || b[1] > byte(retention.Expired) {
		return nil, errDamaged
	}
	f.uncounted, f.verdict = b[0]&uncountedFlag != 0, retention.Verdict(b[1])
	b = b[2:]
	var groups int64
	for _, into := range []*int64{&f.modified, &f.due, &f.created, &f.readAt, &f.rank.Created, &groups} {
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
	texts := []*string{&f.rule, &f.state, &f.rank.Rule}
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
		if n <= 0 || size > uint64(len(b)-n) { //nolint:gosec // n bytes of it have been read
			return nil, errDamaged
		}
		*into, b = string(b[n:n+int(size)]), b[n+int(size):] //nolint:gosec // bounded above
	}
	f.line = b
	return f, nil
}

// merge adds another finding of the same medium. Records that differ contradict each other:
// the medium is unknown, and looked at again the next time. Two that say that it is absent
// do not.
func (f *finding) merge(other *finding) {
	uncounted := f.uncounted && other.uncounted
	switch {
	case f.verdict == retention.Absent && other.verdict == retention.Absent:
	case f.contradicted || f.digest != other.digest:
		f.contradict()
	case f.isStray():
		*f = *other
	}
	f.uncounted = uncounted
}

func (f *finding) isStray() bool { return f.name == "" }

// contradict takes from the medium all that its records say.
func (f *finding) contradict() {
	f.verdict, f.rule, f.rank, f.due, f.digest, f.line = retention.Unknown, "", retention.Rank{}, 0, 0, nil
	f.contradicted = true
}
