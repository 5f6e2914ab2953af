package text

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// UTF16Order returns the byte order of a text by its mark. It returns nil for a text that is not UTF-16, or has no mark.
func UTF16Order(head []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return binary.LittleEndian
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return binary.BigEndian
	}
	return nil
}

// FromUTF16 turns UTF-16 behind its mark into UTF-8. Half of a surrogate pair becomes a byte that UTF-8
// never has, so that no name is made of it. Half of a character at the end is an error.
func FromUTF16(from io.Reader, order binary.ByteOrder) io.Reader {
	return &utf16Reader{from: from, order: order}
}

type utf16Reader struct {
	from  io.Reader
	order binary.ByteOrder
	raw   []byte // not turned yet: an odd byte, or the first half of a pair
	ready []byte
	err   error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.ready) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.ready)
	u.ready = u.ready[n:]
	return n, nil
}

func (u *utf16Reader) fill() {
	var chunk [8 << 10]byte
	n, err := u.from.Read(chunk[:])
	u.raw = append(u.raw, chunk[:n]...)
	u.ready = u.ready[:0]
	for len(u.raw) >= 2 {
		r, size := rune(u.order.Uint16(u.raw)), 2
		if utf16.IsSurrogate(r) {
			if len(u.raw) < 4 && err == nil {
				break // the other half follows
			}
			pair := utf8.RuneError
			if len(u.raw) >= 4 {
				pair = utf16.DecodeRune(r, rune(u.order.Uint16(u.raw[2:])))
			}
			if pair == utf8.RuneError {
				u.ready = append(u.ready, 0xff)
				u.raw = u.raw[2:]
				continue
			}
			r, size = pair, 4
		}
		u.ready, u.raw = utf8.AppendRune(u.ready, r), u.raw[size:]
	}
	if errors.Is(err, io.EOF) && len(u.raw) > 0 {
		err = errors.New("it is cut off: its UTF-16 ends in half a character")
	}
	u.err = err
}
