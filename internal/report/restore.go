package report

import (
	"fmt"

	"github.com/mediasweep/mediasweep/internal/policy"
)

// Restore is the result of a restore.
type Restore struct {
	// Of is the run or the plan whose media were restored.
	Of string `json:"of"`
	// DryRun is true if nothing was changed: Restored then counts what would be restored.
	DryRun   bool `json:"dryRun"`
	Restored int  `json:"restored"`
	Skipped  int  `json:"skipped"`
	Failed   int  `json:"failed"` // these are among the failures of the report
	// Media are the first that were restored, and the first that were skipped.
	Media []RestoredMedium `json:"media"`
	// Partly is true if the request named the media.
	Partly bool `json:"-"`
	// Records is the folder of the results of all media in the state store; empty for a dry run.
	Records string `json:"records"`
}

// RestoredMedium is the result for one medium.
type RestoredMedium struct {
	MediaID string      `json:"mediaId"` // when it was deleted
	NewID   string      `json:"newId,omitempty"`
	Object  string      `json:"object,omitempty"`
	Result  Restoration `json:"result"`
	Reason  string      `json:"reason,omitempty"`
}

// Restoration is the kind of the result for one medium.
type Restoration string

// The kinds.
const (
	Restored    Restoration = "restored"
	Skipped     Restoration = "skipped" // its object is gone or has a medium, or the run did not delete it
	NotRestored Restoration = "failed"
)

// AddRestored counts the result for one medium, and lists it while there is room.
func (r *Report) AddRestored(m RestoredMedium) {
	c := r.Restore
	count := 0
	switch m.Result {
	case Restored:
		c.Restored++
		count = c.Restored
	case Skipped:
		c.Skipped++
		count = c.Skipped
	case NotRestored:
		c.Failed++
		r.Fail(Failure{MediaID: m.MediaID, Object: m.Object, Message: m.Reason})
		return
	}
	if count <= MaxFailures {
		c.Media = append(c.Media, m)
	}
}

// MayHaveDeleted reports whether the run may have deleted media that a restore can bring back.
func (r *Report) MayHaveDeleted() bool {
	return r.Mode == policy.Enforce && r.Restore == nil && r.Plan != "" && r.Status != Blocked && r.Status != Busy
}

// restoreAgain says how a person restores what a dry run found.
func (r *Report) restoreAgain() string {
	if r.Restore.Partly {
		return "to restore these media: send the request again without dryRun, or run the command again without --dry-run"
	}
	return fmt.Sprintf("to restore these media: mediasweep restore %[1]s, POST /v1/runs/%[1]s/restore, or s invoke with {\"restore\":%[1]q}", r.Restore.Of)
}
