package sweep

import (
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// Progress is how far a run is.
type Progress struct {
	// Deleting says that the plan is written and its media are being deleted;
	// before, candidates are looked up.
	Deleting bool
	// Done counts media, and Total is how many there will be; 0 while nobody
	// knows.
	Done, Total int
	// Over says that nothing more will be told.
	Over bool
}

// tell calls Progress every Every until stop is called, and then once more.
func (l *look) tell() (stop func()) {
	if l.Progress == nil {
		return func() {}
	}
	ticker := time.NewTicker(l.Every)
	done := make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				l.mu.Lock()
				now := l.progress
				l.mu.Unlock()
				_ = task.Run(func() { l.Progress(now) }) // nothing rests on it
			}
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		teller.Wait()
		l.progress.Over = true
		l.Progress(l.progress)
	}
}
