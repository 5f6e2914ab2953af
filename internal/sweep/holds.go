package sweep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/holds"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/task"
)

const (
	// holdsEvery is the time after which the holds are read again while media are deleted.
	holdsEvery = time.Second
	// holdsLate is the time that a read may take before nothing more is sent until it has ended.
	holdsLate = 500 * time.Millisecond
	// holdsGone is the time for which reads may fail before the run ends.
	holdsGone = 10 * time.Second
)

// holdWatch reads the holds again while media are deleted. Its goroutine owns the current context.
type holdWatch struct {
	current chan context.Context
	over    sync.WaitGroup
}

// watchHolds reads the holds at once, and then every second, until ctx ends. It calls stop if
// they cannot be read.
func watchHolds(ctx context.Context, held *holds.Holds, store state.Store, stop context.CancelCauseFunc) *holdWatch {
	w := &holdWatch{current: make(chan context.Context)}
	w.over.Go(func() {
		if err := task.Run(func() { w.run(ctx, held, store, stop) }); err != nil {
			stop(err)
		}
	})
	return w
}

// Current waits until the holds were read within the last moments. The context that it returns ends
// when they change, or were not read for longer.
func (w *holdWatch) Current(ctx context.Context) (context.Context, error) {
	select {
	case current := <-w.current:
		return current, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *holdWatch) run(ctx context.Context, held *holds.Holds, store state.Store, stop context.CancelCauseFunc) {
	read := make(chan error, 1)
	start := func() {
		w.over.Go(func() { read <- task.Do(func() error { return held.Refresh(ctx, store) }) })
	}
	ticker, late := time.NewTicker(holdsEvery), time.NewTimer(holdsLate)
	defer ticker.Stop()
	defer late.Stop()
	now := offer{}
	defer now.withdraw()
	known, good, reading := held.Latest(), time.Now(), true
	if time.Since(held.ReadAt()) < holdsEvery { // before the plan, or by another run
		now = newOffer(ctx, w.current)
	}
	for start(); ; {
		select {
		case <-ctx.Done():
			return
		case now.to <- now.current:
		case <-ticker.C:
			if !reading {
				reading = true
				late.Reset(holdsLate)
				start()
			}
		case <-late.C:
			now.withdraw()
		case err := <-read:
			reading = false
			late.Stop()
			switch latest := held.Latest(); {
			case errors.Is(err, state.ErrDamaged), err != nil && time.Since(good) > holdsGone:
				stop(fmt.Errorf("nothing more is deleted: %w", err))
				return
			case err != nil:
				now.withdraw()
			case latest != known || now.to == nil:
				now.withdraw()
				now = newOffer(ctx, w.current)
				known, good = latest, time.Now()
			default:
				good = time.Now()
			}
		}
	}
}

// offer is the current context for whoever asks. The zero value offers nothing.
type offer struct {
	to      chan<- context.Context
	current context.Context //nolint:containedctx // it is what is offered
	end     context.CancelFunc
}

func newOffer(ctx context.Context, to chan<- context.Context) offer {
	current, end := context.WithCancel(ctx)
	return offer{to, current, end}
}

// withdraw ends the context. Nobody gets it any more.
func (o *offer) withdraw() {
	if o.end != nil {
		o.end()
	}
	*o = offer{}
}
