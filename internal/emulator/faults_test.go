package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	sdkoss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

func TestParseFault(t *testing.T) {
	for _, want := range []emulator.Fault{
		{Operation: "DeleteMedia", Kind: emulator.DropAfter, Count: 3},
		{Operation: "*", Kind: emulator.Latency, Delay: 50 * time.Millisecond, Probability: 0.1, Seed: 7},
		{Operation: "*", Kind: emulator.Empty, Probability: 0.000001},
		{Operation: "PutObject", Kind: emulator.Throttle, After: 2, Every: 10},
	} {
		got, err := emulator.ParseFault(want.String())
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
	for s, want := range map[string]string{
		"":                              "unknown operation",
		"DeleteMedia":                   "unknown kind",
		"DeleteMedia:explode":           "unknown kind",
		"ListMedia:hang":                "unknown operation \"ListMedia\"; one of [* AddMedia ",
		"PutObject:nonce-used":          "a fault of MPS",
		"*:hang:forever":                "unknown option",
		"*:hang:count=x":                "plain decimal",
		"*:hang:count=-1":               "plain decimal",
		"*:hang:count=03":               "plain decimal",
		"*:hang:p=1.5":                  "probability",
		"*:hang:p=NaN":                  "plain decimal",
		"*:hang:p=5e-1":                 "plain decimal",
		"*:hang:p=0x1p-1":               "plain decimal",
		"*:latency":                     "takes a delay",
		"*:hang:delay=1s":               "takes a delay",
		"DeleteMedia:drop-after:count=": "plain decimal",
		"DeleteObject:omit":             "a fault of MPS",
		"DeleteMedia:cut-off":           "a fault of OSS",
	} {
		if _, err := emulator.ParseFault(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

func TestWhichCallsAFaultHits(t *testing.T) {
	tests := []struct{ fault, want string }{
		{"QueryMediaList:html-500", "xxxxxxxxxx"},
		{"*:html-500:count=3", "xxx......."},
		{"*:html-500:after=2:count=1", "..x......."},
		{"*:html-500:every=3", "..x..x..x."},
		{"*:html-500:every=3:after=1:count=2", "...x..x..."},
		{"DeleteMedia:html-500", ".........."},
	}
	hits := func(fault string) string {
		f, err := emulator.ParseFault(fault)
		if err != nil {
			t.Fatal(err)
		}
		e := start(t, emulator.Config{Faults: []emulator.Fault{f}})
		c := mpsClient(t, e)
		var b strings.Builder
		for range 10 {
			if _, err := queryMedia(c, unknownID); err != nil {
				b.WriteByte('x')
			} else {
				b.WriteByte('.')
			}
		}
		return b.String()
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			if got := hits(tt.fault); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	t.Run("probability", func(t *testing.T) {
		a, b, c := hits("*:html-500:p=0.5:seed=1"), hits("*:html-500:p=0.5:seed=1"), hits("*:html-500:p=0.5:seed=2")
		if a != b || a == c {
			t.Errorf("%s and %s with one seed, %s with another", a, b, c)
		}
	})
}

// What the MPS SDK makes of each fault of DeleteMedia, and whether the call was
// executed.
func TestFaultsOfMPS(t *testing.T) {
	code := func(want string) func(error) bool {
		return func(err error) bool { return mpsCode(err) == want }
	}
	tests := []struct {
		kind     emulator.FaultKind
		seen     func(error) bool
		executed bool
	}{
		{emulator.DropBefore, isLost, false},
		{emulator.DropAfter, isLost, true},
		{emulator.Truncate, isLost, true},
		{emulator.HTML500, code("500"), false},
		{emulator.HTML502, code("502"), false},
		{emulator.Unavailable, code("503 ServiceUnavailable"), false},
		{emulator.Empty, func(err error) bool { return err == nil }, false},
		{emulator.Throttle, code("400 Throttling.User"), false},
		{emulator.TokenExpired, code("403 InvalidSecurityToken.Expired"), false},
		{emulator.Forbidden, code("403 Forbidden.RAM"), false},
		{emulator.NonceUsed, code("400 SignatureNonceUsed"), false},
		{emulator.NumericCode, func(err error) bool { return errors.Is(err, errPanicked) }, false},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			e := start(t, emulator.Config{})
			c := mpsClient(t, e)
			m := e.Add(emulator.Medium{})
			e.Inject(emulator.Fault{Operation: "DeleteMedia", Kind: tt.kind, Count: 1})
			err := func() (err error) {
				defer func() {
					if recover() != nil {
						err = errPanicked
					}
				}()
				r, err := deleteMedia(c, m.ID)
				if err == nil && r.RequestId != "" {
					t.Errorf("answered %+v", r)
				}
				return err
			}()
			if !tt.seen(err) {
				t.Errorf("the SDK reports %v", err)
			}
			if m, _ := e.Medium(m.ID); m.Deleted != tt.executed {
				t.Errorf("executed: %v", m.Deleted)
			}
			if got := e.Calls()[0]; got.Fault != tt.kind || (got.Status == 200 && got.Code == "") != (tt.executed || tt.kind == emulator.Empty) {
				t.Errorf("recorded %+v", got)
			}
			if _, err := deleteMedia(c, m.ID); err != nil {
				t.Errorf("after the fault: %v", err)
			}
			noViolations(t, e)
		})
	}
}

// isLost reports whether a connection ended before its answer. The OSS SDK
// touches a connection once more after its last write, and may be too late.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET)
}

var errPanicked = errors.New("the SDK panicked")

func TestLatency(t *testing.T) {
	e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "*", Kind: emulator.Latency, Delay: 30 * time.Millisecond}}})
	began := time.Now()
	if _, err := deleteMedia(mpsClient(t, e), unknownID); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestHang(t *testing.T) {
	e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "*", Kind: emulator.Hang}}})
	m := e.Add(emulator.Medium{})
	c := mpsClient(t, e)
	c.SetReadTimeout(50 * time.Millisecond)
	var timeout interface{ Timeout() bool }
	if _, err := deleteMedia(c, m.ID); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the MPS SDK reports %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := put(ctx, ossClient(e), "ops", "k", "body", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the OSS SDK reports %v", err)
	}
	if m, _ := e.Medium(m.ID); m.Deleted {
		t.Error("executed")
	}
	if _, ok := e.Object("ops", "k"); ok {
		t.Error("stored")
	}
	e.ClearFaults()
	if _, err := deleteMedia(mpsClient(t, e), m.ID); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// Close ends calls that hang.
