package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/notify"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/text"
)

// digests sends the digests of a deployment, and limits those about events and requests.
type digests struct {
	*notify.Notifier

	mu   sync.Mutex
	last time.Time // of a limited digest
	held int       // since the last digest
}

// between is the least time between two limited digests of a process.
const between = 10 * time.Minute

// admit reports whether a digest may be sent now, and returns the number of digests held back
// before it. It counts a digest that is not admitted.
func (d *digests) admit(now time.Time, limited bool) (held int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if limited {
		if !d.last.IsZero() && now.Sub(d.last).Abs() < between {
			d.held++
			return 0, false
		}
		d.last = now
	}
	held, d.held = d.held, 0
	return held, true
}

// lost counts the digests again that a message counted, and the message if it was limited: no target took it.
func (d *digests) lost(held int, limited bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held += held; limited {
		d.held++
	}
}

// sendDigest sends the digest of a finished run to chat, if the run matters. It changes nothing about
// the run. One result of a run is sent once: the claim is durable before the first send.
func (j *job) sendDigest(ctx context.Context, ofLibrary bool, r *report.Report) {
	if !j.digests.Enabled() || !notify.Matters(r, ofLibrary) {
		return
	}
	ctx, cancel := j.budget.Finish(ctx)
	defer cancel()
	claimed, err := j.claimDigest(ctx, r)
	switch {
	case err != nil:
		j.log.Warn("digest not recorded", "run", r.Run, "error", text.Bound(err.Error()))
	case !claimed:
		return
	}
	// Only this limit keeps a run without a record from sending a digest at each repetition.
	limited := !ofLibrary || err != nil
	held, ok := j.digests.admit(j.now(), limited)
	if !ok {
		j.log.Info("digest held back", "run", r.Run, "status", r.Status)
		return
	}
	arrived := false
	for _, err := range j.digests.Send(ctx, notify.Digest{Report: r, Held: held}, j.origin) {
		if arrived = arrived || err == nil; err != nil {
			j.log.Warn("digest not sent", "run", r.Run, "error", err.Error())
		}
	}
	if !arrived {
		j.digests.lost(held, limited)
	}
}

// claimTime bounds the record of a digest. The rest of the time is for the targets.
const claimTime = 2 * time.Second

// claimDigest records that the digest of a run is about to be sent. It returns false if it was before.
// Nothing is written about a refused request of a person, or into a bucket with versioning.
func (j *job) claimDigest(ctx context.Context, r *report.Report) (bool, error) {
	if j.broken != nil || r.Refused && !byPlatform(r) {
		return false, errors.New("no record of a refused request, or without a state store")
	}
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	if err := j.checkVersioning(ctx, j.store()); err != nil {
		return false, err
	}
	return runlog.ClaimDigest(ctx, j.store(), r.Run, r.Status)
}
