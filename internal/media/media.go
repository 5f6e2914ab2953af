// Package media holds the record of a medium in ApsaraVideo Media Processing (MPS), and its OSS
// object.
// It is pure: no SDK, no clock, no network.
package media

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/text"
)

// The documented values of PublishState. Source: MPS QueryMediaList, Media.
const (
	StateInitiated = "Initiated"
	StateUnPublish = "UnPublish"
	StatePublished = "Published"
	StateDeleted   = "Deleted"
)

// Medium is one media record. A field that the record lacks or garbles has its
// zero value: whoever decides must treat that as unknown, never as a match.
type Medium struct {
	// ID is the MediaId.
	ID string
	// Doubt says why the record cannot be believed; empty for one that can. A medium
	// in doubt is unknown, and its ID may be no MediaId at all.
	Doubt string
	// Object is the input object, from File.URL.
	Object Object
	// Tags are the record's tags; TagsGarbled says that they could not be read,
	// which is not the same as having none.
	Tags        []string
	TagsGarbled bool
	// State is the PublishState as it came.
	State string
	// Title is the record's title, Category its CateId, Size the input's size in
	// bytes and Duration that of its video.
	Title    Maybe[string]
	Category Maybe[int64]
	Size     Maybe[int64]
	Duration Maybe[time.Duration]
	// Created is the CreationTime in UTC, rounded up to a whole second. One before 2010 is none: it is a default
	// value, or a clock that was not set.
	Created time.Time
	// Record is the whole record as MPS sent it.
	Record json.RawMessage
}

// Maybe is a field that a record may lack or garble. Its zero value is unknown.
type Maybe[T any] struct {
	Value T
	Known bool
}

// Known returns a field that the record has.
func Known[T any](value T) Maybe[T] { return Maybe[T]{value, true} }

// Text writes the field if it is known, and nothing else.
func (m Maybe[T]) Text(write func(T) string) string {
	if !m.Known {
		return ""
	}
	return write(m.Value)
}

// maxIDBytes bounds a MediaId. Every documented sample has 32 hexadecimal characters;
// the documents do not promise it.
const maxIDBytes = 64

// CheckID refuses what cannot be sent as the ID of a medium: it could end or widen
// the list that DeleteMedia takes.
func CheckID(id string) error {
	if id == "" || len(id) > maxIDBytes || !consistsOf(id, "-_", true) {
		return errors.New("a media ID has 1 to 64 of 0-9, a-z, A-Z, - and _")
	}
	return nil
}

// consistsOf reports whether a text has only 0-9, a-z, some other characters and, if asked, A-Z.
func consistsOf(s, others string, upper bool) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (!upper || c < 'A' || c > 'Z') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// earliest is the first CreationTime that is believed. MPS is younger.
var earliest = time.Date(2010, time.January, 1, 0, 0, 0, 0, time.UTC)

// What a record has from these limits on is a mistake of the record: an object has at
// most 48.8 TB (source: OSS "Limits"), and a video less than a hundred years.
const (
	SizeLimit     = 1 << 50
	DurationLimit = 100 * 366 * 24 * time.Hour
)

// Parse reads one element of MediaList.Media. Only a record that is no JSON object is
// an error: a damaged field must not hide the others.
func Parse(record json.RawMessage) (Medium, error) {
	s := text.Scan(record)
	m, err := Read(&s)
	if endErr := s.End(); endErr != nil {
		err = fmt.Errorf("media record: %w", endErr)
	}
	if err != nil {
		return Medium{}, err
	}
	m.Record = record
	return m, nil
}

// Read reads a record that is part of a larger text; see Parse. The medium of an error has the Record only.
func Read(s *text.Scanner) (Medium, error) {
	start := s.Start()
	o, err := readObject(s, "MediaId", "CreationTime", "PublishState", "File", "Tags", "Title", "CateId", "Size", "Duration")
	m := Medium{Record: s.Since(start)}
	if err == nil && !utf8.Valid(m.Record) {
		err = errors.New("not UTF-8")
	}
	if err != nil {
		return m, fmt.Errorf("media record: %w", err)
	}
	m.ID, _ = readText(o.value("MediaId"))
	m.State, _ = readText(o.value("PublishState"))
	m.Object = parseFile(o.value("File"))
	m.Tags, m.TagsGarbled = parseTags(o.value("Tags"))
	m.Title.Value, m.Title.Known = readText(o.value("Title"))
	if category, err := text.Decimal(string(o.value("CateId"))); err == nil {
		m.Category = Known(category)
	}
	if written, ok := readText(o.value("Size")); ok {
		if size, err := text.Decimal(written); err == nil && size < SizeLimit {
			m.Size = Known(size)
		}
	}
	if written, ok := readText(o.value("Duration")); ok {
		if nanoseconds, err := text.Fraction(written, 9); err == nil && time.Duration(nanoseconds) < DurationLimit {
			m.Duration = Known(time.Duration(nanoseconds))
		}
	}
	m.Created = parseTime(o.value("CreationTime"))
	switch {
	case CheckID(m.ID) != nil:
		m.Doubt = fmt.Sprintf("its MediaId %s is no media ID", text.Quote(m.ID))
	case o.odd != "":
		m.Doubt = fmt.Sprintf("the record has %s twice, or in another case", o.odd)
	}
	return m, nil
}

