package bench

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func BenchmarkProf(b *testing.B) {
	c := start(b, library{Media: 5000, Latency: 30 * time.Millisecond})
	f := handler.New(handler.Options{Getenv: func(n string) string { return c.env[n] }, Log: io.Discard})
	for b.Loop() {
		r := f.Sweep(context.Background(), handler.Call{}, &trigger.Request{Trigger: trigger.Timer, Inventory: true})
		b.Log(r.Status, r.Counts, r.Error)
	}
}
