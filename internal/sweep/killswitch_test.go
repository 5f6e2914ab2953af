package sweep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/deadline"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/sweep"
)

// switchStore is a store whose kill switch answers with an error, or with nil if it is on.
type switchStore struct {
	state.Store
	answer func() error
}

func (s switchStore) Read(context.Context, string) ([]byte, error) { return nil, s.answer() }

// A kill switch that cannot be read stops an enforcing run, and no dry run.
func TestTheKillSwitchFailsClosed(t *testing.T) {
	denied := errors.New("403 AccessDenied")
	for name, test := range map[string]struct {
		first, then error
		strict      bool
		err, cause  error // cause is that of the context after a minute
	}{
		"off":                              {state.ErrNotFound, state.ErrNotFound, true, nil, nil},
		"on":                               {nil, nil, true, nil, sweep.ErrStopped},
		"on for a dry run":                 {nil, nil, false, nil, sweep.ErrStopped},
		"switched on":                      {state.ErrNotFound, nil, true, nil, sweep.ErrStopped},
		"unreadable":                       {denied, state.ErrNotFound, true, denied, nil},
		"unreadable from now on":           {state.ErrNotFound, denied, true, nil, denied},
		"unreadable during a dry run":      {state.ErrNotFound, denied, false, nil, nil},
		"unreadable when a dry run begins": {denied, denied, false, denied, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := test.first
				admit, end, err := sweep.Admit(t.Context(), deadline.Budget{}, switchStore{answer: func() error {
					defer func() { answer = test.then }()
					return answer
				}}, test.strict)
				defer end()
				if !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
				time.Sleep(time.Minute)
				if cause := context.Cause(admit); !errors.Is(cause, test.cause) {
					t.Errorf("cause %v, want %v", cause, test.cause)
				}
			})
		})
	}
}

// Reads of the kill switch may fail for ten seconds.
func TestHowLongTheKillSwitchMayBeUnreadable(t *testing.T) {
	denied := errors.New("403 AccessDenied")
	for failures, ended := range map[int]bool{1: false, 10: false, 11: true} {
		synctest.Test(t, func(t *testing.T) {
			reads := 0
			admit, end, err := sweep.Admit(t.Context(), deadline.Budget{}, switchStore{answer: func() error {
				if reads++; reads > 1 && reads <= 1+failures {
					return denied
				}
				return state.ErrNotFound
			}}, true)
			defer end()
			time.Sleep(time.Minute)
			if (context.Cause(admit) != nil) != ended || err != nil {
				t.Errorf("%d failures: ended by %v; %v", failures, context.Cause(admit), err)
			}
		})
	}
}
