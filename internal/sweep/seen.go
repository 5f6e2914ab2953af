package sweep

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
)

// seen remembers which media have been found, and which objects were passed over, where
// other sources name media by their IDs: so that each is looked at and counted once. It
// keeps a hash of eight bytes for each, in a table that is at most seven tenths full. That
// any two of ten million are alike has a chance of three in a million; one of the two media
// is then not looked at.
type seen struct {
	slots []uint64 // 0 is free
	count int
	kept  bool     // checkpoints keep what is added
	fresh []uint64 // since the last of them
}

// What is hashed, each apart: the IDs of media that were found, and the names of objects
// that were passed over.
const (
	foundID = 'f'
	passed  = 'p'
	named   = 'n' // the names of candidates
)

func nameOf(kind byte, text string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte{kind}) // a hash takes everything
	_, _ = hash.Write([]byte(text)) // as above
	sum := hash.Sum64()
	// FNV leaves its low bits weak, by which slots are chosen.
	sum ^= sum >> 32
	sum *= 0x9e3779b97f4a7c15
	sum ^= sum >> 29
	return max(sum, 1)
}

// has reports whether a name has been added.
func (s *seen) has(name uint64) bool {
	if len(s.slots) == 0 {
		return false
	}
	return s.slots[s.slot(name)] == name
}

// slot returns where a name is, or could be.
func (s *seen) slot(name uint64) int {
	mask := uint64(len(s.slots) - 1) //nolint:gosec // not negative: there are slots
	for at := name & mask; ; at = (at + 1) & mask {
		if s.slots[at] == 0 || s.slots[at] == name {
			return int(at) //nolint:gosec // within slots
		}
	}
}

// add adds a name, and reports whether it is new.
func (s *seen) add(name uint64) bool {
	if !s.insert(name) {
		return false
	}
	if s.kept {
		s.fresh = append(s.fresh, name)
	}
	return true
}

func (s *seen) insert(name uint64) bool {
	if s.count*10 >= len(s.slots)*7 {
		old := s.slots
		s.slots = make([]uint64, max(1024, 2*len(old)))
		for _, kept := range old {
			if kept != 0 {
				s.slots[s.slot(kept)] = kept
			}
		}
	}
	at := s.slot(name)
	if s.slots[at] == name {
		return false
	}
	s.slots[at] = name
	s.count++
	return true
}

// drain returns the names that were added since the last call, eight bytes each.
func (s *seen) drain() []byte {
	if s == nil {
		return nil
	}
	var names []byte
	for _, name := range s.fresh {
		names = binary.LittleEndian.AppendUint64(names, name)
	}
	s.fresh = nil
	return names
}

// bytes returns how many drain would return of all names.
func (s *seen) bytes() int {
	if s == nil {
		return 0
	}
	return 8 * s.count
}

// renew makes all names new again.
func (s *seen) renew() {
	if s == nil {
		return
	}
	s.fresh = slices.DeleteFunc(slices.Clone(s.slots), func(name uint64) bool { return name == 0 })
}

// putBack makes names that were drained new again: they could not be kept.
func (s *seen) putBack(names []byte) {
	for ; len(names) >= 8; names = names[8:] {
		s.fresh = append(s.fresh, binary.LittleEndian.Uint64(names))
	}
}

// load adds names that were drained.
func (s *seen) load(names []byte) {
	for ; len(names) >= 8; names = names[8:] {
		s.insert(binary.LittleEndian.Uint64(names))
	}
}
