// Package mps speaks to the media library through the official SDK, and keeps
// the SDK's traps to itself: HTTPS, a pinned endpoint, one SDK client for each
// call in flight over one shared transport, the caller's context, retries by
// meaning, and errors that carry a code and no secret.
package mps

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// MaxBatch is the number of IDs, or of URLs, that one call takes.
// Source: MPS DeleteMedia, QueryMediaList and QueryMediaListByURL.
const MaxBatch = 10

// quota is what an account may call each operation in a second, all its users
// together. Source: MPS "QPS limits".
const quota = 100

// InFlight bounds the calls that are under way at once. It is the pace that says
// how many leave, so that those in flight follow the latency by themselves; 256
// fill the quota up to a latency of two and a half seconds.
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

// Client is the library of one account and region. It is safe for concurrent
// use; make one for a process, since it holds the pace of all its calls.
type Client struct {
	caller *caller
	pace   map[Operation]*pace

	mu   sync.Mutex // guards open, and what groups say that it guards
	open map[form]*group
}

// New returns a client that uses a share of the quota, 0 < share <= 1. It makes
// no call.
func New(a account.Account, share float64) (*Client, error) {
	caller, err := newCaller(a)
	if err != nil {
		return nil, err
	}
	c := &Client{caller: caller, pace: map[Operation]*pace{}, open: map[form]*group{}}
	for _, op := range []Operation{DeleteMedia, QueryMediaList, QueryMediaListByURL, AddMedia, ListExecutions} {
		c.pace[op] = newPace(quota * share)
	}
	return c, nil
}

// Session is a run's view of the library: its credentials and its count of
// calls. It is safe for concurrent use.
type Session struct {
	client      *Client
	credentials *account.Provider
	line        int  // foreground or background
	sharing     bool // see Client.Sharing

	lines     map[Operation]chan struct{}
	calls     map[Operation]*atomic.Int64
	first     atomic.Int64 // calls sent for the first time
	throttled atomic.Int64
	retried   atomic.Int64
	answered  atomic.Bool
}

// Session starts a run.
func (c *Client) Session(credentials *account.Provider) *Session {
	s := &Session{client: c, credentials: credentials, lines: map[Operation]chan struct{}{}, calls: map[Operation]*atomic.Int64{}}
	for op := range c.pace {
		s.lines[op], s.calls[op] = make(chan struct{}, maxWaiting), new(atomic.Int64)
	}
	return s
}

// Background starts a survey: its calls give way to those of runs.
func (c *Client) Background(credentials *account.Provider) *Session {
	s := c.Session(credentials)
	s.line = background
	return s
}

// Calls returns how many calls of an operation the session has sent, retries
// included.
func (s *Session) Calls(op Operation) int { return int(s.calls[op].Load()) }

// Throttled returns how many calls were refused because the quota was used up.
func (s *Session) Throttled() int { return int(s.throttled.Load()) }

// Retried returns how many calls repeated an earlier one.
func (s *Session) Retried() int { return int(s.retried.Load()) }

// Answered reports whether any call has succeeded.
func (s *Session) Answered() bool { return s.answered.Load() }

// Permit is leave to send one call of an operation now. It is for one use.
type Permit interface {
	// Delete deletes up to MaxBatch media, logically: their objects stay in OSS. The
	// service answers for the batch and never for a medium, so no error means that it
	// took the batch, and an Ambiguous one that it may have done so. It is not repeated,
	// whatever comes of it.
	Delete(ctx context.Context, ids []string) error
	// ByID looks up to MaxBatch media up by ID, with the outputs that a workflow made of
	// them.
	ByID(ctx context.Context, ids []string) (Found, error)
	// ByURL looks the media of up to MaxBatch file URLs up, which together may have
	// media.MaxURLBytes.
	ByURL(ctx context.Context, urls []string) (Found, error)
}

type permit struct {
	session *Session
	bound   context.Context // that of Session.Permit
}

// Permit waits until the pace lets a call leave. Its context bounds the waiting and not
// the call, so that a run can stop starting calls while it finishes those under way.
func (s *Session) Permit(ctx context.Context, op Operation) (Permit, error) {
	return s.permit(ctx, op)
}

func (s *Session) permit(ctx context.Context, op Operation) (*permit, error) {
	err := notSent(op, ctx.Err())
	if !s.sharing {
		err = s.acquire(ctx, op)
	}
	if err != nil {
		return nil, err
	}
	return &permit{s, ctx}, nil
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
	return p.session.send(ctx, form, names)
}

// form is a kind of call about a list of names: the IDs or the file URLs of media.
type form struct {
	op      Operation
	outputs bool // a look-up returns what a workflow made of the media
}

func (f form) request(names []string) requests.AcsRequest {
	list := strings.Join(names, ",")
	switch f.op {
	case DeleteMedia:
		request := mts.CreateDeleteMediaRequest()
		request.MediaIds = list
		return request
	case QueryMediaListByURL:
		request := mts.CreateQueryMediaListByURLRequest()
		request.FileURLs = list
		request.IncludePlayList = requests.NewBoolean(true)
		request.IncludeSnapshotList = requests.NewBoolean(true)
		request.IncludeSummaryList = requests.NewBoolean(true)
		return request
	default:
		request := mts.CreateQueryMediaListRequest()
		request.MediaIds = list
		if f.outputs {
			request.IncludePlayList = requests.NewBoolean(true)
			request.IncludeSnapshotList = requests.NewBoolean(true)
			request.IncludeSummaryList = requests.NewBoolean(true)
		}
		return request
	}
}

// Texts are what AddMedia takes of a medium beside its file.
type Texts struct {
	Title, Description, CoverURL string
	Category                     string // a CateId; empty for none
	Tags                         []string
}

