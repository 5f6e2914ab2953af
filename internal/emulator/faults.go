package emulator

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// FaultKind names what goes wrong with a call.
type FaultKind string

// The kinds of fault. Only [Latency], [HangAfter], [DropAfter], [Truncate], [CutOff],
// [NoLength], [NoChecks] and [Omit] let the call execute.
const (
	Latency      FaultKind = "latency"       // the call starts after Delay
	Hang         FaultKind = "hang"          // no answer until the client gives up
	HangAfter    FaultKind = "hang-after"    // executed, and no answer until the client gives up
	DropBefore   FaultKind = "drop-before"   // connection closed, nothing executed
	DropAfter    FaultKind = "drop-after"    // executed, then connection closed: the answer is lost
	Truncate     FaultKind = "truncate"      // executed; half of the body arrives
	CutOff       FaultKind = "cut-off"       // OSS only: as no-length, and half of the body arrives: it seems whole
	NoLength     FaultKind = "no-length"     // OSS only: executed; the answer has no Content-Length
	NoChecks     FaultKind = "no-checks"     // OSS only: as no-length, without a CRC-64
	HTML500      FaultKind = "html-500"      // a gateway's page with status 500
	HTML502      FaultKind = "html-502"      // a gateway's page with status 502
	Unavailable  FaultKind = "unavailable"   // 503 ServiceUnavailable
	Empty        FaultKind = "empty"         // 200 with an empty body
	Throttle     FaultKind = "throttle"      // MPS: as MPSOptions says; OSS: 503 TotalQpsLimitExceeded; chat: 429, or its code
	TokenExpired FaultKind = "token-expired" // MPS: 403 InvalidSecurityToken.Expired; OSS: 403 SecurityTokenExpired
	Forbidden    FaultKind = "forbidden"     // MPS: 403 Forbidden.RAM; OSS: 403 AccessDenied
	NonceUsed    FaultKind = "nonce-used"    // MPS only: 400 SignatureNonceUsed
	Conflict     FaultKind = "conflict"      // OSS only: 409 FileAlreadyExists, as if another had just written
	Omit         FaultKind = "omit"          // MPS only: a query's answer does not mention its first entry
	Redirect     FaultKind = "redirect"      // chat only: 307 to another host
	NumericCode  FaultKind = "numeric-code"  // MPS only: 500 whose Code is a number, on which the SDK panics
)

// FaultKinds is every kind, for help texts.
func FaultKinds() []FaultKind {
	return []FaultKind{Latency, Hang, HangAfter, DropBefore, DropAfter, Truncate, CutOff, NoLength, NoChecks, HTML500, HTML502,
		Unavailable, Empty, Throttle, TokenExpired, Forbidden, Conflict, NonceUsed, NumericCode, Omit, Redirect}
}

func (k FaultKind) onlyMPS() bool { return k == NonceUsed || k == NumericCode || k == Omit }

func (k FaultKind) onlyOSS() bool { return k == Conflict || k.withoutLength() }

func (k FaultKind) withoutLength() bool { return k == CutOff || k == NoLength || k == NoChecks }

// Fault says which calls go wrong, and how. The calls of its operation are
// counted from its injection on; those beyond the first After are candidates,
// Every and Probability choose among them, and Count bounds how many are hit.
// With nothing but operation and kind, every call is.
type Fault struct {
	Operation   string // such as DeleteMedia or PutObject; "*" is any
	Kind        FaultKind
	Delay       time.Duration // of Latency
	After       int           // let so many calls pass first
	Every       int           // hit each so many-th call; 0 is each
	Probability float64       // hit with this probability, up to 1; 0 is always
	Seed        uint64        // of the draws for Probability
	Count       int           // hit at most so many calls; 0 is no bound
}

// ParseFault reads the compact form of a fault, operation and kind followed by
// any of the options, in any order:
//
//	OPERATION:KIND[:delay=DURATION][:after=N][:every=N][:p=FRACTION][:seed=N][:count=N]
//
// such as "DeleteMedia:drop-after:count=3" or "*:latency:delay=50ms:p=0.1".
func ParseFault(s string) (Fault, error) {
	operation, rest, _ := strings.Cut(s, ":")
	kind, rest, more := strings.Cut(rest, ":")
	f := Fault{Operation: operation, Kind: FaultKind(kind)}
	for more {
		var option string
		option, rest, more = strings.Cut(rest, ":")
		name, value, _ := strings.Cut(option, "=")
		var err error
		switch name {
		case "delay":
			f.Delay, err = text.Duration(value)
		case "after":
			err = readCount(value, &f.After)
		case "every":
			err = readCount(value, &f.Every)
		case "p":
			var billionths int64
			billionths, err = text.Fraction(value, 9)
			f.Probability = float64(billionths) / 1e9
		case "seed":
			err = readCount(value, &f.Seed)
		case "count":
			err = readCount(value, &f.Count)
		default:
			err = errors.New("unknown option; delay, after, every, p, seed and count are allowed")
		}
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: option %q: %w", s, option, err)
		}
	}
	if err := f.validate(); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", s, err)
	}
	return f, nil
}

func readCount[T int | uint64](s string, into *T) error {
	number, err := text.Decimal(s)
	*into = T(number)
	return err
}

