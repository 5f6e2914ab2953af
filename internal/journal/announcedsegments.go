package journal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
)

// announcedSegment has the media from First up to the First of the next segment.
type announcedSegment struct {
	Sum   string `json:"sum"`
	First string `json:"first"`
}

// part is a sorted list of segments.
type part struct {
	segments []announcedSegment
	leads    bool
	at       int            // the next segment
	rest     []Announcement // of the segment before
}

// fill reads the next segment if there may be announcements up to a media ID.
func (p *part) fill(ctx context.Context, a *Announcements, id string) error {
	if !a.whole {
		p.rest = p.rest[sort.Search(len(p.rest), func(i int) bool { return p.rest[i].MediaID >= id }):]
	}
	for len(p.rest) == 0 && p.at < len(p.segments) && p.segments[p.at].First <= id {
		for !a.whole && p.at+1 < len(p.segments) && p.segments[p.at+1].First <= id {
			p.at++
		}
		s, end := p.segments[p.at], ""
		if p.at+1 < len(p.segments) {
			end = p.segments[p.at+1].First
		}
		p.at++
		rest, err := a.readSegment(ctx, s, end, p.leads)
		switch {
		case state.IsLost(err):
			a.lost(announcedName(s.Sum), err)
		case err != nil:
			return fmt.Errorf("read the announcements: %w", err)
		}
		p.rest = rest
		if !a.whole {
			p.rest = p.rest[sort.Search(len(p.rest), func(i int) bool { return p.rest[i].MediaID >= id }):]
			return nil
		}
	}
	return nil
}

func announcedName(sum string) string { return announcedFolder + sum + ".gz" }

// readSegment returns the announcements of a segment that ends before a media ID, if end is not empty.
func (a *Announcements) readSegment(ctx context.Context, s announcedSegment, end string, leads bool) ([]Announcement, error) {
	data, err := a.store.Read(ctx, announcedName(s.Sum))
	if err != nil {
		return nil, err
	}
	list, err := decodeAnnouncements(data, s, end, leads)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	a.sums[s.Sum] = true
	return list, nil
}

// A segment has at most maxAnnounced lines of at most maxAnnouncedLine bytes.
const (
	maxAnnounced     = 1 << 15
	maxAnnouncedLine = 128
)

func decodeAnnouncements(data []byte, s announcedSegment, end string, leads bool) ([]Announcement, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	lines, err := io.ReadAll(io.LimitReader(zip, maxAnnounced*maxAnnouncedLine+1))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(lines); hex.EncodeToString(sum[:]) != s.Sum {
		return nil, errors.New("its content is not that of its name")
	}
	list := make([]Announcement, 0, bytes.Count(lines, []byte("\n")))
	for line := range strings.Lines(string(lines)) {
		one, err := parseAnnouncement(line)
		if n := len(list); err == nil && (n == 0 && one.MediaID != s.First || n > 0 && one.MediaID <= list[n-1].MediaID || end != "" && one.MediaID >= end) {
			err = errors.New("it is out of order")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		one.Lead = leads
		list = append(list, one)
	}
	return list, nil
}

const orphanFlag = "o"

// appendTo appends the line of a segment.
func (n Announcement) appendTo(b []byte) []byte {
	b = append(append(b, n.MediaID...), ' ')
	b = append(appendDigest(b, n.Digest), ' ')
	b = append(strconv.AppendInt(b, n.At, 10), ' ')
	flag := "-"
	if n.Orphan {
		flag = orphanFlag
	}
	return append(append(b, flag...), '\n')
}

func appendDigest(b []byte, digest uint64) []byte {
	return hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, digest))
}

func parseAnnouncement(line string) (n Announcement, err error) {
	id, rest, _ := strings.Cut(line, " ")
	digest, rest, _ := strings.Cut(rest, " ")
	at, flag, _ := strings.Cut(rest, " ")
	n.MediaID, n.Orphan = id, flag == orphanFlag+"\n"
	n.Digest, err = strconv.ParseUint(digest, 16, 64)
	atErr := error(nil)
	n.At, atErr = strconv.ParseInt(at, 10, 64)
	if err = cmp.Or(media.CheckID(id), err, atErr); err == nil && string(n.appendTo(nil)) != line {
		err = errors.New("it is no announcement")
	}
	return n, err
}