// Add adds a medium for a file and returns its ID. It starts no workflow. A file
// that has a medium keeps that; an error with Ambiguous may be of a medium that was
// added.
func (s *Session) Add(ctx context.Context, fileURL string, texts Texts) (id string, err error) {
	var added struct {
		envelope
		Media struct {
			MediaID string `json:"MediaId"`
		}
	}
	if err := s.acquire(ctx, AddMedia); err != nil {
		return "", err
	}
	err = s.callNow(ctx, AddMedia, func() requests.AcsRequest {
		request := mts.CreateAddMediaRequest()
		request.FileURL, request.Title, request.Description, request.CoverURL = fileURL, texts.Title, texts.Description, texts.CoverURL
		request.CateId, request.Tags = requests.Integer(texts.Category), strings.Join(texts.Tags, ",")
		return request
	}, func() answer { return &added })
	if err != nil {
		return "", err
	}
	return added.Media.MediaID, nil
}

// Found is what a look-up found.
type Found struct {
	// Media has each ID once. A medium is in doubt if the answer contradicts itself.
	Media []media.Medium
	// Missing holds the IDs, or the URLs, of which the library says that it has
	// no medium. What was asked for and is in neither list was not answered.
	Missing []string
}

// ByID waits for its permit and looks media up; see Permit.
func (s *Session) ByID(ctx context.Context, ids []string) (Found, error) {
	permit, err := s.Permit(ctx, QueryMediaList)
	if err != nil {
		return Found{}, err
	}
	return permit.ByID(ctx, ids)
}

// ByURL waits for its permit and looks media up; see Permit.
func (s *Session) ByURL(ctx context.Context, urls []string) (Found, error) {
	permit, err := s.Permit(ctx, QueryMediaListByURL)
	if err != nil {
		return Found{}, err
	}
	return permit.ByURL(ctx, urls)
}

// Probe reads up to MaxBatch media again, without their outputs: enough to see
// whether they are still there.
func (s *Session) Probe(ctx context.Context, ids []string) (Found, error) {
	permit, err := s.permit(ctx, QueryMediaList)
	if err != nil {
		return Found{}, err
	}
	return permit.send(ctx, form{op: QueryMediaList}, ids)
}

// looked is the answer to a look-up. Its lists come in wrappers that the service
// leaves out, or sends empty, when there is nothing in them.
type looked struct {
	envelope
	MediaList        wrapper[struct{ Media list[json.RawMessage] }]
	NonExistMediaIDs wrapper[struct {
		MediaID list[string] `json:"MediaId"`
	}] `json:"NonExistMediaIds"`
	NonExistFileURLs wrapper[struct{ FileURL list[string] }]
}

// send sends a call that has its permit. What a deletion found is empty.
func (s *Session) send(ctx context.Context, form form, names []string) (Found, error) {
	var found looked
	request := func() requests.AcsRequest { return form.request(names) }
	if err := s.callNow(ctx, form.op, request, func() answer { found = looked{}; return &found }); err != nil {
		return Found{}, err
	}
	return settle(found.MediaList.value.Media, append(found.NonExistMediaIDs.value.MediaID, found.NonExistFileURLs.value.FileURL...)), nil
}

// settle reads the records of an answer, which may contradict each other, or the list
// of what is missing. A record that is no object answers for nothing.
func settle(records []json.RawMessage, missing []string) Found {
	var found Found
	place := map[string]int{}
	for _, record := range records {
		if len(record) > maxRecord {
			continue // not answered
		}
		medium, err := media.Parse(record)
		if err != nil {
			continue
		}
		at, again := place[medium.ID]
		switch {
		case media.CheckID(medium.ID) != nil || !again:
			place[medium.ID] = len(found.Media)
			found.Media = append(found.Media, medium)
		case !bytes.Equal(found.Media[at].Record, record):
			doubt(&found.Media[at], "MPS returned it twice with different records")
		}
	}
	objects := map[media.Object]bool{}
	for _, name := range missing {
		object, err := media.ParseURL(name)
		if err == nil {
			objects[object] = true
		}
		if at, both := place[name]; both {
			contradict(&found.Media[at])
			continue
		}
		found.Missing = append(found.Missing, name)
	}
	for i := range found.Media {
		if objects[found.Media[i].Object] {
			contradict(&found.Media[i])
		}
	}
	return found
}

// contradict notes that an answer returns a medium and says that there is none. Of a
// deleted one both are true.
func contradict(m *media.Medium) {
	if m.State != media.StateDeleted {
		doubt(m, "MPS returned it and said that it does not exist")
	}
}

// doubt takes from a medium the state, which proves nothing any more.
func doubt(m *media.Medium, why string) {
	m.State, m.Doubt = "", cmp.Or(m.Doubt, why)
}

// wrapper is an object that may come as "", [] or null when it is empty.
type wrapper[T any] struct{ value T }

// Bounds of an answer to a look-up of MaxBatch media, many times what one has.
const (
	maxListed = 1000
	maxRecord = 256 << 10 // bytes
)

// list reads a JSON array of at most maxListed entries.
type list[T any] []T

// UnmarshalJSON stops at the first entry too many, before memory is spent on the rest.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('[') {
		return errors.New("a list is expected")
	}
	for decoder.More() {
		if len(*l) == maxListed {
			return fmt.Errorf("more than %d entries", maxListed)
		}
		var entry T
		if err := decoder.Decode(&entry); err != nil {
			return err
		}
		*l = append(*l, entry)
	}
	return nil
}

func (w *wrapper[T]) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `""`, "[]", "null":
		return nil
	}
	if err := json.Unmarshal(data, &w.value); err != nil {
		return fmt.Errorf("list in an answer: %w", err)
	}
	return nil
}
