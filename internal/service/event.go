package service

import (
	"fmt"

	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// splitEvent splits the objects of an OSS event into media and manifests. It drops the policy, and
// records of the state store: an event for one must not write another.
func (j *job) splitEvent() *trigger.Request {
	request, r := j.request, j.report
	own := *request
	own.Objects, own.Manifests, own.Removed = nil, nil, nil
	removed := make(map[media.Object]bool, len(request.Removed))
	for _, object := range request.Removed {
		removed[object] = true
	}
	for _, object := range request.Objects {
		switch {
		case j.state.Covers(object):
			own.Ignored = append(own.Ignored, fmt.Sprintf("%s is a record of this program's", text.Quote(object.String())))
		case object == j.policies.object:
			own.Ignored = append(own.Ignored, fmt.Sprintf("%s is the policy", text.Quote(object.String())))
		case !j.policy.IsManifest(object):
			own.Objects = append(own.Objects, object)
			if removed[object] {
				own.Removed = append(own.Removed, object)
			}
		case removed[object]:
			own.Ignored = append(own.Ignored, fmt.Sprintf("%s is a manifest, and was deleted", text.Quote(object.String())))
		case manifest.NoList(object.Key) != "":
			own.Ignored = append(own.Ignored, fmt.Sprintf("%s is no list: it is %s", text.Quote(object.String()), manifest.NoList(object.Key)))
		default:
			own.Manifests = append(own.Manifests, object)
		}
	}
	for _, reason := range text.First(own.Ignored, "records") {
		reason = text.Bound(reason)
		j.log.Info("event record ignored", "run", r.Run, "reason", reason)
		r.Note("ignored: %s", reason)
	}
	return &own
}
