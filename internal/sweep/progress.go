package sweep

import (
	"sync"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// Progress is the state of a run.
type Progress struct {
	Run string
	// Deleting is true while media of the plan are deleted. Before, candidates are looked up.
	Deleting bool
	// Restoring is true for a restore.
	Restoring bool
	// Done counts candidates or media. Total is their final number; 0 if unknown.
	Done, Total int
	// Over is true for the last one of a run.
	Over bool
}

// Display calls Progress at intervals of Every.
type Display struct {
	Progress func(Progress)
	Every    time.Duration
}

// Meter shows a run's progress at intervals.
type Meter struct {
	show func(Progress)
	mu   sync.Mutex
	now  Progress
	done chan struct{}
	over sync.WaitGroup
}

// NewMeter shows the progress of a run until Stop is called.
func NewMeter(d Display, run string) *Meter {
	p := &Meter{show: d.Progress, now: Progress{Run: run}, done: make(chan struct{})}
	ticker := time.NewTicker(d.Every)
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
				_ = task.Run(func() { p.show(now) }) // a panic of show must not end the run
			}
		}
	})
	return p
}

// Stop ends the intervals, and shows the progress a last time.
func (p *Meter) Stop() {
	close(p.done)
	p.over.Wait()
	p.now.Over = true
	_ = task.Run(func() { p.show(p.now) })
}

// Set sets the progress, but for the run.
func (p *Meter) Set(now Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now.Run = p.now.Run
	p.now = now
}

// Add counts media that are done.
func (p *Meter) Add(media int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += media
}
