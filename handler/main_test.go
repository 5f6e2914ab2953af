package handler_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain keeps state folders in memory where the system has such a file system. The syncs of a disk take half of the
// time of these tests, and internal/state has its tests on a disk.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	if memory, err := os.MkdirTemp("/dev/shm", "mediasweep-"); err == nil {
		defer os.RemoveAll(memory) //nolint:errcheck // of memory
		_ = os.Setenv("TMPDIR", memory)
	}
	m.Run()
}
