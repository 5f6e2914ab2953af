package fc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	sdk "github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/text"
)

// RuntimeAPI is the variable with the address of the go1 runtime's API. FC sets it on
// that runtime only.
const RuntimeAPI = "FC_RUNTIME_API"

// Go1 serves a function on the go1 runtime. HTTP requests arrive as events there.
type Go1 struct {
	Function Invoker
	// API is the runtime API's host and port, the value of RuntimeAPI.
	API string
	// Timeout is a call's time if the runtime sends none.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Serve answers calls until the context ends. Calls under way are then cancelled, and
// have five seconds to answer.
//
// It changes two things of the process that the SDK has no options for: the transport
// of http.DefaultClient and the output of package log.
func (rt *Go1) Serve(ctx context.Context) error {
	if api, err := url.Parse("http://" + rt.API + "/"); err != nil || api.Host != rt.API { // the gate would let the SDK's requests pass
		return fmt.Errorf("%s must be a host and a port, such as 127.0.0.1:9001", RuntimeAPI)
	}
	g := &gate{api: rt.API, timeout: rt.Timeout, logger: rt.Logger, base: http.DefaultTransport, slots: make(chan struct{}, maxCalls), ending: ctx}
	http.DefaultTransport = g
	log.SetOutput(sdkLog{rt.Logger})
	for _, register := range []func(any){sdk.RegisterInitializerFunction, sdk.RegisterPreStopFunction, sdk.RegisterPreFreezeFunction} {
		register(func(context.Context) {}) // each call finishes its work before it answers
	}
	// Not StartHandler: it accepts funcs only, and answers every call to a struct with
	// an error. Start never returns.
	go sdk.Start(func(call context.Context, payload []byte) (json.RawMessage, error) {
		call, cancel := context.WithCancel(call)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return rt.invoke(call, payload)
	})
	<-ctx.Done()
	return g.drain(5 * time.Second)
}

// invoke answers one call. The answer is a json.RawMessage, because the SDK would
// encode a []byte as base64.
func (rt *Go1) invoke(ctx context.Context, payload []byte) (answer json.RawMessage, err error) {
	var call handler.Call
	if fcc, ok := fccontext.FromContext(ctx); ok {
		call = handler.Call{RequestID: fcc.RequestID, Credentials: account.Credentials{
			AccessKeyID:     fcc.Credentials.AccessKeyId,
			AccessKeySecret: fcc.Credentials.AccessKeySecret,
			SecurityToken:   fcc.Credentials.SecurityToken,
		}}
	}
	defer func() {
		// The SDK would send the panic's text and stack to the caller.
		if recovered := recover(); recovered != nil {
			logPanic(rt.Logger, call.RequestID, recovered)
			answer, err = nil, errors.New(internalError)
		}
	}()
	return rt.Function.Invoke(ctx, call, payload)
}

func logPanic(logger *slog.Logger, request string, recovered any) {
	logger.Error("panic", "request", request, "panic", text.Bound(fmt.Sprint(recovered)), "stack", string(debug.Stack()))
}

type sdkLog struct{ logger *slog.Logger }

// stamp is the prefix that package log writes with the flags that the SDK sets.
const stamp = "2006/01/02 15:04:05.000000 "

func (l sdkLog) Write(line []byte) (int, error) {
	message := strings.TrimSpace(string(line))
	if len(message) >= len(stamp) {
		if _, err := time.Parse(stamp, message[:len(stamp)]); err == nil {
			message = strings.TrimSpace(message[len(stamp):])
		}
	}
	l.logger.Warn("go1 runtime SDK", "message", text.Bound(message))
	return len(line), nil
}
