package emulator

import (
	"strconv"
	"strings"
	"time"
)

// MadeUp describes a library that is made up as it is asked: medium and object number i follow from
// i alone, and take no memory. A medium that a call changes is remembered from then on. The objects
// fill [InputBucket], which has no others and takes no writes. The zero value is no library.
type MadeUp struct {
	Objects int // each is the source of one medium
	// One of DueEvery media is [MadeUpAge] old for less than a day. One of NewEvery objects was
	// written within the last day. 0 for none.
	DueEvery, NewEvery int
	// Report puts a report of OSS Inventory with a row for each object at [ReportKey] of [OpsBucket].
	Report bool
}

// MadeUpAge is the age that no made-up medium has reached, but for those that are due.
const MadeUpAge = 400 * 24 * time.Hour

// madeUp is a MadeUp as of the start of the emulator.
type madeUp struct {
	MadeUp
	today time.Time
}

// The widths of the numbers in a key, so that keys and numbers have one order.
const (
	folderDigits = 7
	clipDigits   = 10
)

// Key returns the key of object number i, such as clips/0000012/clip-0000012345.mp4.
func (MadeUp) Key(i int) string {
	b := make([]byte, 0, len("clips//clip-.mp4")+folderDigits+clipDigits)
	b = appendDigits(append(b, "clips/"...), i/1000, folderDigits)
	b = appendDigits(append(b, "/clip-"...), i, clipDigits)
	return string(append(b, ".mp4"...))
}

func appendDigits(b []byte, n, width int) []byte {
	b = append(b, strings.Repeat("0", width)...)
	for at := len(b) - 1; n > 0; at-- {
		b[at] += byte(n % 10)
		n /= 10
	}
	return b
}

func (u *madeUp) number(key string) (i int, ok bool) {
	name, ok := strings.CutSuffix(key, ".mp4")
	if !ok || len(name) < clipDigits {
		return 0, false
	}
	i, err := strconv.Atoi(name[len(name)-clipDigits:])
	return i, err == nil && 0 <= i && i < u.Objects && u.Key(i) == key
}

// scramble is odd, so that multiplication by it can be undone by unscramble.
const (
	scramble   uint64 = 0x9e3779b97f4a7c15
	unscramble uint64 = 0xf1de83e19937733d
)

// id returns the ID of a medium: neighbours share nothing, and the number can be read back.
func (u *madeUp) id(i int) string {
	low := uint64(i) * scramble //nolint:gosec // not negative
	return hex16(low^low>>29*unscramble) + hex16(low)
}

func hex16(n uint64) string {
	digits := strconv.FormatUint(n, 16)
	return strings.Repeat("0", 16-len(digits)) + digits
}

func (u *madeUp) medium(id string) *Medium {
	if u == nil || len(id) != 32 {
		return nil
	}
	low, err := strconv.ParseUint(id[16:], 16, 64)
	i := int(low * unscramble) //nolint:gosec // a number that does not fit is out of range
	if err != nil || i < 0 || i >= u.Objects || u.id(i) != id {
		return nil
	}
	return u.mediumOf(i)
}

func (u *madeUp) at(s source) *Medium {
	if u == nil || s.bucket != InputBucket {
		return nil
	}
	i, ok := u.number(s.key)
	if !ok {
		return nil
	}
	return u.mediumOf(i)
}

func (u *madeUp) mediumOf(i int) *Medium {
	key := u.Key(i)
	return &Medium{
		ID: u.id(i), Bucket: InputBucket, Key: key, Title: key[strings.LastIndexByte(key, '/')+1:], PublishState: "Published",
		CreationTime: u.Created(i, u.today).Format(timeFormat), Format: "mp4", Size: strconv.FormatInt(u.size(i), 10),
		Duration: strconv.Itoa(20+i%3000) + ".000000", Bitrate: "2600.000", Fps: "25.0", Width: "1920", Height: "1080",
	}
}

func (*madeUp) size(i int) int64 { return 1_000_000 + int64(i)*7919%1_000_000_000 }

// isDue and isNew exclude one another.
func (u MadeUp) isDue(i int) bool { return u.DueEvery > 0 && i%u.DueEvery == 0 }
func (u MadeUp) isNew(i int) bool {
	return u.NewEvery > 0 && i%u.NewEvery == u.NewEvery-1 && !u.isDue(i)
}

// Modified returns when object number i was written, in a library as of today.
func (u MadeUp) Modified(i int, today time.Time) time.Time {
	age := 2*24*time.Hour + time.Duration(i*7919%31_536_000)*time.Second
	switch {
	case u.isDue(i):
		age = MadeUpAge + 12*time.Hour
	case u.isNew(i):
		age = 6 * time.Hour
	}
	return today.Add(-age).UTC().Truncate(time.Second)
}

// Created returns when the medium of object number i was, some minutes after the object.
func (u MadeUp) Created(i int, today time.Time) time.Time {
	return u.Modified(i, today).Add(time.Duration(i*31%600) * time.Second)
}

func (u *madeUp) object(key string) (Object, bool) {
	if u == nil {
		return Object{}, false
	}
	i, ok := u.number(key)
	if !ok {
		return Object{}, false
	}
	return Object{Key: key, Size: u.size(i), Modified: u.Modified(i, u.today), Type: multipart}, true
}
