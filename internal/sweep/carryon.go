package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// carryOn makes the run go on where an earlier one was cut off, if one was under the
// same rules and not too long ago. A record that cannot be read is told, and the one
// before it is taken.
func (r *run) carryOn(ctx context.Context) {
	c := &checkpoints{part: 1, noted: time.Now(), writing: newLock()}
	c.folder = checkpointFolder + state.RunName(r.Now(), r.reports[0].Run) + "/"
	r.checkpoint, r.took = c, func() { r.keepPlaceNowAndThen(ctx) }
	records, err := r.cutOff(ctx)
	if err != nil {
		r.Log.Error("a look that was cut off cannot be carried on: starting over", "error", err.Error())
	}
	for _, name := range slices.Backward(records) {
		switch chain, err := r.load(ctx, name); {
		case errors.Is(err, errFinished):
			return
		case errors.Is(err, errNoPlace):
		case err != nil:
			r.Log.Error("a look that was cut off cannot be carried on from here", "record", name, "error", err.Error())
		default:
			c.folder, c.last, c.previous, c.loaded = name[:strings.LastIndex(name, "/")+1], name, name, r.plan.Len()
			_, _ = fmt.Sscanf(records[len(records)-1][len(c.folder):], "%d", &c.number) // else the first that is free
			if chain > maxChain && r.plan.Len() <= checkpointLines/2 && r.listing.seen.bytes() <= checkpointSeen {
				r.beginAnew()
			}
			return
		}
	}
}

// beginAnew makes the next record one that stands for itself, with all that those before it
// have: who carries on a look that is cut off again and again would else come to nothing
// but reading them.
func (r *run) beginAnew() {
	c := r.checkpoint
	for l, err := range r.plan.all() {
		if err != nil {
			c.lines = nil
			return // the plan will tell
		}
		l.part = c.part
		c.lines = append(c.lines, l)
	}
	r.listing.seen.renew()
	c.previous, c.saved = "", -1
}

// maxChain is how many records are read of a look that is carried on before the next stands
// for itself, if that is not too large.
const maxChain = 2

// cutOff returns the records of the latest look, if it was cut off.
func (r *run) cutOff(ctx context.Context) ([]string, error) {
	records := map[string][]string{}
	for record, err := range r.Store.List(ctx, checkpointFolder, checkpointFolder+state.Stamp(r.Now().Add(-checkpointAge))) {
		if err != nil {
			return nil, fmt.Errorf("look for a look that was cut off: %w", err)
		}
		folder := record.Name[:strings.LastIndex(record.Name, "/")+1]
		records[folder] = append(records[folder], record.Name)
	}
	if len(records) == 0 {
		return nil, nil
	}
	latest := records[slices.Max(slices.Collect(maps.Keys(records)))]
	if strings.HasSuffix(latest[len(latest)-1], "/"+closedName) { // letters come after digits
		return nil, nil
	}
	return latest, nil
}

// errNoPlace says that a record is none to carry on from, and errFinished that the look
// has been finished, though that could not be noted.
var (
	errNoPlace  = errors.New("not a place to carry on from")
	errFinished = errors.New("the look has been finished")
)

// load takes over what a record and those before it have, all of it or nothing, and returns
// how many these are.
func (r *run) load(ctx context.Context, name string) (chain int, err error) {
	var head checkpoint
	var taken *seen
	var places []retention.Place
	var loaded planLines
	previous := name
	for first := true; previous != ""; first = false {
		read, ranked, err := r.loadOne(ctx, previous, &loaded)
		switch {
		case err != nil:
		case first && (read.More || read.Policy != r.reports[0].Policy || r.Now().Sub(read.AsOf) > checkpointAge):
			err = errNoPlace
		case first:
			head, places = read, ranked
		}
		if len(read.Seen) > 0 {
			if taken == nil {
				taken = &seen{kept: true}
			}
			taken.load(read.Seen)
		}
		if err == nil && read.Previous >= previous {
			err = fmt.Errorf("it follows %s", read.Previous)
		}
		if err != nil {
			loaded.Close()
			return 0, err
		}
		previous = read.Previous
		chain++
	}
	if head.Remembers && taken == nil {
		taken = &seen{kept: true}
	}
	begun, err := deletionBegun(ctx, r.Store, head.AsOf)
	switch {
	case err != nil:
	case begun:
		err = errFinished
	default:
		err = r.resume(head, places)
	}
	if err != nil {
		loaded.Close()
		return 0, err
	}
	r.plan, r.listing.seen = loaded, taken
	r.Log.Info("carrying on a look that was cut off", "after", head.After, "asOf", head.AsOf, "looked", head.Report.Counts.Looked)
	return chain, nil
}

// loadOne reads one record, and its part of the plan.
func (r *run) loadOne(ctx context.Context, name string, into *planLines) (head checkpoint, places []retention.Place, err error) {
	data, err := r.Store.Read(ctx, name)
	if err != nil {
		return head, nil, err
	}
	number := 0
	for text, err := range lines(data) {
		switch {
		case err != nil:
		case number == 0:
			err = json.Unmarshal(text, &head)
			if err == nil && (head.Format != checkpointFormat || head.Report == nil && !head.More) {
				err = fmt.Errorf("format %d: this program reads format %d", head.Format, checkpointFormat)
			}
		case number <= head.Places:
			var place retention.Place
			err = json.Unmarshal(text, &place)
			places = append(places, place)
		default:
			err = loadLine(text, into)
		}
		if err != nil {
			return head, nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		number++
	}
	if number == 0 || number <= head.Places {
		return head, nil, errors.New("it is cut off")
	}
	return head, places, nil
}

func loadLine(text []byte, into *planLines) error {
	var kept struct {
		Decided time.Time
		Entry   plan.Entry
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	l, err := keptLine(kept.Entry, kept.Decided)
	if err != nil {
		return err
	}
	return into.add(l)
}

// resume takes over where a look was.
func (r *run) resume(head checkpoint, places []retention.Place) error {
	at := listing{after: head.After}
	var again []media.Object
	for _, open := range head.Pending {
		c, err := inventory.Named(open.Name, open.Modified)
		if err != nil {
			return err
		}
		slash := media.SlashPlain
		if open.Escaped {
			slash = media.SlashEscaped
			again = append(again, c.Object)
		}
		at.put(c, slash)
	}
	decider := retention.NewDecider(r.Policy, head.AsOf)
	decider.Marks, decider.Clock = r.Marks.Of, r.Now
	if err := decider.Resume(places); err != nil {
		return err
	}
	one := r.reports[0]
	one.AsOf, one.Counts, one.Rules, one.Failures = head.AsOf, head.Report.Counts, head.Report.Rules, head.Report.Failures
	one.Sources = head.Report.Sources
	at.passed, at.live = head.Passed, head.PassedLive
	if head.Missing {
		r.missing[one] = true
	}
	r.asOf, r.decider, r.listing, r.again = head.AsOf, decider, at, again
	return nil
}
