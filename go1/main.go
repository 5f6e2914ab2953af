// Command go1 serves mediasweep on Function Compute's built-in go1 runtime.
//
// It is a module of its own, so that the main one builds wherever the SDK of
// this runtime cannot be had, and it holds no logic: the handler is the one
// that the custom runtime serves.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"

	"github.com/mediasweep/mediasweep/handler"
)

func main() {
	if err := handler.CheckEnvironment(os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "mediasweep:", err)
		os.Exit(1)
	}
	// Start and not StartHandler, which takes no handler but a function: every
	// call to a struct is answered with "handler kind struct is not func".
	fc.Start(serve(handler.New(handler.Options{Getenv: os.Getenv, Log: os.Stderr})))
}

// serve makes f a function that fc.Start accepts. The payload is a []byte,
// which the SDK hands on as it came; the answer is a json.RawMessage, because
// the SDK marshals answers and would make a []byte a base64 text. The context
// carries the platform's deadline already, and f keeps a margin from it.
func serve(f *handler.Function) func(context.Context, []byte) (json.RawMessage, error) {
	return func(ctx context.Context, payload []byte) (json.RawMessage, error) {
		var call handler.Call
		if fcc, ok := fccontext.FromContext(ctx); ok {
			call = handler.Call{
				RequestID:       fcc.RequestID,
				AccessKeyID:     fcc.Credentials.AccessKeyId,
				AccessKeySecret: fcc.Credentials.AccessKeySecret,
				SecurityToken:   fcc.Credentials.SecurityToken,
			}
		}
		return f.Invoke(ctx, call, payload)
	}
}
