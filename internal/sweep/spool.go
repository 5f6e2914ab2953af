package sweep

import (
	"bufio"
	"cmp"
	"compress/flate"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
)

// spoolBytes is what a spool keeps in memory before it goes to a file.
const spoolBytes = 8 << 20

// lineBytes is what a line has beside its text, about.
const lineBytes = 160

// spool holds lines, of a plan or of the index, until all of them are there, and hands
// them over in the order of their IDs. What is more than spoolBytes it sorts piece by
// piece into a temporary file, so that memory does not grow with the library. It
// is not safe for concurrent use.
type spool struct {
	lines []line // not in the file yet
	bytes int
	file  *os.File
	end   int64
	runs  []int64 // where in the file each sorted, compressed piece starts
	count int
}

// line is one entry of the plan, with what its deletion needs to know.
type line struct {
	id, rule, state string
	created         int64 // its CreationTime, in seconds since 1970
	decided         int64 // when it was read and decided on, likewise
	ranked          bool  // this run has found enough newer ones of its group
	part            int   // which part of its look's checkpoints has it; 0 for an earlier look's
	text            []byte
}

// lineOf returns the line of an entry whose medium was created and read then.
func lineOf(e plan.Entry, created, decided time.Time) (line, error) {
	text, err := e.Line()
	return line{id: e.MediaID, rule: e.Rule, state: e.State, created: created.Unix(), decided: decided.Unix(), text: text}, err
}

// keptLine returns the line of an entry that was kept; what it does not tell of its
// medium is in the record.
func keptLine(e plan.Entry, decided time.Time) (line, error) {
	m, err := media.Parse(e.Record)
	if err != nil {
		return line{}, err
	}
	return lineOf(e, m.Created, decided)
}

func (l line) compare(other line) int {
	return cmp.Or(strings.Compare(l.id, other.id), cmp.Compare(l.decided, other.decided))
}

// add takes an entry.
func (s *spool) add(l line) error {
	s.lines = append(s.lines, l)
	s.count++
	if s.bytes += len(l.text) + lineBytes; s.bytes < spoolBytes {
		return nil
	}
	return s.flush()
}

// flush sorts what is in memory to the end of the file.
func (s *spool) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "mediasweep-spool-*"); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	slices.SortFunc(s.lines, line.compare)
	start := s.end
	counted := &counter{w: s.file}
	squeezed, _ := flate.NewWriter(counted, flate.BestSpeed) // the level is a valid one
	out := bufio.NewWriterSize(squeezed, 64<<10)
	for _, l := range s.lines {
		ranked := int64(0)
		if l.ranked {
			ranked = 1
		}
		for _, number := range []int64{l.created, l.decided, int64(l.part), ranked} {
			_, _ = out.Write(binary.AppendVarint(nil, number)) // Flush tells of all errors
		}
		for _, field := range [][]byte{[]byte(l.id), []byte(l.rule), []byte(l.state), l.text} {
			_, _ = out.Write(binary.AppendUvarint(nil, uint64(len(field))))
			_, _ = out.Write(field)
		}
	}
	if err := cmp.Or(out.Flush(), squeezed.Close()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.runs, s.end = append(s.runs, start), start+counted.n
	clear(s.lines)
	s.lines, s.bytes = s.lines[:0], 0
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// all yields the lines in order, as often as it is asked. Texts are the caller's
// to keep.
func (s *spool) all() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		slices.SortFunc(s.lines, line.compare)
		pieces := merge{&piece{rest: s.lines}}
		for i, start := range s.runs {
			end := s.end
			if i+1 < len(s.runs) {
				end = s.runs[i+1]
			}
			pieces = append(pieces, &piece{file: bufio.NewReader(flate.NewReader(io.NewSectionReader(s.file, start, end-start)))})
		}
		for i := 0; i < len(pieces); {
			if err := pieces[i].next(); errors.Is(err, io.EOF) {
				pieces = slices.Delete(pieces, i, i+1)
				continue
			} else if err != nil {
				yield(line{}, fmt.Errorf("read what was spooled: %w", err))
				return
			}
			i++
		}
		heap.Init(&pieces)
		for len(pieces) > 0 {
			if !yield(pieces[0].head, nil) {
				return
			}
			switch err := pieces[0].next(); {
			case errors.Is(err, io.EOF):
				heap.Pop(&pieces)
			case err != nil:
				yield(line{}, fmt.Errorf("read what was spooled: %w", err))
				return
			default:
				heap.Fix(&pieces, 0)
			}
		}
	}
}

// piece is a sorted part of a spool: in memory, or of its file.
type piece struct {
	head line
	rest []line
	file *bufio.Reader
}

// next moves on to the piece's next line; io.EOF says that there is none.
func (p *piece) next() error {
	if p.file == nil {
		if len(p.rest) == 0 {
			return io.EOF
		}
		p.head, p.rest = p.rest[0], p.rest[1:]
		return nil
	}
	var numbers [4]int64
	for i := range numbers {
		number, err := binary.ReadVarint(p.file)
		switch {
		case err != nil && i == 0:
			return err
		case err != nil:
			return noEOF(err)
		}
		numbers[i] = number
	}
	var fields [4][]byte
	for i := range fields {
		size, err := binary.ReadUvarint(p.file)
		if err == nil {
			fields[i] = make([]byte, size)
			_, err = io.ReadFull(p.file, fields[i])
		}
		if err != nil {
			return noEOF(err)
		}
	}
	p.head = line{id: string(fields[0]), rule: string(fields[1]), state: string(fields[2]), created: numbers[0], decided: numbers[1], part: int(numbers[2]), ranked: numbers[3] == 1, text: fields[3]}
	return nil
}

// noEOF makes the end of a file within a line what it is: an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// merge is a heap of pieces by their first lines.
type merge []*piece

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].head.compare(m[j].head) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*piece)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// close removes the file.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()           // a temporary file
		_ = os.Remove(s.file.Name()) // as above
	}
}
