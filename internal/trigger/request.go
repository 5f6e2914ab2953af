package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// Request is what a run is asked to do. It has exactly one scope: MediaIDs,
// Objects, Manifests, Plan or Inventory. Only an OSS event can have none, when all of its records
// were ignored.
type Request struct {
	Trigger Kind
	// Mode is empty where the request does not say; see EffectiveMode.
	Mode policy.Mode
	// MediaIDs and Objects hold no duplicates.
	MediaIDs []string
	Objects  []media.Object
	// Manifests are lists of media. An OSS event can have some beside its objects.
	Manifests []media.Object
	// Removed are those of the objects that an event says were deleted.
	Removed []media.Object
	// Plan is the ID of a kept plan, whose media are looked at again and deleted if
	// they have still expired. Anyway says that the plan may be old, or of another
	// policy.
	Plan   string
	Anyway bool
	// Resume is the run that was cut off while it deleted the plan, if one was.
	Resume string
	// Inventory asks for everything that the policy's inventory names.
	Inventory bool
	// Ignored says, for each OSS record that is no reason to look at a medium,
	// why.
	Ignored []string
}

const (
	scopeKeys   = "mediaIds, objects, manifest, plan, inventory"
	requestKeys = "mode, " + scopeKeys
)

// IsPlanID reports whether a text has the form of a plan's ID.
func IsPlanID(text string) bool { return planID.MatchString(text) }

var planID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ParseRequest reads a request that stands by itself, such as an HTTP body.
func ParseRequest(data []byte, kind Kind) (*Request, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the request has %d bytes, the limit is %d", len(data), MaxBytes)
	}
	keys, err := fields(data)
	if err != nil {
		return nil, fmt.Errorf("request: %w: the keys of a request are %s", err, requestKeys)
	}
	return requestFrom(keys, kind)
}

// NewRequest makes a request of its keys, for those who have it in no other form.
func NewRequest(keys map[string]any, kind Kind) (*Request, error) {
	body, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return ParseRequest(body, kind)
}

// Names returns the key of a request that looks at what is named: objects, if the
// first name is one, else media IDs.
func Names(names ...string) (key string, value []string) {
	if strings.HasPrefix(names[0], "oss://") {
		return "objects", names
	}
	return "mediaIds", names
}

func requestFrom(keys map[string]json.RawMessage, kind Kind) (*Request, error) {
	request := &Request{Trigger: kind}
	var scopes, problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		value := keys[name]
		switch name {
		case "mode":
			var mode policy.Mode
			if json.Unmarshal(value, &mode) != nil || mode != policy.DryRun && mode != policy.Enforce {
				complain("mode must be %q or %q, not %s", policy.DryRun, policy.Enforce, shorten(string(value)))
			}
			request.Mode = mode
			continue
		case "mediaIds":
			request.MediaIDs = texts(value, name, complain, func(id string) (string, error) {
				return id, media.CheckID(id)
			})
		case "objects":
			request.Objects = texts(value, name, complain, media.ParseObject)
		case "inventory":
			if json.Unmarshal(value, &request.Inventory) != nil || !request.Inventory {
				complain("inventory must be true, not %s: leave it out otherwise", shorten(string(value)))
			}
		case "plan":
			if json.Unmarshal(value, &request.Plan) != nil || !IsPlanID(request.Plan) {
				complain("plan must be the ID of a plan, such as sha256:0f3a…, not %s", shorten(string(value)))
			}
		case "manifest":
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				complain("manifest must be a text, not %s", shorten(string(value)))
			} else if object, err := media.ParseObject(text); err != nil {
				complain("manifest: %v", err)
			} else {
				request.Manifests = []media.Object{object}
			}
		default:
			complain("there is no key %q: allowed are %s", name, requestKeys)
			continue
		}
		scopes = append(scopes, name)
	}
	switch {
	case len(problems) > 0:
		return nil, errors.New(strings.Join(problems, "; "))
	case len(scopes) > 1:
		return nil, fmt.Errorf("a request has one scope, this one has %s", strings.Join(scopes, " and "))
	case len(scopes) == 0 && kind == Timer:
		request.Inventory = true
	case len(scopes) == 0:
		return nil, fmt.Errorf("the request has no scope: say exactly one of %s (\"inventory\": true looks at everything that the policy names)", scopeKeys)
	}
	return request, nil
}

// texts reads a list of texts that must hold something, and folds duplicates.
func texts[T comparable](value json.RawMessage, name string, complain func(string, ...any), parse func(string) (T, error)) []T {
	var list []*string
	if err := json.Unmarshal(value, &list); err != nil || len(list) == 0 {
		complain("%s must be a list of at least one text, not %s", name, shorten(string(value)))
		return nil
	}
	seen := make(map[T]bool, len(list))
	var items []T
	for i, text := range list {
		if text == nil {
			complain("%s[%d] is null", name, i)
			continue
		}
		item, err := parse(*text)
		if err != nil {
			complain("%s[%d]: %q: %v", name, i, shorten(*text), err)
			continue
		}
		if !seen[item] {
			seen[item] = true
			items = append(items, item)
		}
	}
	return items
}

// EffectiveMode returns the mode in which the request runs under a policy.
// Triggers that the operator configured take the policy's mode unless they name
// a milder one; callers by hand get a dry run unless they say enforce. A policy's
// dry run cannot be raised: that is an error and not a milder run, so that nobody
// takes one for the other.
func (r *Request) EffectiveMode(most policy.Mode) (policy.Mode, error) {
	switch {
	case r.Mode == policy.Enforce && most != policy.Enforce:
		return "", errors.New("the request says enforce, the policy allows dry-run only: set `mode: enforce` in the policy first")
	case r.Mode != "":
		return r.Mode, nil
	case r.Trigger == Timer || r.Trigger == OSS:
		return most, nil
	}
	return policy.DryRun, nil
}

func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
