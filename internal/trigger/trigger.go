// Package trigger reads what woke the function (a timer, OSS directly or through
// EventBridge, an HTTP call, or a request as it stands) into one Request with an
// explicit scope. It is pure, and strict about what it does not know.
package trigger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MaxBytes bounds a payload. Source: Function Compute passes on at most 32 MB.
const MaxBytes = 32 << 20

// Kind says what woke the function.
type Kind string

// The kinds, as reports name them.
const (
	Timer  Kind = "timer"
	OSS    Kind = "oss"
	HTTP   Kind = "http"
	Invoke Kind = "invoke"
	CLI    Kind = "cli"
)

// Event is a payload that has been read: a Request, or an HTTP call that the
// go1 runtime hands over as an event and that has a request in its body.
type Event struct {
	Request *Request
	HTTP    *HTTPCall
}

// accepted is the end of every message about a payload that is none of these.
const accepted = "accepted are a timer event (triggerTime, triggerName, payload), an OSS event (events), an OSS event through " +
	"EventBridge (specversion, type, data; an object or an array of them), an HTTP event (version, requestContext) and a request (" + requestKeys + ")"

// Parse reads one payload of an event call.
func Parse(payload []byte) (Event, error) {
	if len(payload) > MaxBytes {
		return Event{}, fmt.Errorf("the payload has %d bytes, the limit is %d", len(payload), MaxBytes)
	}
	payload = bytes.TrimSpace(payload)
	switch {
	case len(payload) == 0:
		return Event{}, errors.New("the payload is empty: " + accepted)
	case payload[0] == '[':
		return ossEvent(cloudEvents(payload))
	}
	keys, err := fields(payload)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %s", err, accepted)
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return keys[name] == nil })
	}
	asks := len(keys) == 0 || slices.ContainsFunc(strings.Split(requestKeys, ", "), func(name string) bool { return has(name) })
	switch {
	case asks:
		// A key of a request beside those of an event would be lost if this
		// were read as the event: here it makes the others an error.
		request, err := requestFrom(keys, Invoke)
		return Event{Request: request}, err
	case has("events"):
		return ossEvent(nativeRecords(keys["events"]))
	case has("specversion"):
		return ossEvent(cloudEvents(payload))
	case has("eventName", "oss"):
		return ossEvent([]json.RawMessage{payload}, nil)
	case has("version", "requestContext"):
		call, err := parseHTTPCall(payload)
		return Event{HTTP: call}, err
	case has("triggerName") || has("triggerTime"):
		request, err := parseTimer(keys)
		return Event{Request: request}, err
	}
	return Event{}, fmt.Errorf("the payload has the keys %s: %s", strings.Join(slices.Sorted(maps.Keys(keys)), ", "), accepted)
}

// parseTimer reads a timer event, whose payload is the text that the trigger was
// configured with: nothing, or a request as JSON. A timer sweeps everything in
// the policy's mode unless it says otherwise, so nothing that may be meant to say
// so is passed over: only keys that the platform may add one day are.
func parseTimer(keys map[string]json.RawMessage) (*Request, error) {
	var payload string
	for name, value := range keys {
		var text *string
		switch known := strings.ToLower(name); {
		case name == "triggerTime", name == "triggerName", name == "payload":
			if err := json.Unmarshal(value, &text); err != nil || text == nil {
				return nil, fmt.Errorf("timer event: %s must be a text", name)
			}
			if name == "payload" {
				payload = *text
			}
		case known == "payload" || slices.Contains(strings.Split(strings.ToLower(requestKeys), ", "), known):
			return nil, fmt.Errorf("timer event: there is no key %q beside triggerTime, triggerName and payload", name)
		}
	}
	if keys["triggerTime"] == nil || keys["triggerName"] == nil {
		return nil, errors.New("timer event: triggerTime and triggerName are both expected")
	}
	if strings.TrimSpace(payload) == "" {
		return &Request{Trigger: Timer, Inventory: true}, nil
	}
	inner, err := fields([]byte(payload))
	if err != nil {
		return nil, fmt.Errorf("timer event: payload: %w", err)
	}
	request, err := requestFrom(inner, Timer)
	if err != nil {
		return nil, fmt.Errorf("timer event: payload: %w", err)
	}
	return request, nil
}

// fields reads a JSON object by its exact keys, which encoding/json would match
// in any case, and refuses one that names a key twice or is followed by more.
func fields(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	open, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if open != json.Delim('{') {
		return nil, fmt.Errorf("a JSON object is expected, not %s", shorten(strings.TrimSpace(string(data))))
	}
	keys := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		key, _ := name.(string)
		if keys[key] != nil {
			return nil, fmt.Errorf("%q is set twice", key)
		}
		keys[key] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if decoder.More() {
		return nil, errors.New("not JSON: something follows the object")
	}
	return keys, nil
}
