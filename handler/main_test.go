package handler_test

import (
	"runtime/debug"
	"testing"

	"github.com/mediasweep/mediasweep/internal/state/statetest"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	defer statetest.InMemory()()
	m.Run()
}
