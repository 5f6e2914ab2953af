package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// A look at the inventory that takes longer than the function's time is carried on
// by the next scheduled run, for as long as checkpointAge: then it starts over.
const (
	checkpointFolder = "checkpoints/"
	checkpointAge    = 24 * time.Hour
)

// checkpoint is where a look was cut off, and what it had found by then.
type checkpoint struct {
	Format int       `json:"format"`
	AsOf   time.Time `json:"asOf"`
	Policy string    `json:"policy"`
	// After is the last object of the listing that has been taken, with all before
	// it; Pending are those of them that were not asked for in time, and Again those
	// that are still to be asked for in the other form.
	After   string   `json:"after"`
	Pending []string `json:"pending"`
	Again   []string `json:"again"`
	// Report has the counts by then.
	Report *report.Report `json:"report"`
	// Places are the rankings of groups by then.
	Places []retention.Place `json:"places"`
	// Segments are the names of records: gzipped checkpointLines.
	Segments []string `json:"segments"`

	name string
}

// checkpointFormat is the version of checkpoint. A reader refuses others.
const checkpointFormat = 1

// checkpointLine is one medium of the plan that is being made.
type checkpointLine struct {
	Decided time.Time       `json:"decided"`
	Entry   json.RawMessage `json:"entry"`
}

// carryOn makes the run go on where an earlier one was cut off, if one was under the
// same rules and not too long ago. What cannot be read is told, and the run starts
// over.
func (r *run) carryOn(ctx context.Context) {
	found, err := r.cutOff(ctx)
	if err == nil && found != nil {
		err = r.load(ctx, found)
	}
	if err != nil {
		r.Log.Error("a look that was cut off cannot be carried on: starting over", "error", err.Error())
	}
}

// load takes over what a checkpoint has, all of it or nothing.
func (r *run) load(ctx context.Context, found *checkpoint) error {
	after, err := media.ParseObject(found.After)
	if err != nil {
		return err
	}
	pending, pendingErr := parseObjects(found.Pending)
	again, againErr := parseObjects(found.Again)
	if err := errors.Join(pendingErr, againErr); err != nil {
		return err
	}
	decider := retention.NewDecider(r.Policy, found.AsOf)
	decider.Marks = r.Marks.Of(found.AsOf)
	if err := decider.Resume(found.Places); err != nil {
		return err
	}
	var loaded spool
	for _, name := range found.Segments {
		if err := r.loadSegment(ctx, name, &loaded); err != nil {
			loaded.close()
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	one := r.reports[0]
	one.AsOf, one.Counts, one.Rules, one.Failures = found.AsOf, found.Report.Counts, found.Report.Rules, found.Report.Failures
	r.missing[one] = len(one.Failures) > 0
	r.asOf, r.decider, r.plan, r.pending, r.again, r.after, r.carried = found.AsOf, decider, loaded, pending, again, after, found
	r.Log.Info("carrying on a look that was cut off", "after", found.After, "asOf", found.AsOf, "looked", one.Counts.Looked)
	return nil
}

func parseObjects(texts []string) ([]media.Object, error) {
	var objects []media.Object
	for _, text := range texts {
		object, err := media.ParseObject(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (r *run) loadSegment(ctx context.Context, name string, into *spool) error {
	data, err := r.Store.Read(ctx, name)
	if err != nil {
		return err
	}
	for text, err := range lines(data) {
		var kept struct {
			Decided time.Time
			Entry   plan.Entry
		}
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		var l line
		if err == nil {
			l, err = keptLine(kept.Entry, kept.Decided)
		}
		if err == nil {
			l.saved = true
			err = into.add(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cutOff returns the latest checkpoint that the run can carry on from, or nothing.
func (r *run) cutOff(ctx context.Context) (*checkpoint, error) {
	var names []string
	closed := map[string]bool{}
	for record, err := range r.Store.List(ctx, checkpointFolder, checkpointFolder+r.Now().UTC().Add(-checkpointAge).Format(checkpointForm)) {
		if err != nil {
			return nil, fmt.Errorf("look for a look that was cut off: %w", err)
		}
		if name, ok := strings.CutSuffix(record.Name, "/checkpoint.json"); ok {
			names = append(names, name)
		} else if name, ok := strings.CutSuffix(record.Name, "/closed.json"); ok {
			closed[name] = true
		}
	}
	if len(names) == 0 || closed[names[len(names)-1]] {
		return nil, nil
	}
	name := names[len(names)-1]
	data, err := r.Store.Read(ctx, name+"/checkpoint.json")
	if err != nil {
		return nil, fmt.Errorf("look for a look that was cut off: %w", err)
	}
	found := &checkpoint{name: name}
	if err := json.Unmarshal(data, found); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if found.Format != checkpointFormat || found.Report == nil {
		return nil, fmt.Errorf("read %s: format %d: this program reads format %d", name, found.Format, checkpointFormat)
	}
	if found.Policy != r.reports[0].Policy || r.Now().Sub(found.AsOf) > checkpointAge {
		return nil, nil
	}
	return found, nil
}

// checkpointForm sorts as time does.
const checkpointForm = "20060102T150405.000000000Z"

// checkpoint writes where the look was cut off. What an earlier one wrote is not
// written again.
func (r *run) checkpoint(ctx context.Context) error {
	one := r.reports[0]
	c := checkpoint{Format: checkpointFormat, AsOf: r.asOf, Policy: one.Policy, After: r.after.String(), Pending: addresses(r.pending), Again: addresses(r.again), Report: one, Places: r.decider.Places(),
		Segments: []string{}, name: fmt.Sprintf("%s%s-%s", checkpointFolder, r.Now().UTC().Format(checkpointForm), state.SafeName(one.Run))}
	if r.carried != nil {
		c.Segments = r.carried.Segments
	}
	written := newSegments(len(c.Segments), func(number int, record []byte) error {
		name := fmt.Sprintf("%s/%06d.jsonl.gz", c.name, number)
		c.Segments = append(c.Segments, name)
		return r.Store.Create(ctx, name, record)
	})
	for l, err := range r.plan.all() {
		if err != nil {
			return err
		}
		if l.saved {
			continue
		}
		text, err := json.Marshal(checkpointLine{time.Unix(l.decided, 0).UTC(), l.text})
		if err == nil {
			err = written.add(append(text, '\n'))
		}
		if err != nil {
			return err
		}
	}
	if err := written.close(); err != nil {
		return err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return errors.Join(r.Store.Create(ctx, c.name+"/checkpoint.json", data), r.closeCarried(ctx))
}

// closeCarried notes that the checkpoint which the run carried on from has been
// used.
func (r *run) closeCarried(ctx context.Context) error {
	if r.carried == nil {
		return nil
	}
	return r.Store.Create(ctx, r.carried.name+"/closed.json", []byte("{\"format\":1}\n"))
}
