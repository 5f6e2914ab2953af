//go:build unix

package state

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether a file belongs to the user that runs the program.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(stat.Uid) == int64(os.Geteuid())
}
