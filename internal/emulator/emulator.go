// Package emulator serves ApsaraVideo Media Processing (MPS) and Object Storage
// Service (OSS) on one loopback listener. The official SDKs for Go and Node accept it as
// the cloud. The tests of mediasweep and the commands demo and emulate use it.
//
// The path "/" is MPS, an RPC service (version 2014-06-18) whose parameters come
// from query and form, signed with RPC signature 1.0 or with ACS3; "/{bucket}/{key}",
// or "/{key}" at a Host that names the bucket, is OSS with signatures V1 and V4 in
// headers or query; "/_robots/" is the robots of five chats; "/_emulator/" is a
// read-only view of the emulator itself, as JSON.
//
// Where the cloud's behaviour is not documented, [MPSOptions] offers each
// plausible one, and a client has to be right under all of them. A [Fault] makes
// chosen calls fail the way networks and gateways do. [Emulator.Calls] is the
// record of what was asked, and [Emulator.Violations] lists what no correct
// client ever does.
package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// DefaultRegion is the region of an emulator whose Config names none.
const DefaultRegion = "cn-shanghai"

// Config says what an emulator serves. Its zero value is a documented cloud
// with an empty library, on a free port.
type Config struct {
	// Addr is a loopback IP address with a port; port 0 picks a free one. The
	// default is 127.0.0.1:0. Any other address is refused, because the
	// credentials are public.
	Addr string
	// Listener, if set, is served in place of Addr: connections that no network
	// carries.
	Listener net.Listener
	// Media is the number of media in the seeded library; see [Config.AsOf].
	Media int
	// MadeUp is a library beside the seeded one that takes no memory. The record of calls then names
	// no media.
	MadeUp MadeUp
	// Seed varies the seeded library, and every ID that the emulator makes.
	Seed uint64
	// Now is the servers' clock: signatures, quotas and deletions are timed by
	// it. It is called from many goroutines. The default is time.Now.
	Now func() time.Time
	// AsOf is the library's date, if it differs from the servers'. The seeded media were created in the
	// 400 days before it. The 90 days of workflow executions end with it. Media added by a call are created
	// at it. A test with a fixed date sets it, and leaves Now to the clock by which the SDKs sign.
	AsOf time.Time
	// Region is where library and buckets are; the default is [DefaultRegion].
	Region string
	// MPS chooses among behaviours that the documentation leaves open.
	MPS MPSOptions
	// OSS chooses among the behaviours of OSS.
	OSS OSSOptions
	// Faults are injected from the start; see [Emulator.Inject].
	Faults []Fault
	// Permissions limit the credentials; nil for everything.
	Permissions *RAMPolicy
}

// Call is the record of one request to MPS or OSS.
type Call struct {
	Time      time.Time // of arrival
	Operation string    // such as DeleteMedia or PutObject
	MediaIDs  []string  `json:",omitempty"` // MPS: MediaIds or MediaId as sent, split at commas
	URLs      []string  `json:",omitempty"` // MPS: FileURLs or FileURL as sent, split at commas
	Bucket    string    `json:",omitempty"` // OSS
	Key       string    `json:",omitempty"` // OSS: the object's key, or the prefix of a listing
	Bytes     int64     `json:",omitempty"` // OSS: the bodies of request and answer
	// Status is the HTTP status of the service's answer, whether or not a fault
	// kept it from the client; 0 means that the service never saw the call, or
	// has not answered yet.
	Status int
	Code   string    `json:",omitempty"` // error code of the answer
	Fault  FaultKind `json:",omitempty"` // what was injected
}

// Emulator is a running emulator. Its methods may be called at any time from
// any goroutine.
type Emulator struct {
	region string
	now    func() time.Time
	asOf   time.Time
	ram    *RAMPolicy // nil allows everything

	url    string
	server *http.Server
	served chan error
	hangs  chan struct{}

	mu         sync.Mutex // guards what follows
	options    MPSOptions
	omit       bool // for the call that is executed; see Omit
	random     *rand.Rand
	library    library
	store      store
	ossOptions OSSOptions
	access     access
	quotas     map[string]*window
	faults     []*faultState
	calls      []*Call
	violations []string
	digests    []Digest
}

