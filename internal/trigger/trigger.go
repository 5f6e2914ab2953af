// Package trigger parses the payloads of all triggers into a Request with an explicit scope. Triggers
// are timers, OSS (directly or through EventBridge), HTTP calls and plain requests. It is pure, and
// refuses unknown fields.
package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	// MaxBytes bounds a payload and a request, whatever carries it.
	MaxBytes = 6 << 20
	// MaxNames bounds the media IDs or objects of a request, and the records of an
	// event. Ten thousand names of the usual length have a tenth of MaxBytes.
	MaxNames = 10_000
	// maxSent bounds what is read of a payload only so that its sender can read the
	// answer. Source: Function Compute passes on at most 32 MB.
	maxSent = 32 << 20
)

var (
	errTooLarge = fmt.Errorf("the request has more than %d MiB: list the media in a manifest", MaxBytes>>20)
	errTooMany  = fmt.Errorf("more than %d entries: list the media in a manifest", MaxNames)
)

// Read reads a payload. One that is too large is read to its end, and kept nowhere.
func Read(r io.Reader) ([]byte, error) {
	payload, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the request: %w", err)
	case len(payload) > MaxBytes:
		_, _ = io.CopyN(io.Discard, r, maxSent) // the sender may have gone
		return nil, errTooLarge
	}
	return payload, nil
}

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

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Timer, OSS, HTTP, Invoke, CLI} }

// Event is a payload that has been read: a Request, or an HTTP call that the
// go1 runtime hands over as an event and that has a request in its body.
type Event struct {
	// Trigger is Invoke for a payload that does not show what woke the function.
	Trigger Kind
	Request *Request
	HTTP    *HTTPCall
}

// accepted is the end of every message about a payload that is none of these.
const accepted = "accepted are a timer event (triggerTime, triggerName, payload), an OSS event (events), an OSS event through " +
	"EventBridge (specversion, type, data; an object or an array of them), an HTTP event (version, requestContext) and a request (" + requestKeys + ")"

// Parse reads one payload of an event call. A refused one has its Trigger, too.
func Parse(payload []byte) (event Event, err error) {
	event.Trigger = Invoke
	if len(payload) > MaxBytes {
		return event, errTooLarge
	}
	payload, err = plain(payload)
	switch {
	case err != nil:
		return event, err
	case len(payload) == 0:
		return event, errors.New("the payload is empty: " + accepted)
	case payload[0] == '[':
		events, err := text.List(payload, MaxNames, errTooMany)
		switch {
		case errors.Is(err, errTooMany):
			return event, fmt.Errorf("the array has %w", err)
		case err != nil:
			return event, fmt.Errorf("%w: %s", err, accepted)
		}
		return ossEvent(cloudEvents(events))
	}
	keys, err := fields(payload)
	if err != nil {
		return event, fmt.Errorf("%w: %s", err, accepted)
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return keys[name] == nil })
	}
	asks := len(keys) == 0 || slices.ContainsFunc(strings.Split(requestKeys, ", "), func(name string) bool { return has(name) })
	switch {
	case asks:
		// A key of a request beside those of an event would be lost if this
		// were read as the event: here it makes the others an error.
		event.Request, err = requestFrom(keys, Invoke)
	case has("events"):
		return ossEvent(nativeRecords(keys["events"]))
	case has("specversion"):
		return ossEvent(cloudEvents([]json.RawMessage{payload}))
	case isRecord(keys):
		return ossEvent([]record{{data: payload}}, nil)
	case has("version", "requestContext"):
		event.Trigger = HTTP
		event.HTTP, err = parseHTTPCall(payload)
	case has("triggerName") || has("triggerTime"):
		event.Trigger = Timer
		event.Request, err = parseTimer(keys)
	default:
		err = fmt.Errorf("the payload has the keys %s: %s", text.Quote(strings.Join(slices.Sorted(maps.Keys(keys)), ", ")), accepted)
	}
	return event, err
}

// parseTimer reads a timer event, whose payload is the text that the trigger was
// configured with: nothing, or a request as JSON. A timer sweeps everything in
// the policy's mode unless it says otherwise, so nothing that may be meant to say
// so is passed over: only keys that the platform may add one day are.
func parseTimer(keys map[string]json.RawMessage) (*Request, error) {
	var payload string
	for name, value := range keys {
		switch known := strings.ToLower(strings.TrimSpace(name)); {
		case name == "triggerTime", name == "triggerName", name == "payload":
			value, err := text.OfJSON(value)
			if errors.Is(err, text.ErrNotText) {
				return nil, fmt.Errorf("timer event: %s must be a text", name)
			}
			if err != nil {
				return nil, fmt.Errorf("timer event: %s: %w", name, err)
			}
			if name == "payload" {
				payload = value
			}
		case known == "payload" || slices.Contains(strings.Split(strings.ToLower(requestKeys), ", "), known):
			return nil, fmt.Errorf("timer event: there is no key %s beside triggerTime, triggerName and payload", text.Quote(name))
		}
	}
	if keys["triggerTime"] == nil || keys["triggerName"] == nil {
		return nil, errors.New("timer event: triggerTime and triggerName are both expected")
	}
	body, err := plain([]byte(payload))
	if err != nil {
		return nil, fmt.Errorf("timer event: payload: %w", err)
	}
	if len(body) == 0 {
		return &Request{Trigger: Timer, Inventory: true}, nil
	}
	inner, err := fields(body)
	if err != nil {
		return nil, fmt.Errorf("timer event: payload: %w", err)
	}
	request, err := requestFrom(inner, Timer)
	if err != nil {
		return nil, fmt.Errorf("timer event: payload: %w", err)
	}
	return request, nil
}
