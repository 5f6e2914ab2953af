package announce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/segments"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Generations are numbered, since clocks differ. The name of a segment is the digest of its lines, so that generations
// share unchanged segments.
const (
	generationFolder = "announced/generations/"
	segmentFolder    = "announced/segments/"
)

// format is the version of generation and segment. Other versions announce again.
const format = 1

// generation refers to the segments of media of the inventory, and of leads.
type generation struct {
	Format   int       `json:"format"`
	Region   string    `json:"region"`
	At       time.Time `json:"at"`
	Segments []segment `json:"segments"`
	Leads    []segment `json:"leads"`
	number   int64
}

// segment has the media from First up to the First of the next segment.
type segment struct {
	Sum   string `json:"sum"`
	First string `json:"first"`
}

func (s segment) name() string { return segmentFolder + s.Sum + ".gz" }

// writtenSuffix ends the name of a second record of each generation, which comes behind the first in a listing. Without the first
// one the generation is missed: the one before it may have media that were found not expired since.
const writtenSuffix = ".written"

// readLatest reads the latest generation. It returns when it was written, by the store's clock. Without a notice it saves
// the read of a generation from before a time, which counts no more.
func (r *Reader) readLatest(ctx context.Context, from time.Time) (written time.Time, err error) {
	name := ""
	for record, err := range r.store.List(ctx, generationFolder, "") {
		if err != nil {
			return written, fmt.Errorf("list the announcements: %w", err)
		}
		name = strings.TrimSuffix(record.Name, writtenSuffix)
		if r.latest.number = state.NumberOf(generationFolder, name); r.latest.number > 0 {
			written = record.Written
			break
		}
	}
	if r.latest.number == 0 || r.Policy.Notice.IsZero() && written.Before(from) {
		return written, nil
	}
	latest, err := decodeGeneration(ctx, r.store, name, r.Region)
	switch {
	case state.IsLost(err):
		r.lost(name, err)
	case err != nil:
		return written, fmt.Errorf("read the announcements: %w", err)
	default:
		latest.number = r.latest.number
		r.latest = latest
	}
	return written, nil
}

// maxGeneration bounds a generation, in bytes: ten million announcements take 300 kilobytes.
const maxGeneration = 16 << 20

func decodeGeneration(ctx context.Context, store state.Store, name, region string) (g generation, err error) {
	data, err := store.Read(ctx, name)
	if err != nil {
		return g, err
	}
	if err = state.Decode(data, maxGeneration, &g); err == nil {
		err = g.check(region)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	return g, err
}

func (g *generation) check(region string) error {
	switch {
	case g.Format != format:
		return text.OtherFormat(g.Format, format)
	case g.Region != region:
		return fmt.Errorf("it is of region %s", text.Quote(g.Region))
	case g.At.IsZero():
		return errors.New("it has no time")
	}
	for _, list := range [][]segment{g.Segments, g.Leads} {
		for i, s := range list {
			if media.CheckID(s.First) != nil || i > 0 && s.First <= list[i-1].First {
				return fmt.Errorf("segment %d is out of order", i+1)
			}
			if sum, err := hex.DecodeString(s.Sum); err != nil || len(sum) != sha256.Size {
				return fmt.Errorf("segment %d has no checksum", i+1)
			}
		}
	}
	return nil
}

// A segment has at most maxLines lines of at most maxLine bytes.
const (
	maxLines = 1 << 15
	maxLine  = 128
)

// decodeSegment returns the entries of a segment that ends before a media ID, if end is not empty.
func decodeSegment(data []byte, s segment, end string, leads bool) (list []Entry, err error) {
	sum := sha256.New()
	for line, err := range segments.BoundedLines(data, maxLine, maxLines*maxLine) {
		if err != nil {
			return nil, err
		}
		_, _ = sum.Write(line) // a hash returns no error
		e, err := parseLine(string(line))
		if n := len(list); err == nil && (n == 0 && e.MediaID != s.First || n > 0 && e.MediaID <= list[n-1].MediaID || end != "" && e.MediaID >= end) {
			err = errors.New("it is out of order")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		e.Lead = leads
		list = append(list, e)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.Sum {
		return nil, errors.New("its content is not that of its name")
	}
	return list, nil
}

func (e Entry) appendLine(b []byte) []byte {
	b = append(append(b, e.MediaID...), ' ')
	b = append(hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, e.Digest)), ' ')
	b = append(strconv.AppendInt(b, e.At, 10), ' ')
	if e.Orphan {
		return append(b, orphanFlag+"\n"...)
	}
	return append(b, "-\n"...)
}

func parseLine(line string) (e Entry, err error) {
	id, rest, _ := strings.Cut(line, " ")
	digest, rest, _ := strings.Cut(rest, " ")
	at, flag, _ := strings.Cut(rest, " ")
	e.MediaID, e.Orphan = id, flag == orphanFlag+"\n"
	e.Digest, err = strconv.ParseUint(digest, 16, 64)
	atErr := error(nil)
	e.At, atErr = strconv.ParseInt(at, 10, 64)
	if err = cmp.Or(media.CheckID(id), err, atErr); err == nil && string(e.appendLine(nil)) != line {
		err = errors.New("it is no announcement")
	}
	return e, err
}
