package extsort

import (
	"encoding/binary"
	"io"
	"math/bits"
	"os"

	"github.com/klauspost/compress/s2"
)

// spill writes sorted pieces to a temporary file. The zero value has no file.
type spill struct {
	file   *os.File
	named  bool // the file could not be removed while it is open
	end    int64
	pieces []piece // complete ones
	fixed  int     // pieces before the mark, which are not merged any more
	open   *output // the piece that is being written; nil for none
	spare  *output // to be used again
}

// piece is a sorted part of the file. A piece of a level is the merge of fanIn pieces of the level below.
type piece struct {
	start, end     int64
	records, level int
}

func (s *spill) create() (err error) {
	if s.file != nil {
		return nil
	}
	if s.file, err = os.CreateTemp("", "mediasweep-sort-*"); err != nil {
		return err
	}
	s.named = os.Remove(s.file.Name()) != nil // a killed run leaves no file
	return nil
}

// blockSize is the number of bytes that are compressed together.
const blockSize = 16 << 10

// output writes a piece. A record has the length of what its name shares with the name before.
type output struct {
	piece   *io.OffsetWriter
	to      *s2.Writer
	records int
	last    []byte // name
	ready   []byte // records that are not written yet
}

// begin opens a piece at the end of the file.
func (s *spill) begin() {
	if s.open, s.spare = s.spare, nil; s.open == nil {
		s.open = &output{to: s2.NewWriter(nil, s2.WriterConcurrency(1), s2.WriterBlockSize(blockSize))}
	}
	o := s.open
	o.piece, o.records = io.NewOffsetWriter(s.file, s.end), 0
	o.to.Reset(o.piece)
	o.last, o.ready = o.last[:0], o.ready[:0]
}

func (o *output) writeAll(of *block, records []span) error {
	for _, r := range records {
		if err := o.write(of.name(r), of.rest(r)); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) write(name, rest []byte) error {
	shared := sharedBytes(name, o.last)
	b := binary.AppendUvarint(o.ready, uint64(shared))    //nolint:gosec // not negative
	b = binary.AppendUvarint(b, uint64(len(name)-shared)) //nolint:gosec // not negative
	b = append(b, name[shared:]...)
	b = binary.AppendUvarint(b, uint64(len(rest)))
	o.ready = append(b, rest...)
	o.last = append(o.last[:shared], name[shared:]...)
	o.records++
	if len(o.ready) < chunk {
		return nil
	}
	return o.squeeze()
}

// squeeze writes the records that are ready.
func (o *output) squeeze() error {
	_, err := o.to.Write(o.ready)
	o.ready = o.ready[:0]
	return err
}

// sharedBytes returns the length of the common beginning of two names.
func sharedBytes(a, b []byte) (n int) {
	least := min(len(a), len(b))
	for ; n+8 <= least; n += 8 {
		if differ := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); differ != 0 {
			return n + bits.TrailingZeros64(differ)/8
		}
	}
	for n < least && a[n] == b[n] {
		n++
	}
	return n
}

// finish ends the open piece, if any. It merges the last fanIn pieces of one level.
func (s *spill) finish(level int) error {
	if s.open == nil {
		return nil
	}
	o := s.open
	if err := o.squeeze(); err != nil {
		return err
	}
	if err := o.to.Close(); err != nil {
		return err
	}
	length, _ := o.piece.Seek(0, io.SeekCurrent) // where it is
	s.pieces = append(s.pieces, piece{s.end, s.end + length, o.records, level})
	s.end += length
	s.open, s.spare = nil, o
	if len(s.pieces)-s.fixed < fanIn || s.pieces[len(s.pieces)-fanIn].level != level {
		return nil
	}
	sources := s.sources(s.pieces[len(s.pieces)-fanIn:])
	s.pieces = s.pieces[:len(s.pieces)-fanIn]
	s.begin()
	for r, err := range sources.all() {
		if err == nil {
			err = s.open.write([]byte(r.Name), r.Rest)
		}
		if err != nil {
			return err
		}
	}
	return s.finish(level + 1)
}

// undo drops the pieces behind the mark.
func (s *spill) undo() {
	if s.open != nil {
		s.open, s.spare = nil, s.open
	}
	s.pieces, s.end = s.pieces[:s.fixed], 0
	if s.fixed > 0 {
		s.end = s.pieces[s.fixed-1].end
	}
}

func (s *spill) sources(pieces []piece) (sources merge) {
	for i, p := range pieces {
		compressed := io.NewSectionReader(s.file, p.start, p.end-p.start)
		plain := s2.NewReader(compressed, s2.ReaderMaxBlockSize(blockSize))
		sources = append(sources, &source{number: i, from: &decoder{file: plain, left: p.records}})
	}
	return sources
}

func (s *spill) close() {
	if s.file != nil {
		_ = s.file.Close() // the file is temporary
	}
	if s.named {
		_ = os.Remove(s.file.Name()) // the file is temporary
	}
}
