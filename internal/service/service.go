// Package service has the use cases of one deployment: sweep, restore, explain, forecast, diff,
// and the lists of runs and plans. New wires it from the environment. It alone saves the reports of
// runs, logs "run finished" and sends digests.
package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/eventbudget"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/purge"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/runlog"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Options configure a service. All fields are optional.
type Options struct {
	// Getenv reads the environment; os.Getenv by default. docs/deploy.md lists the variables.
	// Credentials are read at every call.
	Getenv func(string) string
	// Log receives one JSON object a line; os.Stderr by default.
	Log io.Writer
	// Credentials are asked for where neither the environment nor the call has any; by default
	// there are none. It is for use outside Function Compute.
	Credentials account.Source
	// Policy replaces the file or object that MEDIASWEEP_POLICY names.
	Policy *policy.Policy
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// AsOf is the time for decisions on media; the time of the call by default.
	AsOf time.Time
	// Dial opens connections to the services; by default through the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Libraries has the clients that this deployment shares with others of the process; its own
	// by default.
	Libraries *mps.Clients
	// Progress receives the progress of a run several times a second. By default the log
	// receives it every few seconds.
	Progress func(sweep.Progress)
	// Broken is the reason why the caller cannot serve. Every request is refused with it.
	Broken error
}

// Call holds the platform's request ID and credentials for one call, and who calls. Fields may be empty.
type Call struct {
	// RequestID names the run.
	RequestID string
	// Caller says who calls, as far as that is known: at most text.MaxValue printable characters.
	// It is for people, and allows nothing.
	Caller string
	// Credentials of the function are used where the environment has none that a service takes.
	Credentials account.Credentials
}

// Service is one deployment. It is safe for concurrent use.
type Service struct {
	*deployment
	shared
	now      func() time.Time
	fixed    time.Time // Options.AsOf
	log      *slog.Logger
	progress sweep.Display
}

// shared has what the runs of a process share.
type shared struct {
	marks    journal.Marks
	events   *eventbudget.Budget
	claims   purge.Claims
	requests requests
	surveys  *semaphore.Weighted // held by a survey of the inventory
	// versioningChecked is true once the state bucket was asked for its versioning.
	versioningChecked atomic.Bool
	// logBegun is true once the state store is known to have a log of runs.
	logBegun atomic.Bool
	// lookedOn is the day, counted from 1970, on which a run recorded its look for unfinished plans.
	lookedOn atomic.Int64
	// savedPolicy is the digest of the policy whose text was saved last, or nil.
	savedPolicy atomic.Value
}

// New wires a service from its environment. It makes no call. A service that cannot be wired
// refuses requests with the reason. Records are read without a policy.
func New(o Options) *Service {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.Credentials == nil {
		o.Credentials = account.NoSource{}
	}
	s := &Service{
		deployment: newDeployment(o), now: o.Now, fixed: o.AsOf, log: logs.New(o.Log),
		shared: shared{marks: journal.NewMarks(), events: eventbudget.New(), surveys: semaphore.NewWeighted(1)},
	}
	s.progress = sweep.Display{Progress: o.Progress, Every: 200 * time.Millisecond}
	if o.Progress == nil {
		s.progress = sweep.Display{Progress: s.logProgress, Every: 5 * time.Second}
	}
	return s
}

// Broken returns the reason why the service refuses every run, or nil.
func (s *Service) Broken(ctx context.Context) error {
	p, err := s.policies.ofFile(ctx)
	if err == nil && p != nil && s.broken == nil {
		err = s.checkPlace(p)
	}
	return errors.Join(err, s.broken)
}

// Log returns the log of the deployment.
func (s *Service) Log() *slog.Logger { return s.log }

// asOf returns the time for decisions on media.
func (s *Service) asOf() time.Time {
	at := s.fixed
	if at.IsZero() {
		at = s.now()
	}
	return at.UTC().Truncate(time.Second)
}

func (s *Service) logProgress(p sweep.Progress) {
	if !p.Over {
		s.log.Info("progress", "run", p.Run, "deleting", p.Deleting, "restoring", p.Restoring, "done", p.Done, "of", p.Total)
	}
}

// refusedError rejects a request that cannot be carried out. Nothing was tried.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// OutOfTime says what to do about a request to which the state store gave no answer in time.
const OutOfTime = "time limit reached before the state store answered: ask again, or raise the function's timeout"

// IsRefusal reports whether an error rejects the request itself.
func IsRefusal(err error) bool {
	_, refused := errors.AsType[refusedError](err)
	_, ambiguous := errors.AsType[*runlog.AmbiguousError](err)
	return refused || ambiguous || errors.Is(err, plan.ErrOtherRegion)
}

// Refuse reports a request that cannot be carried out, and logs it as a finished run.
func (s *Service) Refuse(ctx context.Context, call Call, kind trigger.Kind, err error) *report.Report {
	p, _ := s.policies.ofFile(ctx) // the request is refused, with or without a policy
	j := s.newJob(ctx, call, &trigger.Request{Trigger: kind})
	j.report = s.newReport(call, kind, p)
	j.stopRun(ctx, refusedError{err})
	j.sendDigest(ctx, kind == trigger.Timer, j.report) // nobody reads the answer to a timer
	return j.report
}

// newReport starts the report of a call under a policy, which may be nil.
func (s *Service) newReport(call Call, kind trigger.Kind, p *policy.Policy) *report.Report {
	r := report.New(cmp.Or(call.RequestID, newRunID()), kind, p, s.now())
	r.AsOf = s.asOf()
	return r
}

func newRunID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// logFinished logs the line that alarms watch.
func (s *Service) logFinished(r *report.Report) {
	var level slog.Level
	switch r.Status {
	case report.Done:
		level = slog.LevelInfo
	case report.Partial, report.Incomplete, report.Busy:
		level = slog.LevelWarn
	case report.Blocked, report.Failed:
		level = slog.LevelError
	}
	log := s.log
	if r.Restore != nil {
		log = log.With("restoreOf", r.Restore.Of, "restored", r.Restore.Restored)
	}
	log.Log(context.Background(), level, "run finished", "run", r.Run, "trigger", r.Trigger, "mode", r.Mode, "status", r.Status,
		"plan", r.Plan, "counts", r.Counts, "calls", r.Calls, "guard", r.Guard.Reason, "overridden", r.Guard.Overridden, "error", r.Error,
		"seconds", r.FinishedAt.Sub(r.StartedAt).Seconds())
}
