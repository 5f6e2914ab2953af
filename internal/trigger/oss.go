package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
)

// created holds the OSS events after which the media behind an object are worth a
// look, and removed those after which its source may be gone. The others (a part
// uploaded, an upload started or given up) happen to no finished object.
// Source: OSS trigger event names, Function Compute.
func created(eventName string) bool {
	switch eventName {
	case "ObjectCreated:PutObject", "ObjectCreated:PostObject", "ObjectCreated:CopyObject", "ObjectCreated:AppendObject",
		"ObjectCreated:PutSymlink", "ObjectCreated:CompleteMultipartUpload":
		return true
	}
	return false
}

func removed(eventName string) bool {
	return eventName == "ObjectRemoved:DeleteObject" || eventName == "ObjectRemoved:DeleteObjects"
}

// nativeRecords returns the records of an OSS trigger's {"events":[…]}.
func nativeRecords(events json.RawMessage) ([]json.RawMessage, error) {
	var records []json.RawMessage
	if err := json.Unmarshal(events, &records); err != nil || len(records) == 0 {
		return nil, errors.New("OSS event: events must be a list of at least one record")
	}
	return records, nil
}

// cloudEvents returns the records in the data of one CloudEvent or of an array.
func cloudEvents(payload []byte) ([]json.RawMessage, error) {
	var events []json.RawMessage
	if strings.HasPrefix(strings.TrimSpace(string(payload)), "[") {
		if err := json.Unmarshal(payload, &events); err != nil {
			return nil, fmt.Errorf("not JSON: %w: %s", err, accepted)
		}
	} else {
		events = []json.RawMessage{payload}
	}
	if len(events) == 0 {
		return nil, errors.New("the payload is an empty array: " + accepted)
	}
	records := make([]json.RawMessage, 0, len(events))
	for i, raw := range events {
		var event struct {
			Source string
			Data   json.RawMessage
		}
		if err := json.Unmarshal(raw, &event); err != nil || event.Data == nil {
			return nil, fmt.Errorf("EventBridge event %d has no data with an OSS record: %s", i, accepted)
		}
		if event.Source != "acs.oss" {
			return nil, fmt.Errorf("EventBridge event %d: source is %q, not acs.oss", i, shorten(event.Source))
		}
		records = append(records, event.Data)
	}
	return records, nil
}

// ossEvent makes one request of all records. A record that names no object fails
// the whole event, since nothing tells what it stood for.
func ossEvent(records []json.RawMessage, err error) (Event, error) {
	if err != nil {
		return Event{}, err
	}
	request := &Request{Trigger: OSS}
	seen := make(map[media.Object]bool, len(records))
	for i, raw := range records {
		var record struct {
			EventName string
			OSS       struct {
				Bucket struct{ Name string }
				Object struct{ Key string }
			}
		}
		if err := json.Unmarshal(raw, &record); err != nil {
			return Event{}, fmt.Errorf("OSS event: record %d: %w", i, err)
		}
		// EventBridge writes the name with the product before it.
		name := strings.TrimPrefix(record.EventName, "oss:")
		if name == "" {
			return Event{}, fmt.Errorf("OSS event: record %d has no eventName", i)
		}
		object, err := media.NewObject(record.OSS.Bucket.Name, record.OSS.Object.Key)
		if name == "ObjectRemoved:DeleteObjects" && record.OSS.Object.Key == "" {
			request.Ignored = append(request.Ignored, name+" names no object: nobody can tell which are gone")
			continue
		}
		if err != nil {
			return Event{}, fmt.Errorf("OSS event: record %d: %w", i, err)
		}
		if !created(name) && !removed(name) {
			request.Ignored = append(request.Ignored, fmt.Sprintf("%s of %s says nothing about a finished object", shorten(name), object))
			continue
		}
		if removed(name) && !slices.Contains(request.Removed, object) {
			request.Removed = append(request.Removed, object)
		}
		if !seen[object] {
			seen[object] = true
			request.Objects = append(request.Objects, object)
		}
	}
	return Event{Request: request}, nil
}
