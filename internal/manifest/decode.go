package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxText bounds the text of one file, in bytes, after unzipping: some thirty million
// rows, for whose look-ups MPS takes eight hours at its full quota. A gzip of 4 MiB can
// unzip to as much.
const MaxText = 4 << 30

var errTooMuchText = fmt.Errorf("its text has more than %d GiB: split it", MaxText>>30)

// decode unzips gzip, whatever the file's name, and turns UTF-16 into UTF-8. It drops a
// byte order mark. The reader shows rows of so many bytes at most.
func decode(r io.Reader, most int) (*bufio.Reader, error) {
	encoded := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := encoded.Peek(2); bytes.Equal(magic, gzipMagic) {
		unzipped, err := newUnzipper(encoded)
		if err != nil {
			return nil, err
		}
		encoded = bufio.NewReaderSize(unzipped, 64<<10)
	}
	var plain io.Reader = &bounded{encoded, MaxText}
	head, err := encoded.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("after line 0: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return nil, errors.New("it is UTF-32: save it as UTF-8")
	case text.UTF16Order(head) != nil:
		_, _ = encoded.Discard(2) // they have been read
		plain = text.FromUTF16(plain, text.UTF16Order(head))
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, _ = encoded.Discard(3) // they have been read
	}
	return bufio.NewReaderSize(plain, most), nil
}

// unzipper reads gzip of one or several members, and says what is wrong with it.
type unzipper struct {
	zipped *bufio.Reader
	member *gzip.Reader
}

func newUnzipper(zipped *bufio.Reader) (*unzipper, error) {
	member, err := gzip.NewReader(zipped)
	if err != nil {
		return nil, unzipError(err)
	}
	member.Multistream(false)
	return &unzipper{zipped, member}, nil
}

func (u *unzipper) Read(p []byte) (int, error) {
	for {
		n, err := u.member.Read(p)
		if errors.Is(err, io.EOF) {
			err = u.next()
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return n, unzipError(err)
		case n > 0 || err != nil || len(p) == 0:
			return n, err
		}
	}
}

// next begins the next member. The gzip reader would take a few stray bytes for a member that is cut off.
func (u *unzipper) next() error {
	head, err := u.zipped.Peek(len(gzipMagic))
	switch {
	case len(head) == 0:
		return err
	case !bytes.HasPrefix(gzipMagic, head):
		return gzip.ErrHeader
	}
	if err := u.member.Reset(u.zipped); err != nil {
		return err
	}
	u.member.Multistream(false)
	return nil
}

func unzipError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("unzip: it is cut off")
	case errors.Is(err, gzip.ErrHeader):
		return errors.New("unzip: something else follows its gzip")
	}
	return fmt.Errorf("unzip: %w", err)
}

// bounded fails after a number of bytes.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooMuchText
	}
	return n, err
}

var gzipMagic = []byte{0x1f, 0x8b}

// refuse says what to do instead with a file that is no list, by its first bytes.
func refuse(head []byte) error {
	for _, other := range []struct{ magic, says string }{
		{"PK\x03\x04", "it is an Excel workbook or another ZIP archive: save the sheet as CSV (UTF-8)"},
		{"\xd0\xcf\x11\xe0", "it is an Excel workbook: save the sheet as CSV (UTF-8)"},
		{"[", "it is a JSON array: write JSON Lines, one object a line, as `jq -c '.[]'` does"},
		{"<", "it is HTML or XML: export it as CSV or JSON Lines"},
		{"%PDF", "it is a PDF: export it as CSV or JSON Lines"},
		{string(gzipMagic), "it is zipped twice: unzip it once"},
		{"BZh", "it is compressed with bzip2: use gzip, or nothing"},
		{"\xfd7zXZ", "it is compressed with xz: use gzip, or nothing"},
		{"\x28\xb5\x2f\xfd", "it is compressed with zstd: use gzip, or nothing"},
		{"PAR1", "it is Parquet: export it as CSV or JSON Lines"},
		{"ORC", "it is ORC: export it as CSV or JSON Lines"},
	} {
		if bytes.HasPrefix(head, []byte(other.magic)) {
			return errors.New(other.says)
		}
	}
	if bytes.IndexByte(head[:min(len(head), 4)], 0) >= 0 {
		return errors.New("it is UTF-16 without a byte order mark, or no text: save it as UTF-8")
	}
	return nil
}
