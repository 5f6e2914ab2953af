// Package handler is the function: it takes one trigger's payload, or one HTTP
// request, runs a sweep and answers with its report. It knows no runtime: the
// custom runtime, go1 and the command line hand it what they received.
package handler

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/logs"
	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// Options say where a function gets what it does not take from a call.
type Options struct {
	// Getenv reads the environment; os.Getenv by default. The variables are
	// listed in the README. Credentials are read at every call.
	Getenv func(string) string
	// Log receives one JSON object a line; os.Stderr by default.
	Log io.Writer
	// Policy is used instead of the file that MEDIASWEEP_POLICY names.
	Policy *policy.Policy
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// AsOf is the time for decisions on media; the time of the call by default.
	AsOf time.Time
	// Dial opens connections to the services; by default through the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Progress is told several times a second how far a run is, in place of the
	// log, which is told every few seconds.
	Progress func(sweep.Progress)
}

// Call is what the platform says about one call. A field that it does not tell
// is empty.
type Call struct {
	// RequestID names the run.
	RequestID string
	// The function's credentials, used where the environment has none that a service takes.
	AccessKeyID, AccessKeySecret, SecurityToken string
}

// Function is the retention function. It is safe for concurrent use.
type Function struct {
	getenv  func(string) string
	keyring *account.Keyring
	log     *slog.Logger
	policy  *policy.Policy
	now     func() time.Time
	asOf    time.Time // Options.AsOf
	dial    account.Dial
	account account.Account
	state   state.Location
	access  access
	library *mps.Client
	oss     *objects.Client
	events  *journal.EventBudget
	// requests are those under way.
	requests requests
	marks    *journal.Tombstones
	surveys  chan struct{} // held by the one that is under way
	routes   *http.ServeMux
	checked  atomic.Bool // that nothing is overwritten in the state store
	// progress is Options.Progress.
	progress func(sweep.Progress)
	// broken is why no call can be served.
	broken error
}

// New wires a function from its environment. It makes no call. A function that
// cannot be wired (a policy with mistakes, say) answers every call with the
// reason, since the caller's answer is where an operator looks.
func New(o Options) *Function {
	f := &Function{getenv: o.Getenv, policy: o.Policy, now: o.Now, asOf: o.AsOf, dial: o.Dial, marks: journal.NewTombstones(), events: journal.NewEventBudget(), surveys: make(chan struct{}, 1), progress: o.Progress}
	if f.getenv == nil {
		f.getenv = os.Getenv
	}
	f.keyring = account.NewKeyring(f.getenv)
	if f.now == nil {
		f.now = time.Now
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	f.log = logs.New(o.Log)
	f.routes = f.newRoutes()
	f.broken = errors.Join(account.CheckEnvironment(f.getenv), f.wire())
	return f
}

func (f *Function) wire() (err error) {
	if f.access, err = readAccess(f.getenv); err != nil {
		return err
	}
	if f.policy == nil {
		if f.policy, err = readPolicy(f.getenv); err != nil {
			return err
		}
	}
	if f.account, err = account.FromEnvironment(f.getenv); err != nil {
		return err
	}
	f.account.Dial = f.dial
	if f.state, err = state.ParseLocation(f.getenv("MEDIASWEEP_STATE"), f.getenv); err != nil {
		return fmt.Errorf("MEDIASWEEP_STATE: %w", err)
	}
	if err = f.keepApart(); err != nil {
		return err
	}
	if f.library, err = mps.New(f.account, f.policy.Pace.Share); err != nil {
		return err
	}
	f.oss = objects.New(f.account)
	return nil
}

// keepApart refuses a state prefix that overlaps with the inventory or with manifests:
// records would be read as media or lists, or the reverse.
func (f *Function) keepApart() error {
	if !f.state.InOSS() {
		return nil
	}
	state := f.state.Prefix
	for _, prefix := range f.policy.Inventory.Prefixes {
		if prefix.Covers(state) {
			return fmt.Errorf("MEDIASWEEP_STATE lies below the inventory's %s: state would be taken for media", prefix)
		}
		if state.Covers(prefix) {
			return fmt.Errorf("the inventory's %s lies below MEDIASWEEP_STATE: media would be taken for state", prefix)
		}
	}
	for _, manifest := range f.policy.Inventory.Manifests {
		if state.Covers(manifest) {
			return fmt.Errorf("the inventory's %s lies below MEDIASWEEP_STATE: state would be taken for a list of media", manifest)
		}
	}
	for _, glob := range f.policy.Manifests {
		if glob.Meets(state) {
			return fmt.Errorf("MEDIASWEEP_STATE and the policy's manifests %s have objects in common: state would be taken for lists of media", glob)
		}
	}
	return nil
}

// readPolicy reads the policy of MEDIASWEEP_POLICY, else of PolicyFile.
func readPolicy(getenv func(string) string) (*policy.Policy, error) {
	name := getenv("MEDIASWEEP_POLICY")
	if name != "" {
		p, err := ReadPolicy(name)
		var mistakes policy.Errors
		if err != nil && !errors.As(err, &mistakes) {
			err = fmt.Errorf("read the policy of MEDIASWEEP_POLICY: %w", account.WithoutPath(err))
		}
		return p, err
	}
	return ReadPolicy(PolicyFile())
}

// PolicyFile returns the name of retention.yaml in the working folder, or beside the
// program if only that one exists.
func PolicyFile() string {
	const name = "retention.yaml"
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		program, err := os.Executable()
		beside := filepath.Join(filepath.Dir(program), name)
		if _, missing := os.Stat(beside); err == nil && !errors.Is(missing, os.ErrNotExist) {
			return beside
		}
	}
	return name
}

