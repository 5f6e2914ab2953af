package trigger

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Request is a request for a run. It has exactly one scope: MediaIDs, Objects, Manifests, Plan,
// Inventory or Restore. An OSS event has none if all of its records were ignored. Only the command line can
// set Prefixes or Files.
type Request struct {
	Trigger Kind
	// Mode is empty where the request does not say; see EffectiveMode.
	Mode policy.Mode
	// MediaIDs and Objects hold no duplicates.
	MediaIDs []string
	Objects  []media.Object
	// Manifests are lists of media. An OSS event can have some beside its objects.
	Manifests []media.Object
	// Prefixes are listed, and Files are lists of media on this machine. Only the command
	// line has them.
	Prefixes []media.Object
	Files    []string
	// Removed are the objects of deletion events.
	Removed []media.Object
	// Plan names a saved plan; see CheckPlan. Its media are read again, and deleted if they are
	// still expired. Anyway allows an old plan, or one of another policy.
	Plan   string
	Anyway bool
	// Resume is the run that was cut off while it deleted the plan, if one was.
	Resume string
	// Inventory asks for everything that the policy's inventory names.
	Inventory bool
	// Restore is the run or the plan whose media are added again. DryRun asks only what would be
	// added. Only are their IDs, if not all are wanted: the command line and HTTP have them.
	Restore string
	DryRun  bool
	Only    []string
	// Ignored says, for each OSS record that is no reason to look at a medium,
	// why.
	Ignored []string
}

const (
	scopeKeys   = "mediaIds, objects, manifest, plan, inventory"
	requestKeys = "mode, " + scopeKeys + ", restore, dryRun"
)

// IsPlanID reports whether a text has the form of a plan's ID.
func IsPlanID(text string) bool { return planID.MatchString(text) }

// LatestPlan names the plan with media that the latest run made. Plans of OSS events do not count, and
// an apply makes none.
const LatestPlan = "latest"

// MinReference is the least number of characters by which the ID of a plan or of a run may be shortened to its start.
const MinReference = 8

// NoSuch says that the state store has no plan or run of a reference. lists says what lists them, and makes what makes a
// plan.
func NoSuch(kind, reference, lists, makes string) string {
	switch {
	case reference == LatestPlan && kind == "plan":
		return "there is no plan with media yet: " + makes
	case reference == LatestPlan:
		return fmt.Sprintf("latest is not the ID of a %s: %s", kind, lists)
	}
	missing := fmt.Sprintf("there is no %s %s in the state store: %s", kind, text.Quote(reference), lists)
	if len(reference) >= MinReference {
		return missing
	}
	return fmt.Sprintf("%s; an ID may be shortened to %d characters", missing, MinReference)
}

// CheckPlan checks the reference to a plan: its ID, at least MinReference of the ID's first digits, or
// LatestPlan. The prefix sha256: may be missing.
func CheckPlan(reference string) error {
	if !planReference.MatchString(reference) {
		return fmt.Errorf("plan must be %s, the ID of a plan, or at least %d of its digits, not %s: list the plans, and copy one", LatestPlan, MinReference, text.Quote(reference))
	}
	return nil
}

// ShortPlan returns a reference to a plan by its ID that a person can type.
func ShortPlan(id string) string {
	if !IsPlanID(id) {
		return id
	}
	return id[len("sha256:"):][:MinReference]
}

var (
	planID        = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	planReference = regexp.MustCompile(fmt.Sprintf(`^(?:%s|(?:sha256:)?[0-9a-f]{%d,64})$`, LatestPlan, MinReference))
)

// ParseRequest reads a request that stands by itself, such as an HTTP body.
func ParseRequest(data []byte, kind Kind) (*Request, error) {
	if len(data) > MaxBytes {
		return nil, errTooLarge
	}
	keys, err := document(data)
	if err != nil {
		return nil, fmt.Errorf("request: %w: the keys of a request are %s", err, requestKeys)
	}
	return requestFrom(keys, kind)
}

// NewRequest makes a request of its keys, for those who have it in no other form.
func NewRequest(keys map[string]any, kind Kind) (*Request, error) {
	for _, value := range keys {
		names, _ := value.([]string)
		if name, ok := value.(string); ok {
			names = []string{name}
		}
		for _, name := range names {
			if !utf8.ValidString(name) { // json.Marshal would make another name of it
				return nil, fmt.Errorf("request: %s is not UTF-8", text.Quote(name))
			}
		}
	}
	body, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return ParseRequest(body, kind)
}

// CheckName refuses what is neither a media ID nor an object.
func CheckName(name string) error {
	if strings.HasPrefix(name, "oss://") {
		_, err := media.ParseObject(name)
		return err
	}
	if media.CheckID(name) != nil {
		return fmt.Errorf("%s is neither a media ID nor oss://bucket/key", text.Quote(name))
	}
	return nil
}

// Named makes a request for what is named: objects, if the first name is one, else media IDs.
func Named(kind Kind, names ...string) (*Request, error) {
	if len(names) == 1 {
		if err := CheckName(names[0]); err != nil {
			return nil, err
		}
	}
	key := "mediaIds"
	if strings.HasPrefix(names[0], "oss://") {
		key = "objects"
	}
	return NewRequest(map[string]any{key: names}, kind)
}

