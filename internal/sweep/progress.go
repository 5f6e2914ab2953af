package sweep

import (
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// Progress is how far a run is.
type Progress struct {
	// Deleting says that the plan is saved and its media are being deleted; before, candidates
	// are looked up.
	Deleting bool
	// Done counts candidates or media, and Total is how many there will be; 0 if unknown.
	Done, Total int
	// Over says that nothing more will be shown.
	Over bool
}

// Show shows how far a run is.
type Show func(Progress)

// progress shows a run's progress now and then.
type progress struct {
	show Show
	mu   sync.Mutex
	now  Progress
	done chan struct{}
	over sync.WaitGroup
}

// show begins to show progress, until stop is called.
func show(show Show, every time.Duration) *progress {
	p := &progress{show: show, done: make(chan struct{})}
	ticker := time.NewTicker(every)
	p.over.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-p.done:
				return
			case <-ticker.C:
				p.mu.Lock()
				now := p.now
				p.mu.Unlock()
				_ = task.Run(func() { p.show(now) }) // nothing rests on it
			}
		}
	})
	return p
}

// stop shows the progress once more.
func (p *progress) stop() {
	close(p.done)
	p.over.Wait()
	p.now.Over = true
	p.show(p.now)
}

func (p *progress) scanned(done int) { p.set(Progress{Done: done}) }

func (p *progress) deleting(total int) { p.set(Progress{Deleting: true, Total: total}) }

func (p *progress) deleted(media int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += media
}

func (p *progress) set(now Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
}
