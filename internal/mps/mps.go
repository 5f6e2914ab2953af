// Package mps calls the media library through the official SDK. It uses HTTPS, a pinned endpoint, and
// one SDK client for each call in flight. Calls share one transport, keep the caller's context and
// are retried by the meaning of their errors. Errors have a code, and never a secret.
package mps

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"
	"golang.org/x/sync/semaphore"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxBatch is the number of IDs, or of URLs, that one call takes.
// Source: MPS DeleteMedia, QueryMediaList and QueryMediaListByURL.
const MaxBatch = 10

// quota is the number of calls of an operation that all users of an account may make in a second.
// Source: MPS "QPS limits".
const quota = 100

// InFlight bounds the concurrent calls. The pace limits the calls that leave; 256 in flight fill the
// quota up to a latency of 2.5 s.
const InFlight = 256

// Operation is an operation of the MPS API.
type Operation string

// The operations that mediasweep calls.
const (
	DeleteMedia         Operation = "DeleteMedia"
	QueryMediaList      Operation = "QueryMediaList"
	QueryMediaListByURL Operation = "QueryMediaListByURL"
	AddMedia            Operation = "AddMedia"
	// ListExecutions is ListMediaWorkflowExecutions.
	ListExecutions Operation = "ListMediaWorkflowExecutions"
)

// Client calls the library of one account and region. A process with several has them from Clients, because they must
// share the pace of all calls. It is safe for concurrent use.
type Client struct {
	caller *caller
	pace   map[Operation]*pace

	mu       sync.Mutex // guards these, and the fields of groups that refer to it
	open     map[form]*group
	underWay int // runs that share calls
}

// New returns a client that uses a share of the quota, 0 < share <= 1. It makes no call.
func New(a account.Account, share float64) (*Client, error) { return newClient(a, newPaces(share)) }

func newClient(a account.Account, pace map[Operation]*pace) (*Client, error) {
	caller, err := newCaller(a)
	if err != nil {
		return nil, err
	}
	return &Client{caller: caller, pace: pace, open: map[form]*group{}}, nil
}

// newPaces returns the pace of each operation.
func newPaces(share float64) map[Operation]*pace {
	paces := map[Operation]*pace{}
	for _, op := range []Operation{DeleteMedia, QueryMediaList, QueryMediaListByURL, AddMedia, ListExecutions} {
		paces[op] = newPace(quota * share)
	}
	return paces
}

// SetShare changes the share of the quota for the calls that have not left yet.
func (c *Client) SetShare(share float64) {
	for _, pace := range c.pace {
		pace.setLimit(quota * share)
	}
}

// Session holds the credentials and the call counts of one run. It is safe for concurrent use.
type Session struct {
	client      *Client
	credentials *account.Provider
	line        int  // foreground or background
	sharing     bool // see Client.Sharing

	lines     map[Operation]*semaphore.Weighted
	calls     map[Operation]*atomic.Int64
	first     atomic.Int64 // calls sent for the first time
	throttled atomic.Int64
	retried   atomic.Int64
	answered  atomic.Bool
}

// Session returns a session for a run.
func (c *Client) Session(credentials *account.Provider) *Session {
	s := &Session{client: c, credentials: credentials, lines: map[Operation]*semaphore.Weighted{}, calls: map[Operation]*atomic.Int64{}}
	for op := range c.pace {
		s.lines[op], s.calls[op] = semaphore.NewWeighted(maxWaiting), new(atomic.Int64)
	}
	return s
}

// Background returns a session for a survey. Its calls give way to those of runs.
func (c *Client) Background(credentials *account.Provider) *Session {
	s := c.Session(credentials)
	s.line = background
	return s
}

// Calls returns the number of calls of an operation, including retries.
func (s *Session) Calls(op Operation) int { return int(s.calls[op].Load()) }

// Throttled returns the number of throttled calls.
func (s *Session) Throttled() int { return int(s.throttled.Load()) }

// Retried returns the number of retries.
func (s *Session) Retried() int { return int(s.retried.Load()) }

// Answered reports whether any call has succeeded.
func (s *Session) Answered() bool { return s.answered.Load() }

// Permit allows one call of an operation, now. It is for one use.
type Permit interface {
	// Delete deletes up to MaxBatch media, logically: their objects stay in OSS. The
	// service answers for the batch. Without an error it accepted the batch; after an Ambiguous
	// error it may have accepted it. Delete never repeats the call.
	Delete(ctx context.Context, ids []string) error
	// ByID looks up at most MaxBatch media by ID, including the outputs of workflows.
	ByID(ctx context.Context, ids []string) (Found, error)
	// ByURL looks up the media of at most MaxBatch file URLs, of together at most
	// media.MaxURLBytes.
	ByURL(ctx context.Context, urls []string) (Found, error)
}

