package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// ErrBusy means that another run holds the lease.
var ErrBusy = errors.New("another run is under way")

// A record of a lease is valid for leaseTerm by the store's clock, and not beyond the deadline of its
// run: an interrupted run cannot release its lease. The holder writes a new record every
// leaseRenewal. The lease saves quota; safety does not depend on it.
const (
	leaseTerm    = 30 * time.Second
	leaseRenewal = 10 * time.Second
)

// leaseFolder holds the numbered records of the lease of enforcing runs of the inventory, of applies and of
// restores; the latest counts. Names count down, so that the latest record is the first of a listing.
const leaseFolder = "lease/"

// leaseRecord names the holder of the lease since the record was written.
type leaseRecord struct {
	Format   int    `json:"format"`
	Holder   string `json:"holder"` // differs for each acquisition
	Run      string `json:"run"`
	Released bool   `json:"released"`
	Seconds  int    `json:"seconds,omitempty"` // its term; 0 for leaseTerm
}

func (r leaseRecord) term() time.Duration {
	if r.Seconds <= 0 || r.Seconds >= int(leaseTerm/time.Second) {
		return leaseTerm
	}
	return time.Duration(r.Seconds) * time.Second
}

const leaseFormat = 1

// Lease excludes other runs that need it.
type Lease struct {
	store  Store
	record leaseRecord
	number int64
	// written is the time before the write of the last record, by the local clock.
	written time.Time
	until   time.Time // the deadline of the run; zero for none
	end     func()    // ends the renewal; nil before Hold
}

// Acquire takes a lease for a run, or returns ErrBusy. The lease ends with the deadline of ctx, or of
// Hold's.
func Acquire(ctx context.Context, store Store, run string) (*Lease, error) {
	latest, err := newestLease(ctx, store)
	if err != nil {
		return nil, err
	}
	if latest.number > 0 && !latest.record.Released && latest.age < latest.record.term() {
		return nil, latest.busy()
	}
	l := &Lease{store: store, record: leaseRecord{Format: leaseFormat, Holder: rand.Text(), Run: run}, number: latest.number, written: time.Now()}
	l.until, _ = ctx.Deadline()
	err = l.write(ctx)
	if errors.Is(err, ErrExists) { // another run was faster
		if latest, readErr := newestLease(ctx, store); readErr == nil {
			return nil, latest.busy()
		}
		return nil, ErrBusy
	}
	if err != nil {
		return nil, fmt.Errorf("take the lease: %w", err)
	}
	return l, nil
}

// Hold renews the lease until it is released or ctx ends. The returned context ends when the lease is
// lost.
func (l *Lease) Hold(ctx context.Context) context.Context {
	l.until, _ = ctx.Deadline()
	held, end := context.WithCancelCause(ctx)
	stop, stopped := context.WithCancel(held)
	ended := make(chan struct{})
	l.end = func() {
		stopped()
		<-ended
	}
	go func() {
		defer close(ended)
		if err := task.Run(func() { l.renew(stop, end) }); err != nil {
			end(fmt.Errorf("the lease was lost: %w", err))
		}
	}()
	return held
}

func (l *Lease) write(ctx context.Context) error {
	l.record.Seconds = 0
	if !l.until.IsZero() {
		// The store's clock has whole seconds: it can show one more than passed.
		l.record.Seconds = int(min(leaseTerm, max(0, time.Until(l.until)))/time.Second) + 2
	}
	if err := CreateJSON(ctx, l.store, NumberedName(leaseFolder, l.number+1), l.record); err != nil {
		return err
	}
	l.number++
	return nil
}

// renew renews the lease until it is stopped. It repeats failed writes within the term.
func (l *Lease) renew(stop context.Context, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(leaseRenewal)
	defer ticker.Stop()
	for {
		select {
		case <-stop.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		switch err := l.write(stop); {
		case err == nil:
			l.written = began
		case errors.Is(err, ErrExists), time.Since(l.written) > leaseTerm:
			lost(fmt.Errorf("the lease was lost: %w", ErrBusy))
			return
		}
	}
}

// Release releases the lease.
func (l *Lease) Release(ctx context.Context) error {
	if l.end != nil {
		l.end()
	}
	l.record.Released = true
	if err := l.write(ctx); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("release the lease: %w", err)
	}
	return nil
}

type leased struct {
	number int64
	record leaseRecord
	age    time.Duration
}

func (l leased) busy() error { return fmt.Errorf("%w: %s", ErrBusy, text.Bound(l.record.Run)) }

// newestLease returns the latest record of the lease. Its number is 0 without a record.
func newestLease(ctx context.Context, store Store) (leased, error) {
	for listed, err := range store.List(ctx, leaseFolder, "") {
		if err != nil {
			return leased{}, fmt.Errorf("read the lease: %w", err)
		}
		number := NumberOf(leaseFolder, listed.Name)
		switch number {
		case 0:
			continue
		case math.MaxInt64:
			return leased{}, fmt.Errorf("read the lease: record %s: %w: its number is the last possible one: remove it", listed.Name, ErrDamaged)
		}
		data, err := store.Read(ctx, listed.Name)
		if err != nil {
			return leased{}, fmt.Errorf("read the lease: record %s: %w", listed.Name, err)
		}
		now := listed.Now
		if now.IsZero() {
			now = time.Now()
		}
		l := leased{number: number, age: now.Sub(listed.Written)}
		if l.age < -leaseTerm {
			l.age = leaseTerm // the time is far in the future
		}
		if err := json.Unmarshal(data, &l.record); err != nil || l.record.Format != leaseFormat {
			// Its writer may hold the lease, for at most leaseTerm.
			l.record = leaseRecord{Run: "unknown: cannot read record " + listed.Name}
		}
		return l, nil
	}
	return leased{}, nil
}
