package statetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// room is what the folders of a package's tests need at most, with a margin, in bytes.
const room = 128 << 20

// InMemory makes temporary folders in memory, where the system has room for them, until end is called. The syncs of a
// disk take half of the time of tests that keep state in folders; internal/state has its tests on a disk.
func InMemory() (end func()) {
	nothing := func() {}
	folder, err := os.MkdirTemp("/dev/shm", "mediasweep-")
	if err != nil {
		return nothing
	}
	remove := func() { _ = os.RemoveAll(folder) }
	full, program := filepath.Join(folder, "full"), filepath.Join(folder, "program")
	err = os.WriteFile(full, make([]byte, room), 0o600)
	if err == nil {
		err = os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700) //nolint:gosec // some tests run programs there
	}
	if err == nil {
		err = exec.CommandContext(context.Background(), program).Run() //nolint:gosec // the program above
	}
	_ = os.Remove(full)
	if err != nil {
		remove()
		return nothing
	}
	_ = os.Setenv("TMPDIR", folder)
	return remove
}
