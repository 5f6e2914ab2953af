package trigger

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mediasweep/mediasweep/internal/text"
)

// HoldRequest asks for a hold, in the words of a person.
type HoldRequest struct {
	// Target is a media ID, oss://bucket/key, or a glob over objects.
	Target string
	// Media are media IDs instead of a target.
	Media []string
	// Until is a day such as 2027-01-31, or forever: the default.
	Until  string
	Reason string
}

const holdKeys = "target, until, reason"

// ParseHold reads the JSON of a request for a hold.
func ParseHold(data []byte) (HoldRequest, error) {
	request := HoldRequest{Until: "forever"}
	keys, err := document(data)
	if err != nil {
		return request, fmt.Errorf("hold: %w: the keys are %s", err, holdKeys)
	}
	var wrong problems
	into := map[string]*string{"target": &request.Target, "until": &request.Until, "reason": &request.Reason}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		value, ok := into[name]
		if !ok {
			wrong.add("hold: there is no key %s: allowed are %s", text.Quote(name), holdKeys)
			continue
		}
		switch *value, err = text.OfJSON(keys[name]); {
		case errors.Is(err, text.ErrNotText):
			wrong.add("hold: %s must be a text, not %s", name, quote(keys[name]))
		case err != nil:
			wrong.add("hold: %s: %v", name, err)
		}
	}
	return request, wrong.err()
}
