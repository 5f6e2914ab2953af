// Package media holds the record that everything else speaks of: a medium as
// ApsaraVideo Media Processing (MPS) describes it, and the OSS object behind it.
// It is pure: no SDK, no clock, no network.
package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
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
	// Created is the CreationTime, in UTC with a precision of a second.
	Created time.Time
	// Record is the whole record as MPS sent it.
	Record json.RawMessage
}

// Maybe is a field that a record may lack or garble. Its zero value is unknown.
type Maybe[T any] struct {
	Value T
	Known bool
}

// Known returns a field that the record tells.
func Known[T any](value T) Maybe[T] { return Maybe[T]{value, true} }

// A MediaId is 32 hexadecimal characters in every documented sample; the
// documents do not promise it. What is refused here could end or widen the list
// that DeleteMedia takes.
var mediaID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// CheckID refuses what cannot be sent as the ID of a medium.
func CheckID(id string) error {
	if !mediaID.MatchString(id) {
		return errors.New("a media ID has 1 to 64 of 0-9, a-z, A-Z, - and _")
	}
	return nil
}

// Parse reads one element of MediaList.Media. Only a record that is no object or
// names no MediaId is an error: a damaged field must not hide the others.
func Parse(record json.RawMessage) (Medium, error) {
	var fields struct {
		MediaID      string `json:"MediaId"`
		CreationTime string
		PublishState string
		File         struct{ URL string }
		Tags         json.RawMessage
		Title        json.RawMessage
		CateID       json.RawMessage `json:"CateId"`
		Size         string
		Duration     string
	}
	if err := decodeLeniently(record, &fields); err != nil {
		return Medium{}, fmt.Errorf("media record: %w", err)
	}
	if fields.MediaID == "" {
		return Medium{}, errors.New("media record has no MediaId")
	}
	m := Medium{ID: fields.MediaID, State: fields.PublishState, Record: record}
	m.Tags, m.TagsGarbled = parseTags(fields.Tags)
	if object, err := ParseURL(fields.File.URL); err == nil {
		m.Object = object
	}
	m.Title, m.Category = maybe[string](fields.Title), maybe[int64](fields.CateID)
	if size, err := strconv.ParseInt(fields.Size, 10, 64); err == nil && size >= 0 {
		m.Size = Known(size)
	}
	// A hundred years of video would be another mistake of the record's.
	const longest = 100 * 366 * 24 * 60 * 60
	if seconds, err := strconv.ParseFloat(fields.Duration, 64); err == nil && seconds >= 0 && seconds < longest {
		m.Duration = Known(time.Duration(seconds * float64(time.Second)))
	}
	if created, err := time.Parse(time.RFC3339, fields.CreationTime); err == nil {
		m.Created = created.UTC()
	}
	return m, nil
}

// parseTags reads {"Tag":["a","b"]}. MPS leaves the wrapper out, or empty, when
// a medium has no tags.
func parseTags(raw json.RawMessage) (tags []string, garbled bool) {
	if len(raw) == 0 {
		return nil, false
	}
	var wrapper struct{ Tag []string }
	if err := json.Unmarshal(raw, &wrapper); err != nil {
		return nil, true
	}
	return wrapper.Tag, false
}

// maybe reads a field of which a zero value would say something.
func maybe[T any](raw json.RawMessage) Maybe[T] {
	var value *T
	if len(raw) == 0 || json.Unmarshal(raw, &value) != nil || value == nil {
		return Maybe[T]{}
	}
	return Known(*value)
}

// decodeLeniently leaves a field whose JSON type is wrong at its zero value.
func decodeLeniently(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		return nil
	}
	return err
}