func requestFrom(keys map[string]json.RawMessage, kind Kind) (*Request, error) {
	request := &Request{Trigger: kind}
	var scopes []string
	var wrong problems
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		value := keys[name]
		switch name {
		case "mode":
			if json.Unmarshal(value, &request.Mode) != nil || request.Mode != policy.DryRun && request.Mode != policy.Enforce {
				wrong.add("mode must be %q or %q, not %s", policy.DryRun, policy.Enforce, quote(value))
			}
			continue
		case "dryRun":
			if json.Unmarshal(value, &request.DryRun) != nil || string(value) == "null" {
				wrong.add("dryRun must be true or false, not %s", quote(value))
			}
			if keys["restore"] == nil {
				wrong.add(`dryRun belongs to restore: a sweep has "mode": %q`, policy.DryRun)
			}
			continue
		case "mediaIds":
			request.MediaIDs = texts(value, name, &wrong, parseID)
		case "objects":
			request.Objects = texts(value, name, &wrong, media.ParseObject)
		case "inventory":
			if json.Unmarshal(value, &request.Inventory) != nil || !request.Inventory {
				wrong.add("inventory must be true, not %s: leave it out otherwise", quote(value))
			}
		case "plan":
			request.Plan = savedPlan(value, kind, &wrong)
		case "restore":
			request.Restore = restoredRun(value, kind, &wrong)
		case "manifest":
			request.Manifests = oneManifest(value, &wrong)
		default:
			wrong.add("there is no key %s: allowed are %s", text.Quote(name), requestKeys)
			continue
		}
		scopes = append(scopes, name)
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	switch {
	case request.Restore != "" && request.Mode != "":
		return nil, errors.New(`restore takes no mode: add "dryRun": true to see what it would restore`)
	case len(scopes) > 1:
		return nil, fmt.Errorf("a request has one scope, this one has %s", strings.Join(scopes, " and "))
	case len(scopes) == 0 && kind == Timer:
		request.Inventory = true
	case len(scopes) == 0:
		return nil, fmt.Errorf("the request has no scope: say exactly one of %s (\"inventory\": true looks at everything that the policy names)", scopeKeys)
	}
	return request, nil
}

func parseID(id string) (string, error) {
	if err := media.CheckID(id); err != nil {
		return "", fmt.Errorf("%s: %w", text.Quote(id), err)
	}
	return id, nil
}

func savedPlan(value json.RawMessage, kind Kind, wrong *problems) (reference string) {
	if json.Unmarshal(value, &reference) != nil || string(value) == "null" {
		wrong.add("plan must be a text, not %s", quote(value))
	} else if err := CheckPlan(reference); err != nil {
		wrong.add("%v", err)
	} else if kind == Timer && reference == LatestPlan {
		wrong.add("a timer must name its plan by ID: the latest one may be a plan that nobody has reviewed")
	}
	return reference
}

func oneManifest(value json.RawMessage, wrong *problems) []media.Object {
	name, err := text.OfJSON(value)
	if errors.Is(err, text.ErrNotText) {
		wrong.add("manifest must be a text, not %s", quote(value))
		return nil
	}
	object, parseErr := media.ParseObject(name)
	if err = cmp.Or(err, parseErr); err != nil {
		wrong.add("manifest: %v", err)
	}
	return []media.Object{object}
}

func restoredRun(value json.RawMessage, kind Kind, wrong *problems) string {
	run, err := text.OfJSON(value)
	switch {
	case err != nil || run == "":
		wrong.add("restore must be the ID of a run, not %s", quote(value))
	case kind == Timer:
		wrong.add("a timer cannot restore: it would do so again and again")
	case kind == HTTP:
		wrong.add("restore has a route of its own: POST /v1/runs/{run}/restore")
	}
	return run
}

// texts reads a list of texts that must hold something. It folds duplicates, which MaxBytes bounds,
// before it counts.
func texts[T comparable](value json.RawMessage, name string, wrong *problems, parse func(string) (T, error)) (items []T) {
	seen := map[T]bool{}
	read, bad := 0, 0
	err := text.Elements(value, func(element json.RawMessage) error {
		var item T
		written, err := text.OfJSON(element)
		if err == nil {
			item, err = parse(written)
		}
		switch {
		case err == nil && seen[item]:
		case len(items)+bad == MaxNames:
			return errTooMany
		case errors.Is(err, text.ErrNotText):
			bad++
			wrong.add("%s[%d] must be a text, not %s", name, read, quote(element))
		case err != nil:
			bad++
			wrong.add("%s[%d]: %v", name, read, err)
		default:
			seen[item] = true
			items = append(items, item)
		}
		read++
		return nil
	})
	switch {
	case errors.Is(err, errTooMany):
		wrong.add("%s has %v", name, err)
	case err != nil || read == 0:
		wrong.add("%s must be a list of at least one text, not %s", name, quote(value))
	}
	return items
}

// OfLibrary reports whether a request is for the inventory, a plan or a restore, and not for given media, objects or
// lists. A run of it that changes anything takes the lease.
func (r *Request) OfLibrary() bool { return r.Inventory || r.Plan != "" || r.Restore != "" }

// Digest names what a request asks for: two with the same digest ask for the same.
func (r *Request) Digest() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %q %t %q %t", r.Trigger, r.Mode, r.MediaIDs, r.Objects, r.Manifests, r.Removed,
		r.Plan, r.Anyway, r.Resume, r.Inventory))
	if r.Restore != "" {
		sum = sha256.Sum256(fmt.Appendf(sum[:], "%q %t %q", r.Restore, r.DryRun, r.Only))
	}
	return fmt.Sprintf("sha256:%x", sum)
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