type permit struct {
	session   *Session
	bound     context.Context // the argument of Session.Permit
	departure *departure      // nil for a session that shares calls
}

// Permit waits until the pace allows a call. The context bounds the wait and not the call, so that a
// run can stop starting calls and finish those in flight.
func (s *Session) Permit(ctx context.Context, op Operation) (Permit, error) {
	return s.permit(ctx, op)
}

func (s *Session) permit(ctx context.Context, op Operation) (*permit, error) {
	p := &permit{session: s, bound: ctx}
	if s.sharing {
		if ctx.Err() != nil {
			return nil, notSent(op, ctx.Err())
		}
		return p, nil
	}
	d, err := s.acquire(ctx, op)
	if err != nil {
		return nil, err
	}
	p.departure = d
	return p, nil
}

func (p *permit) Delete(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := media.CheckID(id); err != nil {
			return fmt.Errorf("%s: %w: %s", DeleteMedia, err, text.Quote(id))
		}
	}
	_, err := p.send(ctx, form{op: DeleteMedia}, ids)
	return err
}

func (p *permit) ByID(ctx context.Context, ids []string) (Found, error) {
	return p.send(ctx, form{op: QueryMediaList, outputs: true}, ids)
}

func (p *permit) ByURL(ctx context.Context, urls []string) (Found, error) {
	return p.send(ctx, form{op: QueryMediaListByURL, outputs: true}, urls)
}

func (p *permit) send(ctx context.Context, form form, names []string) (Found, error) {
	if p.session.sharing {
		return p.share(ctx, form, names, len(names) >= MaxBatch)
	}
	return p.session.send(ctx, p.departure, form, names)
}

// form is the operation of a call with a list of names: media IDs or file URLs.
type form struct {
	op      Operation
	outputs bool // a look-up returns the outputs of workflows
}

func (f form) request(names []string) requests.AcsRequest {
	list := strings.Join(names, ",")
	var outputs requests.Boolean // not sent
	if f.outputs {
		outputs = requests.NewBoolean(true)
	}
	switch f.op {
	case DeleteMedia:
		request := mts.CreateDeleteMediaRequest()
		request.MediaIds = list
		return request
	case QueryMediaListByURL:
		request := mts.CreateQueryMediaListByURLRequest()
		request.FileURLs, request.IncludePlayList, request.IncludeSnapshotList, request.IncludeSummaryList = list, outputs, outputs, outputs
		return request
	default:
		request := mts.CreateQueryMediaListRequest()
		request.MediaIds, request.IncludePlayList, request.IncludeSnapshotList, request.IncludeSummaryList = list, outputs, outputs, outputs
		return request
	}
}

// Texts holds the parameters of AddMedia besides the file URL.
type Texts struct {
	Title, Description, CoverURL string
	Category                     string // a CateId; empty for none
	Tags                         []string
}

// Add adds a medium for a file, and returns its ID. It starts no workflow. What MPS does if the file has a medium is not
// documented. After an Ambiguous error the medium may have been added.
func (s *Session) Add(ctx context.Context, fileURL string, texts Texts) (id string, err error) {
	d, err := s.acquire(ctx, AddMedia)
	if err != nil {
		return "", err
	}
	err = s.callNow(ctx, d, AddMedia, func() requests.AcsRequest {
		request := mts.CreateAddMediaRequest()
		request.FileURL, request.Title, request.Description, request.CoverURL = fileURL, texts.Title, texts.Description, texts.CoverURL
		request.CateId, request.Tags = requests.Integer(texts.Category), strings.Join(texts.Tags, ",")
		return request
	}, func(m map[string]json.RawMessage) error {
		if len(m["media"]) == 0 {
			return nil
		}
		added, err := members(m["media"])
		return cmp.Or(err, readText(added["mediaid"], &id))
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// Probe reads at most MaxBatch media without outputs, to check whether they exist.
func (s *Session) Probe(ctx context.Context, ids []string) (Found, error) {
	permit, err := s.permit(ctx, QueryMediaList)
	if err != nil {
		return Found{}, err
	}
	return permit.send(ctx, form{op: QueryMediaList}, ids)
}

// send sends a call that may leave. The Found of a deletion is empty.
func (s *Session) send(ctx context.Context, d *departure, form form, names []string) (found Found, err error) {
	request := func() requests.AcsRequest { return form.request(names) }
	err = s.callNow(ctx, d, form.op, request, func(m map[string]json.RawMessage) (err error) {
		found, err = readFound(m)
		return err
	})
	if err != nil {
		return Found{}, err
	}
	return found, nil
}
