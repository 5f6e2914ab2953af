package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// created reports whether an OSS event may have changed the media of an object. The other events (a
// part uploaded, an upload started or aborted) concern unfinished objects.
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

// record is one record of an OSS event as it came.
type record struct {
	data json.RawMessage
	// kind is the type of the CloudEvent around the record; empty without one.
	kind string
	// fault says why there is no data.
	fault string
}

// isRecord reports whether a JSON object is a record, though perhaps a damaged one.
func isRecord(keys map[string]json.RawMessage) bool {
	return keys["oss"] != nil || keys["eventName"] != nil && keys["eventSource"] != nil
}

// nativeRecords returns the records of an OSS trigger's {"events":[…]}.
func nativeRecords(events json.RawMessage) ([]record, error) {
	list, err := text.List(events, MaxNames, errTooMany)
	switch {
	case errors.Is(err, errTooMany):
		return nil, fmt.Errorf("OSS event: events has %w", err)
	case err != nil || len(list) == 0:
		return nil, errors.New("OSS event: events must be a list of at least one record")
	}
	records := make([]record, len(list))
	for i, data := range list {
		records[i].data = data
	}
	return records, nil
}

// cloudEvents returns the records in the data of CloudEvents. One that has no record is
// a fault of its own. If none comes from OSS, the payload is no OSS event.
func cloudEvents(events []json.RawMessage) ([]record, error) {
	if len(events) == 0 {
		return nil, errors.New("the payload is an empty array: " + accepted)
	}
	records := make([]record, len(events))
	foreign := 0
	for i, raw := range events {
		keys, err := fields(raw)
		source, _ := text.OfJSON(keys["source"])
		kind, _ := text.OfJSON(keys["type"])
		switch {
		case err != nil:
			records[i].fault = fmt.Sprintf("EventBridge event %d cannot be read: %v", i+1, err)
			foreign++
		case keys["specversion"] == nil && isRecord(keys): // as the format RawData delivers it
			records[i].data = raw
		case keys["data"] == nil:
			records[i].fault = fmt.Sprintf("EventBridge event %d has no data with an OSS record", i+1)
			if source != "acs.oss" {
				foreign++
			}
		case source != "acs.oss":
			records[i].fault = fmt.Sprintf("EventBridge event %d: source is %s, not acs.oss", i+1, text.Quote(source))
			foreign++
		default:
			records[i] = record{data: keys["data"], kind: kind}
		}
	}
	if foreign == len(records) {
		return nil, fmt.Errorf("%s: %s", records[0].fault, accepted)
	}
	return records, nil
}

// ossEvent makes one request of all records. A record that is no reason to look at a
// medium, or cannot be read, is noted as ignored and costs the others nothing.
func ossEvent(records []record, err error) (Event, error) {
	if err != nil {
		return Event{Trigger: OSS}, err
	}
	request := &Request{Trigger: OSS}
	seen, gone := make(map[media.Object]bool, len(records)), map[media.Object]bool{}
	for i, r := range records {
		name, object, err := r.read()
		if err != nil {
			request.Ignored = append(request.Ignored, fmt.Sprintf("record %d: %v", i+1, err))
			continue
		}
		if removed(name) && !gone[object] {
			gone[object] = true
			request.Removed = append(request.Removed, object)
		}
		if !seen[object] {
			seen[object] = true
			request.Objects = append(request.Objects, object)
		}
	}
	return Event{Trigger: OSS, Request: request}, nil
}

// read returns the event's name and its object, or why the record is ignored.
func (r record) read() (name string, object media.Object, err error) {
	if r.fault != "" {
		return "", object, errors.New(r.fault)
	}
	keys, err := fields(r.data)
	if err != nil {
		return "", object, err
	}
	name, err = text.OfJSON(keys["eventName"])
	if err != nil || name == "" {
		if r.kind == "" {
			return "", object, errors.New("it has no eventName")
		}
		name = r.kind // of a monitoring event, say
	}
	// EventBridge writes the name with the product before it.
	name = strings.TrimPrefix(name, "oss:")
	object, err = objectOf(keys["oss"])
	shown := text.Quote(name)
	switch {
	case !created(name) && !removed(name) && err != nil:
		return "", object, fmt.Errorf("%s is about no object", shown)
	case !created(name) && !removed(name):
		return "", object, fmt.Errorf("%s of %s says nothing about a finished object", shown, text.Quote(object.String()))
	case name == "ObjectRemoved:DeleteObjects" && errors.Is(err, errNoKey):
		return "", object, fmt.Errorf("%s names no object: nobody can tell which are gone", shown)
	case err != nil:
		return "", object, fmt.Errorf("%s: %w", shown, err)
	}
	return name, object, nil
}

var errNoKey = errors.New("there is no object key")

// objectOf reads the object that the oss part of a record names.
func objectOf(oss json.RawMessage) (media.Object, error) {
	bucket, err := member(oss, "bucket", "name")
	if err != nil {
		return media.Object{}, err
	}
	key, err := member(oss, "object", "key")
	if err != nil {
		return media.Object{}, err
	}
	if key == "" {
		return media.Object{}, errNoKey
	}
	return media.NewObject(bucket, key)
}

// member reads a text in an object in an object; empty if it is not there.
func member(data json.RawMessage, outer, inner string) (string, error) {
	for _, name := range []string{outer, inner} {
		if data == nil {
			return "", nil
		}
		keys, err := fields(data)
		if err != nil {
			return "", fmt.Errorf("oss.%s.%s: %w", outer, inner, err)
		}
		data = keys[name]
	}
	if data == nil {
		return "", nil
	}
	value, err := text.OfJSON(data)
	if err != nil {
		return "", fmt.Errorf("oss.%s.%s: %w", outer, inner, err)
	}
	return value, nil
}
