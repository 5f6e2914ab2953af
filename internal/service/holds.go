package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Hold places a hold. It binds every batch that is sent a moment later.
func (s *Service) Hold(ctx context.Context, call Call, request trigger.HoldRequest) (hold retention.Hold, err error) {
	p, err := s.Policy(ctx, call)
	if err != nil {
		return hold, err
	}
	now := s.now().UTC()
	until, err := retention.HoldEnd(request.Until, p.Timezone, now)
	if err != nil {
		return hold, refusedError{err}
	}
	if len(text.Secrets(request.Reason)) > 0 {
		return hold, refusedError{errors.New("the reason has what looks like a credential: leave it out, because everybody who sees holds would see it")}
	}
	hold = retention.Hold{Target: request.Target, Media: request.Media, Until: until, Reason: request.Reason, By: callerOf(call), At: now.Truncate(time.Second)}
	if err := hold.Check(); err != nil {
		return hold, refusedError{err}
	}
	store, err := s.holdStore(ctx, call)
	if err != nil {
		return hold, err
	}
	if hold, err = s.marks.Place(ctx, store, hold); err == nil {
		s.log.Info("hold placed", "hold", hold.ID, "target", hold.On(), "until", hold.Ends(), "by", hold.By)
	}
	return hold, err
}

// HoldNotes returns notes on the target of a hold in force, which may be misspelled, and on the records that Holds skips.
func (s *Service) HoldNotes(ctx context.Context, call Call, hold retention.Hold) (notes []string) {
	if p, err := s.Policy(ctx, call); err == nil && len(hold.Media) == 0 {
		notes = s.noteTarget(ctx, call, p, hold.Target)
	}
	return append(notes, s.marks.Skipped()...)
}

// mediaID is the form of the IDs that MPS gives.
var mediaID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (s *Service) noteTarget(ctx context.Context, call Call, p *policy.Policy, target string) (notes []string) {
	id, glob, _ := retention.ParseTarget(target)
	switch {
	case id != "" && !mediaID.MatchString(id):
		notes = append(notes, "MPS gives media IDs of 32 digits 0-9 and a-f, and "+text.Quote(id)+" is none: check its spelling")
	case id == "" && strings.ContainsAny(target, "?[{"):
		notes = append(notes, "only * and ** stand for other characters: ?, [ and { stand for themselves")
	}
	switch {
	case id == "" && !p.Inventory.IsEmpty() && !p.Inventory.Reaches(glob):
		notes = append(notes, "no object of the policy's inventory can match "+target+": check its spelling")
	case len(notes) == 0 && s.lacks(ctx, call, p, id, glob):
		notes = append(notes, "MPS has no medium "+target+": check its spelling, unless it is yet to be added")
	}
	return notes
}

// lackTime bounds the look-up of the target of a hold.
const lackTime = 3 * time.Second

// lacks reports whether MPS does not have the one medium that a target names. It returns false for other targets, and if
// MPS cannot be asked.
func (s *Service) lacks(ctx context.Context, call Call, p *policy.Policy, id string, glob policy.Glob) bool {
	request := &trigger.Request{Trigger: trigger.CLI}
	object, isOne := glob.Literal()
	switch {
	case id != "":
		request.MediaIDs = []string{id}
	case isOne:
		request.Objects = []media.Object{object}
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lackTime)
	defer cancel()
	found := false
	r := s.newJob(ctx, call, request).survey(ctx, request, p, func(media.Medium) { found = true })
	return !found && r.Status == report.Done
}

// Holds returns the holds in force, oldest first, and the records that it skipped.
func (s *Service) Holds(ctx context.Context, call Call) (list []retention.Hold, skipped []string, err error) {
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, nil, err
	}
	if err := s.marks.Holds.Refresh(ctx, store); err != nil {
		return nil, nil, err
	}
	list = append([]retention.Hold{}, s.marks.Latest().All()...) // not nil: JSON has [] for none
	return slices.DeleteFunc(list, func(h retention.Hold) bool { return !h.Lasts(s.now()) }), s.marks.Skipped(), nil
}

// Release ends a hold, or returns state.ErrNotFound if it is not in force. Its ID may start with "hold:".
func (s *Service) Release(ctx context.Context, call Call, id string) (retention.Hold, error) {
	store, err := s.holdStore(ctx, call)
	if err != nil {
		return retention.Hold{}, err
	}
	hold, err := s.marks.Release(ctx, store, strings.TrimPrefix(id, retention.HoldKind+":"), callerOf(call), s.now().Truncate(time.Second))
	if err == nil {
		s.log.Info("hold released", "hold", hold.ID, "target", hold.On(), "by", callerOf(call))
	}
	return hold, err
}

func callerOf(call Call) string { return text.Name(cmp.Or(call.Caller, "an unknown caller")) }

// holdStore returns the state store if records outlive the instance there, and cannot be overwritten. It refuses what a run
// would be refused for: the environment may name another store than the operator means.
func (s *Service) holdStore(ctx context.Context, call Call) (state.Store, error) {
	if s.broken != nil {
		return nil, refusedError{s.Broken(ctx)}
	}
	if s.account.InFC && !s.state.InOSS() {
		return nil, refusedError{fmt.Errorf("a hold: %w", errFleeting)}
	}
	store, err := s.records(ctx, call)
	if err != nil {
		return nil, err
	}
	return store, s.checkVersioning(ctx, store)
}
