//go:build !linux

package bench

import "os"

// peak is known on Linux only: the unit differs elsewhere.
func peak(*os.ProcessState) int64 { return 0 }
