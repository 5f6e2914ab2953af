package holds

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// holdFormat is the version of the three records. Other versions are refused.
const holdFormat = 1

type holdRecord struct {
	Format int            `json:"format"`
	Hold   retention.Hold `json:"hold"`
}

type releaseRecord struct {
	Format int       `json:"format"`
	Hold   string    `json:"hold"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// catalog has the holds in force once the records up to two numbers were read.
type catalog struct {
	Format   int              `json:"format"`
	Placed   int              `json:"placed"`
	Released int              `json:"released"`
	Holds    []retention.Hold `json:"holds"`
}

// name returns the name of the catalog's record. Its checksum shows a changed record.
func (c catalog) name(record []byte) string {
	return fmt.Sprintf("%s%010d-%010d-%.8x.json", catalogFolder, c.Placed, c.Released, sha256.Sum256(record))
}

func number(id string) int {
	n, err := text.Decimal(id)
	if err != nil || n > maxNumber {
		return 0
	}
	return int(n)
}

// decodeStrictly decodes a record of JSON that has no other fields.
func decodeStrictly(data []byte, most int, into any) error {
	if len(data) > most {
		return fmt.Errorf("%w: it has %d bytes: the limit is %d", state.ErrDamaged, len(data), most)
	}
	if err := checkKeys(data); err != nil {
		return fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", state.ErrDamaged, err)
	}
	return nil
}

// checkKeys refuses what is not one object, and a key that is set twice or has an upper-case letter, also in objects
// below: encoding/json would take the last of several spellings.
func checkKeys(data []byte) error {
	seen := map[string]bool{}
	return text.Members(data, func(name []byte, value json.RawMessage) error {
		key := string(name)
		if seen[key] || key != strings.ToLower(key) {
			return fmt.Errorf("key %s is set twice, or in another spelling", text.Quote(key))
		}
		seen[key] = true
		if value[0] == '{' {
			return checkKeys(value)
		}
		return nil
	})
}

func decodeHold(number int, data []byte) (retention.Hold, error) {
	var r holdRecord
	err := decodeStrictly(data, maxHold+maxListed*retention.MaxHoldMedia, &r)
	switch {
	case err != nil:
	case len(data) > maxHold+maxListed*len(r.Hold.Media):
		err = fmt.Errorf("%w: it has %d bytes: too many for what it says", state.ErrDamaged, len(data))
	case r.Format != holdFormat:
		err = fmt.Errorf("%w: %w", state.ErrDamaged, text.OtherFormat(r.Format, holdFormat))
	case r.Hold.ID != strconv.Itoa(number):
		err = fmt.Errorf("%w: it is of hold %s", state.ErrDamaged, text.Quote(r.Hold.ID))
	default:
		if err = r.Hold.Check(); err != nil {
			err = fmt.Errorf("%w: %w", state.ErrDamaged, err)
		}
	}
	return r.Hold, err
}

func decodeRelease(data []byte) (releaseRecord, error) {
	var r releaseRecord
	err := decodeStrictly(data, maxHold, &r)
	switch {
	case err != nil:
	case r.Format != holdFormat:
		err = fmt.Errorf("%w: %w", state.ErrDamaged, text.OtherFormat(r.Format, holdFormat))
	case number(r.Hold) == 0 || r.At.IsZero():
		err = fmt.Errorf("%w: it names no hold, or no time", state.ErrDamaged)
	}
	return r, err
}