// Start serves an emulator until it is closed.
func Start(cfg Config) (*Emulator, error) {
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	cfg.Region = cmp.Or(cfg.Region, DefaultRegion)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("emulator address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("emulator address %q: only a loopback IP address is allowed", cfg.Addr)
	}
	if cfg.Media < 0 || cfg.MadeUp.Objects < 0 {
		return nil, fmt.Errorf("emulator: %d media", min(cfg.Media, cfg.MadeUp.Objects))
	}
	if err := cfg.MPS.validate(); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	for _, f := range cfg.Faults {
		if err := f.validate(); err != nil {
			return nil, fmt.Errorf("emulator: fault %s: %w", f, err)
		}
	}
	e := &Emulator{
		region:     cfg.Region,
		now:        cfg.Now,
		asOf:       cfg.AsOf,
		ram:        cfg.Permissions,
		served:     make(chan error, 1),
		hangs:      make(chan struct{}),
		options:    cfg.MPS,
		ossOptions: cfg.OSS,
		random:     rand.New(rand.NewPCG(cfg.Seed, 1)),
		library:    newLibrary(),
		store:      store{},
		access:     newAccess(),
		quotas:     map[string]*window{},
	}
	e.Inject(cfg.Faults...)
	e.seed(cfg.Media, rand.New(rand.NewPCG(cfg.Seed, 0)))
	if cfg.MadeUp.Objects > 0 {
		e.makeUp(cfg.MadeUp)
	}

	listener := cfg.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", cfg.Addr); err != nil {
			return nil, fmt.Errorf("emulator: %w", err)
		}
	}
	e.url = "http://" + listener.Addr().String()
	e.server = &http.Server{Handler: http.HandlerFunc(e.route), ReadHeaderTimeout: 10 * time.Second}
	go func() { e.served <- e.server.Serve(listener) }()
	return e, nil
}

// Close stops the emulator and ends the calls that are under way.
func (e *Emulator) Close() error {
	err := e.server.Close()
	if served := <-e.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	e.served <- http.ErrServerClosed // a second Close finds the same
	return err
}

// URL is the address of both services, such as http://127.0.0.1:4711.
func (e *Emulator) URL() string { return e.url }

// Env is the environment in which mediasweep finds the emulator: credentials,
// region and endpoints.
func (e *Emulator) Env() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.access.current
	return map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     c.id,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": c.secret,
		"ALIBABA_CLOUD_SECURITY_TOKEN":    c.token,
		"MEDIASWEEP_REGION":               e.region,
		"MEDIASWEEP_MPS_ENDPOINT":         e.url,
		"MEDIASWEEP_OSS_ENDPOINT":         e.url,
	}
}

// SetMPS changes the behaviour of MPS from the next call on.
func (e *Emulator) SetMPS(o MPSOptions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.options = o
}

// SetOSS changes the behaviour of OSS from the next call on.
func (e *Emulator) SetOSS(o OSSOptions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ossOptions = o
}

// Calls is the record of all requests in the order of their arrival.
func (e *Emulator) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := make([]Call, len(e.calls))
	for i, c := range e.calls {
		calls[i] = *c
	}
	return calls
}

// Count is the number of requests for each operation.
func (e *Emulator) Count() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	count := map[string]int{}
	for _, c := range e.calls {
		count[c.Operation]++
	}
	return count
}

// Violations lists, in words, everything that no correct client does: malformed
// calls, more calls than the quota, unsigned requests, and changes to an object
// that is the source of a medium.
func (e *Emulator) Violations() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.violations)
}

// violation records what a client did; e.mu is held.
func (e *Emulator) violation(format string, args ...any) {
	e.violations = append(e.violations, fmt.Sprintf(format, args...))
}

func (e *Emulator) today() time.Time {
	if e.asOf.IsZero() {
		return e.now().UTC()
	}
	return e.asOf.UTC()
}

// newID is 32 digits of upper-case hex; e.mu is held.
func (e *Emulator) newID() string {
	return fmt.Sprintf("%016X%016X", e.random.Uint64(), e.random.Uint64())
}