// parseTime returns the zero time for what is no RFC 3339 time, or one before earliest.
func parseTime(raw json.RawMessage) time.Time {
	written, _ := readText(raw)
	created, err := time.Parse(time.RFC3339, written)
	if err != nil || created.Before(earliest) {
		return time.Time{}
	}
	return WholeSecond(created.UTC())
}

// WholeSecond rounds a time up to a whole second. Decisions are as of whole seconds, and answers show no fractions.
func WholeSecond(at time.Time) time.Time { return at.Add(time.Second - 1).Truncate(time.Second) }

// parseFile reads {"URL":"http://…"}.
func parseFile(raw json.RawMessage) Object {
	file, err := parseObject(raw, "URL")
	address, _ := readText(file.value("URL"))
	source, urlErr := ParseURL(address)
	if err != nil || urlErr != nil {
		return Object{}
	}
	return source
}

// maxTags bounds the tags of a medium: a scan stops at one that is in more groups. MPS allows 16.
// Source: MPS AddMediaTag.
const maxTags = 1000

// parseTags reads {"Tag":["a","b"]}. MPS leaves the wrapper out, or empty, when a medium
// has no tags. Any other shape is garbled, since a tag that protects may be in it.
func parseTags(raw json.RawMessage) (tags []string, garbled bool) {
	switch {
	case len(raw) == 0, string(raw) == "null", string(raw) == `""`, raw[0] == '[' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0:
		return nil, false
	}
	s := text.Scan(raw)
	garbled = s.Next() != '{'
	named := false
	for name := range s.Members {
		again := named
		named = true
		if again || string(name) != "Tag" || s.Next() != '[' && s.Next() != 'n' { // null
			return nil, true
		}
		for range s.Elements {
			tag, ok := readText(s.Value())
			if !ok || len(tags) == maxTags || strings.Contains(tag, ",") || strings.TrimSpace(tag) != tag { // commas separate tags, so it is none or two
				return nil, true
			}
			tags = append(tags, tag)
		}
	}
	return tags, garbled
}

// readText reads a text that encoding/json need not mend.
func readText(raw json.RawMessage) (value string, ok bool) {
	value, err := text.OfJSON(raw)
	return value, err == nil
}

// object has the values of some known names of a JSON object.
type object struct {
	known  []string
	values [9]json.RawMessage // of known; nil for a name that is not there
	// odd is a known name that stands there twice, or in another case, and so has no
	// value: json.Unmarshal would take the last one.
	odd string
}

// value returns the value of a known name; nil if it is not there.
func (o *object) value(name string) json.RawMessage {
	if i := slices.Index(o.known, name); i >= 0 {
		return o.values[i]
	}
	return nil
}

func parseObject(data json.RawMessage, known ...string) (object, error) {
	s := text.Scan(data)
	o, err := readObject(&s, known...)
	return o, cmp.Or(s.End(), err)
}

// readObject reads the known names of a JSON object, which is part of a larger text.
func readObject(s *text.Scanner, known ...string) (object, error) {
	if s.Next() != '{' {
		s.Value()
		return object{}, text.ErrNoObject
	}
	o := object{known: known}
	for name := range s.Members {
		field := o.place(name)
		if field < 0 {
			continue
		}
		value := s.Value()
		if o.values[field] != nil || string(name) != known[field] {
			o.odd, value = max(o.odd, known[field]), json.RawMessage{}
		}
		o.values[field] = value
	}
	return o, nil
}

// place returns the place of a known name, in whatever case it is; -1 for another name.
func (o *object) place(name []byte) int {
	folded := -1
	for i, field := range o.known {
		if string(name) == field {
			return i
		}
		if folded < 0 && len(name) > 0 && (name[0]|0x20 == field[0]|0x20 || name[0] >= utf8.RuneSelf) && strings.EqualFold(string(name), field) {
			folded = i
		}
	}
	return folded
}