func TestCloseWhileHanging(t *testing.T) {
	asked := make(chan struct{}, 1) // the emulator looks at its clock when a call arrives
	e, err := emulator.Start(emulator.Config{
		Faults: []emulator.Fault{{Operation: "*", Kind: emulator.Hang}},
		Now: func() time.Time {
			select {
			case asked <- struct{}{}:
			default:
			}
			return time.Now()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-asked // at the start, for the seed
	c := mpsClient(t, e)
	done := make(chan error)
	go func() {
		_, err := deleteMedia(c, unknownID)
		done <- err
	}()
	<-asked
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("an answer")
	}
}

// What the OSS SDK makes of each fault of PutObject, create-only and with three
// attempts.
func TestFaultsOfOSS(t *testing.T) {
	code := func(want string) func(error) bool { return func(err error) bool { return ossCode(err) == want } }
	tests := []struct {
		kind     emulator.FaultKind
		once     func(error) bool // with one attempt
		retried  string           // with three, when the fault hits the first
		executed bool
	}{
		{emulator.DropBefore, isLost, "", false},
		{emulator.DropAfter, isLost, "409 FileAlreadyExists", true},
		{emulator.HTML500, code("500 BadErrorResponse"), "", false},
		{emulator.HTML502, code("502 BadErrorResponse"), "", false},
		{emulator.Unavailable, code("503 ServiceUnavailable"), "", false},
		{emulator.Throttle, code("503 TotalQpsLimitExceeded"), "", false},
		{emulator.TokenExpired, code("403 SecurityTokenExpired"), "403 SecurityTokenExpired", false},
		{emulator.Forbidden, code("403 AccessDenied"), "403 AccessDenied", false},
	}
	for _, tt := range tests {
		for _, attempts := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d attempts", tt.kind, attempts), func(t *testing.T) {
				t.Parallel()
				e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "PutObject", Kind: tt.kind, Count: 1}}})
				_, err := put(t.Context(), ossClientWith(e.Env(), attempts), "ops", "k", "x", func(r *sdkoss.PutObjectRequest) { r.ForbidOverwrite = sdkoss.Ptr("true") })
				if attempts == 1 && !tt.once(err) || attempts > 1 && ossCode(err) != tt.retried {
					t.Errorf("the SDK reports %v", err)
				}
				if _, ok := e.Object("ops", "k"); attempts == 1 && ok != tt.executed {
					t.Errorf("executed: %v", ok)
				}
				noViolations(t, e)
			})
		}
	}
	t.Run("truncated", func(t *testing.T) {
		e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "GetObject", Kind: emulator.Truncate}}})
		e.PutObject("ops", "k", []byte("0123456789"), time.Now())
		body, _, err := get(t.Context(), ossClient(e), "ops", "k", nil)
		if body != "01234" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", body, err)
		}
	})
	for kind, want := range map[emulator.FaultKind]string{emulator.CutOff: "01234", emulator.NoLength: "0123456789", emulator.NoChecks: "0123456789"} {
		t.Run(string(kind), func(t *testing.T) {
			e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "GetObject", Kind: kind}}})
			e.PutObject("ops", "k", []byte("0123456789"), time.Now())
			body, answer, err := get(t.Context(), ossClient(e), "ops", "k", nil)
			if err != nil || body != want || answer.Headers.Get("Content-Length") != "" || (answer.HashCRC64 == nil) != (kind == emulator.NoChecks) {
				t.Errorf("%q, %v, headers %v", body, err, answer.Headers)
			}
		})
	}
	t.Run("faults of MPS only", func(t *testing.T) {
		e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "*", Kind: emulator.NonceUsed}, {Operation: "*", Kind: emulator.NumericCode}}})
		if _, err := put(t.Context(), ossClient(e), "ops", "k", "x", nil); err != nil {
			t.Error(err)
		}
	})
}

// A call that is refused anyway does not use up a fault.
func TestFaultsSpareRefusedCalls(t *testing.T) {
	e := start(t, emulator.Config{Faults: []emulator.Fault{{Operation: "*", Kind: emulator.HTML500, Count: 1}}})
	env := e.Env()
	env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "x"
	var refused *sdkerrors.ServerError
	if _, err := deleteMedia(mpsClientWith(t, e, env), unknownID); !errors.As(err, &refused) || refused.ErrorCode() != "SignatureDoesNotMatch" {
		t.Error(err)
	}
	if _, err := deleteMedia(mpsClient(t, e), unknownID); mpsCode(err) != "500" {
		t.Error(err)
	}
}
