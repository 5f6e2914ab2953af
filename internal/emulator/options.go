package emulator

import (
	"fmt"
	"slices"
	"time"
)

// MPSOptions chooses among behaviours of MPS that its documentation leaves
// open. The zero value is the likeliest of them.
type MPSOptions struct {
	UnknownID   UnknownID   // what DeleteMedia does with an unknown or deleted ID
	DeletedView DeletedView // how queries show a deleted medium
	URLForm     URLForm     // which file URLs QueryMediaListByURL finds

	// DeletionDelay is the time for which queries still show a deleted medium as live.
	DeletionDelay time.Duration
	// DeleteNothing makes DeleteMedia answer success and delete nothing.
	DeleteNothing bool
	// EmptyNonExist serves {} as the list of missing IDs or URLs when nothing is
	// missing; by default the list is left out.
	EmptyNonExist bool
	// Refused are IDs and file URLs that make a look-up fail as a whole.
	Refused []string
	// WrongFile is the key of an object whose medium is shown with another file.
	WrongFile string
	// Records are the records, as JSON, with which queries answer for an ID in place of
	// its medium's own; an answer without any does not mention the ID.
	Records map[string][]string
	// AlsoMissing are IDs and file URLs that answers list as missing, though they may
	// return their media.
	AlsoMissing []string
	// ReuseID makes AddMedia of a deleted medium's source give it its old ID;
	// by default it gets a new one.
	ReuseID bool
	// AddAnother makes AddMedia of a live medium's source add another one; by default the medium
	// takes the new texts.
	AddAnother bool
	// AdditionDelay is the time for which queries do not show an added medium.
	AdditionDelay time.Duration

	// ListEnd is how the list of workflow executions ends.
	ListEnd ListEnd
	// OldestFirst lists executions from the oldest on; by default from the newest.
	OldestFirst bool
	// HidesDeleted lists no executions of deleted media.
	HidesDeleted bool
	// Shuffled writes the members of each answer's objects in another order.
	Shuffled bool

	// JoinedURLs bounds the file URLs of a call together to 3,200 bytes; by default each of them.
	JoinedURLs bool
	// MaxQuery is the number of bytes above which a gateway refuses the query of a call with status 414;
	// 0 for no bound.
	MaxQuery int
	// Quota overrides the calls a second of an operation; the documented ones
	// are 100, and 10 for ListAllMediaBucket.
	Quota map[string]int
	// ThrottleCode and ThrottleStatus refuse a call beyond the quota; the
	// default is Throttling.User with status 400. Throttling and
	// Throttling.Api, and status 429, are also seen; other services of the vendor send
	// QpsLimitExceeded, FlowControl.Exceeded and ServiceBusy.
	ThrottleCode   string
	ThrottleStatus int
	// RetryAfter is the delay that such a refusal asks for in x-acs-retry-after; none by
	// default.
	RetryAfter time.Duration
}

// UnknownID selects the behaviour of DeleteMedia for an ID that is unknown or deleted.
type UnknownID string

// The behaviours of DeleteMedia for an unknown ID.
const (
	AcceptUnknown UnknownID = ""               // success; the others are deleted
	RefuseWhole   UnknownID = "refuse-whole"   // the call fails and deletes nothing
	RefusePartial UnknownID = "refuse-partial" // the call fails, the IDs before it deleted
)

// DeletedView selects the form in which queries show a deleted medium.
type DeletedView string

// The views of a deleted medium.
const (
	ViewNonExist  DeletedView = ""          // among the IDs or URLs that do not exist
	ViewDeleted   DeletedView = "deleted"   // with PublishState Deleted
	ViewInitiated DeletedView = "initiated" // with PublishState Initiated
)

// URLForm selects the form of an object's slashes in a file URL.
type URLForm string

// The forms of a file URL. The documentation shows both ways.
const (
	AnySlash     URLForm = ""        // either form finds the medium; raw ones are served
	RawSlash     URLForm = "raw"     // only "/" finds it
	EscapedSlash URLForm = "escaped" // only "%2F" finds it
)

// ListEnd selects the end of the list of workflow executions.
type ListEnd string

// The ends of a list.
const (
	NoToken    ListEnd = ""            // the last page has no token
	EmptyToken ListEnd = "empty-token" // the last page has an empty token
	EmptyPage  ListEnd = "empty-page"  // the last page has a token, and an empty page follows
)

// validate refuses words that are none of the choices.
func (o MPSOptions) validate() error {
	switch {
	case !slices.Contains([]UnknownID{AcceptUnknown, RefuseWhole, RefusePartial}, o.UnknownID):
		return fmt.Errorf("unknown-ID behaviour %q: refuse-whole, refuse-partial or empty", o.UnknownID)
	case !slices.Contains([]DeletedView{ViewNonExist, ViewDeleted, ViewInitiated}, o.DeletedView):
		return fmt.Errorf("view of deleted media %q: deleted, initiated or empty", o.DeletedView)
	case !slices.Contains([]URLForm{AnySlash, RawSlash, EscapedSlash}, o.URLForm):
		return fmt.Errorf("URL form %q: raw, escaped or empty", o.URLForm)
	case !slices.Contains([]ListEnd{NoToken, EmptyToken, EmptyPage}, o.ListEnd):
		return fmt.Errorf("end of a list %q: empty-token, empty-page or empty", o.ListEnd)
	}
	return nil
}