// ReadPolicy reads the policy in a file; see policy.Parse.
func ReadPolicy(name string) (*policy.Policy, error) {
	data, err := PolicyText(name)
	if err != nil {
		return nil, err
	}
	return policy.Parse(name, data)
}

// PolicyText returns what a policy file has. One that is too large is a mistake, as
// policy.Parse returns it.
func PolicyText(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	if info.Mode().IsRegular() && info.Size() > policy.MaxBytes {
		return nil, policy.TooLarge(name, info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(file, policy.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return data, nil
}

// Invoke answers one event call. The body is the answer in every case: a report,
// or for a go1 HTTP event its response. The error says that the run failed, and
// carries nothing that the body lacks.
//
// The context's deadline is the platform's; Invoke answers before it.
func (f *Function) Invoke(ctx context.Context, call Call, payload []byte) (json.RawMessage, error) {
	event, err := trigger.Parse(payload)
	switch {
	case err != nil:
		return f.refuseCall(call, trigger.Invoke, err)
	case event.HTTP != nil:
		return f.serveHTTPCall(ctx, call, event.HTTP)
	case f.access.anonymous:
		return f.refuseCall(call, event.Request.Trigger, errors.New("MEDIASWEEP_HTTP_AUTH=anonymous switches event calls off: "+
			"a function whose HTTP trigger lets anybody in takes requests with a token only"))
	}
	return answer(f.Sweep(ctx, call, event.Request))
}

// refuseCall answers a call that asks for nothing that can be done.
func (f *Function) refuseCall(call Call, kind trigger.Kind, err error) (json.RawMessage, error) {
	return answer(f.refused(f.newReport(call, kind), err))
}

func answer(r *report.Report) (json.RawMessage, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	if r.Status == report.Failed {
		return body, errors.New(r.Error)
	}
	return body, nil
}

// Sweep runs one request and reports on it. A mistake of this program fails the run, and
// does not end the process.
func (f *Function) Sweep(ctx context.Context, call Call, request *trigger.Request) (r *report.Report) {
	if err := task.Run(func() { r = f.sweep(ctx, call, request) }); err != nil {
		return f.ended(f.newReport(call, request.Trigger), report.Failed, err)
	}
	return r
}

func (f *Function) sweep(ctx context.Context, call Call, request *trigger.Request) *report.Report {
	budget := deadline.New(ctx)
	r := f.newReport(call, request.Trigger)
	r.Asked = request.Digest()
	if err := f.admit(call, request, r); err != nil {
		return f.refused(r, err)
	}
	if request.Trigger == trigger.OSS {
		if request = f.sorted(request, r); len(request.Objects)+len(request.Manifests) == 0 {
			r.Finish(report.Done, f.now())
			f.logFinished(r)
			return r
		}
	}
	work, cancel := budget.Work(ctx)
	defer cancel()
	leave, err := f.requests.enter(work, call.RequestID)
	if err != nil {
		return f.ended(r, report.Busy, err)
	}
	defer leave()
	switch earlier, err := f.prepare(work, call, request, r); {
	case IsRefusal(err):
		return f.refused(r, err)
	case err != nil:
		return f.ended(r, report.Failed, err)
	case earlier != nil:
		return earlier
	}
	switch {
	case request.Inventory:
		lease, err := state.Acquire(work, f.store(call), state.InventoryLease, r.Run)
		switch {
		case errors.Is(err, state.ErrBusy):
			return f.ended(r, report.Busy, err)
		case err != nil:
			return f.ended(r, report.Failed, err)
		}
		defer f.release(ctx, lease, budget)
		f.sweepInventory(lease.Hold(ctx), budget, call, request, r)
	default:
		f.run(ctx, budget, call, request, r)
	}
	f.keep(ctx, budget, call, r)
	f.logFinished(r)
	return r
}

// admit says why a request cannot be carried out, whatever the services say, and
// settles its mode.
func (f *Function) admit(call Call, request *trigger.Request, r *report.Report) error {
	if f.broken != nil {
		return f.broken
	}
	mode, err := request.EffectiveMode(f.policy.Mode)
	if err != nil {
		return err
	}
	r.Mode = mode
	if request.Trigger == trigger.HTTP {
		if err := f.mayRead(request.Manifests); err != nil {
			return err
		}
	}
	if r.Mode == policy.Enforce && f.account.InFC && !f.state.InOSS() {
		return errors.New("enforce needs state that outlives the instance, and a folder goes with it: set MEDIASWEEP_STATE to oss://bucket/prefix/")
	}
	if request.Inventory && f.policy.Inventory.IsEmpty() {
		return errors.New("the policy has no inventory to look at")
	}
	_, err = f.credentials(call).Current()
	return err
}

// mayRead refuses manifests that the policy does not name. Messages about a manifest quote it, and
// an HTTP caller must not read with the function's permissions what only the function may read.
func (f *Function) mayRead(manifests []media.Object) error {
	for _, object := range manifests {
		if !f.policy.IsManifest(object) && !slices.Contains(f.policy.Inventory.Manifests, object) {
			return fmt.Errorf("manifest %s: over HTTP a request may name only what `manifests` or `inventory` of the policy names", text.Quote(object.String()))
		}
	}
	return nil
}

// sweepInventory sweeps the inventory, which the context's lease allows. A scheduled
// run finishes first what earlier ones were cut off from: a call that did so has not
// failed, whatever comes of its sweep.
func (f *Function) sweepInventory(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request, r *report.Report) {
	finished := 0
	if request.Trigger == trigger.Timer && r.Mode == policy.Enforce {
		var err error
		if finished, err = f.finishOpen(ctx, budget, call); err != nil {
			r.Error = err.Error()
			r.Finish(report.Incomplete, f.now())
			return
		}
	}
	f.run(ctx, budget, call, request, r)
	if finished > 0 && r.Status == report.Failed {
		r.Error = fmt.Sprintf("plans that were cut off are finished, and the sweep that followed failed: %s", r.Error)
		r.Finish(report.Incomplete, f.now())
	}
}

// ended finishes the report of a run that did not come to looking at anything.
func (f *Function) ended(r *report.Report, status report.Status, err error) *report.Report {
	r.Error = err.Error()
	r.Finish(status, f.now())
	f.logFinished(r)
	return r
}

func (f *Function) release(ctx context.Context, lease *state.Lease, budget deadline.Budget) {
	ctx, cancel := budget.Record(ctx)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		f.log.Warn("the next run has to wait for the lease to end", "error", err.Error())
	}
}

// run carries out a request. Events share their calls with others that come at the same time.
func (f *Function) run(ctx context.Context, budget deadline.Budget, call Call, request *trigger.Request, r *report.Report) {
	library := f.library.Session(f.credentials(call))
	if request.Trigger == trigger.OSS {
		library = f.library.Sharing(f.credentials(call))
	}
	f.sweepOf(call, r, library).Run(ctx, budget, request, r)
	r.Calls = callsOf(library)
}

// sweepOf wires what a run works with.
func (f *Function) sweepOf(call Call, r *report.Report, library *mps.Session) *sweep.Sweep {
	s := &sweep.Sweep{Policy: f.policy, Region: f.account.Region, Library: library, Objects: f.oss.Session(f.credentials(call)), Store: f.store(call), Tombstones: f.marks, Events: f.events, Now: f.now,
		Log: f.log.With("run", r.Run), Progress: f.progress, Every: 200 * time.Millisecond}
	if s.Progress == nil {
		s.Progress, s.Every = func(p sweep.Progress) {
			if !p.Over {
				s.Log.Info("progress", "deleting", p.Deleting, "done", p.Done, "of", p.Total)
			}
		}, 5*time.Second
	}
	return s
}

// store returns the state store as a call may use it.
func (f *Function) store(call Call) state.Store {
	if f.state.InOSS() {
		return state.Bucket{OSS: f.oss.Session(f.credentials(call)), Prefix: f.state.Prefix}
	}
	return state.Folder(f.state.Folder)
}

// credentials returns where a call's credentials come from.
func (f *Function) credentials(call Call) *account.Provider {
	return f.keyring.Or(account.Credentials{
		AccessKeyID: call.AccessKeyID, AccessKeySecret: call.AccessKeySecret, SecurityToken: call.SecurityToken,
	})
}

func callsOf(library *mps.Session) report.Calls {
	return report.Calls{
		DeleteMedia: library.Calls(mps.DeleteMedia), QueryMediaList: library.Calls(mps.QueryMediaList),
		QueryMediaListByURL: library.Calls(mps.QueryMediaListByURL), Throttled: library.Throttled(), Retried: library.Retried(),
		ListExecutions: library.Calls(mps.ListExecutions),
	}
}

// sorted tells the objects of an OSS event apart: media, manifests, and those that are
// this program's own records, which are dropped: an event for one must not lead to
// another record, and so to another event. It notes what is dropped, and was.
func (f *Function) sorted(request *trigger.Request, r *report.Report) *trigger.Request {
	own := *request
	own.Objects, own.Manifests, own.Removed = nil, nil, nil
	removed := make(map[media.Object]bool, len(request.Removed))
	for _, object := range request.Removed {
		removed[object] = true
	}
	for _, object := range request.Objects {
		switch {
		case f.state.InOSS() && f.state.Prefix.Covers(object):
			own.Ignored = append(own.Ignored, fmt.Sprintf("%s is a record of this program's", text.Quote(object.String())))
		case !f.policy.IsManifest(object):
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
		f.log.Info("event record ignored", "run", r.Run, "reason", reason)
		r.Notes = append(r.Notes, "ignored: "+reason)
	}
	return &own
}

func (f *Function) newReport(call Call, kind trigger.Kind) *report.Report {
	r := report.New(cmp.Or(call.RequestID, newRunID()), kind, f.policy, f.now())
	r.AsOf = f.judgedAt()
	return r
}

// newRunID makes an ID for a run that the platform has not named.
func newRunID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func (f *Function) refused(r *report.Report, err error) *report.Report {
	f.logFinished(refuse(r, err, f.now()))
	return r
}

// refuse finishes the report of what was not begun.
func refuse(r *report.Report, err error, now time.Time) *report.Report {
	r.Error, r.Refused = err.Error(), true
	r.Finish(report.Failed, now)
	return r
}

// logFinished writes the line that alarms watch.
func (f *Function) logFinished(r *report.Report) {
	var level slog.Level
	switch r.Status {
	case report.Done:
		level = slog.LevelInfo
	case report.Partial, report.Incomplete, report.Busy:
		level = slog.LevelWarn
	case report.Blocked, report.Failed:
		level = slog.LevelError
	}
	f.log.Log(context.Background(), level, "run finished", "run", r.Run, "trigger", r.Trigger, "mode", r.Mode, "status", r.Status,
		"plan", r.Plan, "counts", r.Counts, "calls", r.Calls, "guard", r.Guard.Reason, "error", r.Error,
		"seconds", r.FinishedAt.Sub(r.StartedAt).Seconds())
}