// String is the compact form that [ParseFault] reads.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%s", f.Operation, f.Kind)
	option := func(name string, value any, isDefault bool) {
		if !isDefault {
			fmt.Fprintf(&b, ":%s=%v", name, value)
		}
	}
	option("delay", f.Delay, f.Delay == 0)
	option("after", f.After, f.After == 0)
	option("every", f.Every, f.Every == 0)
	option("p", strconv.FormatFloat(f.Probability, 'f', -1, 64), f.Probability == 0)
	option("seed", f.Seed, f.Seed == 0)
	option("count", f.Count, f.Count == 0)
	return b.String()
}

// faultOperations returns what a fault can befall.
func faultOperations() []string {
	names := append([]string{"*"}, slices.Sorted(maps.Keys(rpcOperations))...)
	names = append(names, ossOperations()...)
	for _, r := range robots() {
		names = append(names, r.operation)
	}
	return names
}

func (f Fault) validate() error {
	_, mps := rpcOperations[f.Operation]
	onlyMPS := f.Kind.onlyMPS()
	switch {
	case !slices.Contains(faultOperations(), f.Operation):
		return fmt.Errorf("unknown operation %q; one of %v", f.Operation, faultOperations())
	case !slices.Contains(FaultKinds(), f.Kind):
		return fmt.Errorf("unknown kind %q; one of %v", f.Kind, FaultKinds())
	case onlyMPS && !mps && f.Operation != "*":
		return fmt.Errorf("%s is a fault of MPS, and %s no operation of MPS", f.Kind, f.Operation)
	case f.Kind == Redirect && !isRobot(f.Operation):
		return fmt.Errorf("%s is a fault of chat robots, and %s is none", f.Kind, f.Operation)
	case f.Kind.onlyOSS() && (mps || isRobot(f.Operation)):
		return fmt.Errorf("%s is a fault of OSS, and %s no operation of OSS", f.Kind, f.Operation)
	case (f.Kind == Latency) != (f.Delay != 0):
		return errors.New("latency, and nothing else, takes a delay")
	case f.Delay < 0 || f.After < 0 || f.Every < 0 || f.Count < 0:
		return errors.New("negative number")
	case !(f.Probability >= 0 && f.Probability <= 1): // so put, it refuses NaN
		return errors.New("a probability is between 0 and 1")
	}
	return nil
}

// faultState is an injected fault and what it has seen so far.
type faultState struct {
	Fault
	seen, hits int
	draw       *rand.Rand
}

// strikes decides over the next call.
func (s *faultState) strikes() bool {
	s.seen++
	candidate := s.seen - s.After
	if candidate <= 0 || s.Count > 0 && s.hits >= s.Count {
		return false
	}
	if s.Every > 0 && candidate%s.Every != 0 {
		return false
	}
	if s.Probability > 0 && s.draw.Float64() >= s.Probability {
		return false
	}
	s.hits++
	return true
}

// Inject adds faults. When several would hit a call, the one injected first
// does, and those injected later do not count that call.
func (e *Emulator) Inject(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range faults {
		e.faults = append(e.faults, &faultState{Fault: f, draw: rand.New(rand.NewPCG(f.Seed, 2))})
	}
}

// ClearFaults removes all faults; calls that hang go on hanging.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = nil
}

// nextFault is the fault that hits this call, or none; e.mu is held.
func (e *Emulator) nextFault(operation string, s service) Fault {
	for _, f := range e.faults {
		if f.Operation != "*" && f.Operation != operation {
			continue
		}
		if s != mps && f.Kind.onlyMPS() || s != oss && f.Kind.onlyOSS() {
			continue
		}
		if f.strikes() {
			return f.Fault
		}
	}
	return Fault{}
}

// faultReply is the answer of a fault that has one instead of the service's;
// e.mu is held.
func (e *Emulator) faultReply(kind FaultKind, x exchange) (reply, bool) {
	switch {
	case kind == HTML500:
		return htmlReply(http.StatusInternalServerError), true
	case kind == HTML502:
		return htmlReply(http.StatusBadGateway), true
	case kind == Empty:
		return newReply(http.StatusOK, "text/plain", nil), true
	case x.service == chat:
		return robotFault(kind, x)
	}
	switch kind {
	case NumericCode:
		return newReply(http.StatusInternalServerError, jsonType,
			[]byte(`{"RequestId":"`+e.requestID()+`","Code":500,"Message":"internal error"}`)), true
	case Unavailable:
		return x.refuse(refusal(http.StatusServiceUnavailable, "ServiceUnavailable",
			"The request has failed due to a temporary failure of the server.")), true
	case Throttle:
		if x.service == oss {
			return x.refuse(refusal(http.StatusServiceUnavailable, "TotalQpsLimitExceeded", "Total QPS limit exceeded.").
				with("EC", "0004-00000302")), true
		}
		return x.refuse(e.throttled()), true
	case TokenExpired:
		return x.refuse(tokenExpired(x.service)), true
	case Forbidden:
		code := "Forbidden.RAM"
		if x.service == oss {
			code = "AccessDenied"
		}
		return x.refuse(refusal(http.StatusForbidden, code, "User not authorized to operate on the specified resource.")), true
	case Conflict:
		return x.refuse(refusal(http.StatusConflict, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")), true
	case NonceUsed:
		return x.refuse(nonceUsed()), true
	default:
		return reply{}, false
	}
}

// htmlReply is the page of a gateway that cannot reach the service.
func htmlReply(status int) reply {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return newReply(status, "text/html", []byte("<html>\n<head><title>"+title+"</title></head>\n<body><h1>"+title+"</h1></body>\n</html>\n"))
}
