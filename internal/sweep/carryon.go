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
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
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
	var damaged *damagedRecord
	for _, name := range slices.Backward(records) {
		if damaged != nil && name >= damaged.name {
			continue // its chain has the damaged record too
		}
		switch chain, err := r.load(ctx, name); {
		case errors.Is(err, errFinished), err != nil && ctx.Err() != nil:
			return
		case errors.Is(err, errNoPlace):
		case err != nil:
			errors.As(err, &damaged)
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

// damagedRecord is an error in one record of a chain.
type damagedRecord struct {
	name string
	err  error
}

func (e *damagedRecord) Error() string { return fmt.Sprintf("record %s: %v", e.name, e.err) }

func (e *damagedRecord) Unwrap() error { return e.err }

// load takes over what a record and those before it have, all of it or nothing, and returns
// how many these are.
func (r *run) load(ctx context.Context, name string) (chain int, err error) {
	var head checkpoint
	var taken *seen
	var places []retention.Place
	var loaded planLines
	expired := map[string]int{} // media of the plan, by their rules
	previous := name
	for first := true; previous != ""; first = false {
		data, err := r.Store.Read(ctx, previous)
		var read checkpoint
		var ranked []retention.Place
		if err == nil {
			read, ranked, err = decodeCheckpoint(data, func(l line) error {
				expired[l.rule]++
				return loaded.add(l)
			})
		}
		switch {
		case err != nil:
		case first && (read.More || read.Policy != r.reports[0].Policy || read.Region != r.Region || read.AsOf.After(r.Now()) || r.Now().Sub(read.AsOf) > checkpointAge):
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
		folder := previous[:strings.LastIndex(previous, "/")+1]
		if err == nil && read.Previous != "" && (read.Previous >= previous || !strings.HasPrefix(read.Previous, folder)) {
			err = fmt.Errorf("it follows %s", text.Quote(read.Previous))
		}
		if err != nil {
			loaded.Close()
			return 0, &damagedRecord{previous, err}
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
		err = r.resume(head, places, expired)
	}
	if err != nil {
		loaded.Close()
		return 0, err
	}
	r.plan, r.listing.seen = loaded, taken
	r.Log.Info("carrying on a look that was cut off", "after", text.Bound(head.After), "asOf", head.AsOf, "looked", head.Report.Counts.Looked)
	return chain, nil
}

// decodeCheckpoint reads one record, and hands over its part of the plan: media that were
// read at no known time.
func decodeCheckpoint(data []byte, take func(line) error) (head checkpoint, places []retention.Place, err error) {
	number := 0
	for record, err := range boundedLines(data, checkpointHead, maxSegment) {
		switch {
		case err != nil:
		case number == 0:
			if err = json.Unmarshal(record, &head); err == nil {
				err = head.check()
			}
		case number <= head.Places:
			var place retention.Place
			err = json.Unmarshal(record, &place)
			places = append(places, place)
		default:
			err = takeLine(record, take)
		}
		if err != nil {
			return checkpoint{}, nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		number++
	}
	if number == 0 || number <= head.Places {
		return checkpoint{}, nil, errors.New("it is cut off")
	}
	return head, places, nil
}

// check refuses a head that no look writes. Numbers that add up may still be wrong: the
// guard does not believe them.
func (head *checkpoint) check() error {
	switch {
	case head.Format != checkpointFormat:
		return fmt.Errorf("format %d, this program reads format %d: %w", head.Format, checkpointFormat, errNoPlace)
	case head.More:
		return nil
	case head.Report == nil:
		return errors.New("it has no report")
	}
	c := head.Report.Counts
	for _, n := range []int{c.Looked, c.Absent, c.Unknown, c.Protected, c.Kept, c.Expired, c.ObjectsWithoutMedia, head.Passed, head.PassedLive, head.Places} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("a count of %d", n)
		}
	}
	if c.Looked != c.Absent+c.Unknown+c.Protected+c.Kept+c.Expired {
		return errors.New("its counts do not add up")
	}
	return nil
}

// maxCount bounds a count of media that a record gives: sums of a few stay in range.
const maxCount = 1 << 40

func takeLine(record []byte, take func(line) error) error {
	var kept struct{ Entry plan.Entry }
	if err := json.Unmarshal(record, &kept); err != nil {
		return err
	}
	l, err := keptLine(kept.Entry, unread)
	if err != nil {
		return err
	}
	return take(l)
}

// resume continues an earlier look. The record is a hint only: its candidates must be in
// the inventory, its media are read again before they are sent, and the guard counts
// the library itself.
func (r *run) resume(head checkpoint, places []retention.Place, expired map[string]int) error {
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
	rules, err := resumedRules(one.Rules, head.Report.Rules, expired)
	if err != nil {
		return err
	}
	c := head.Report.Counts
	lines := 0
	for _, n := range expired {
		lines += n
	}
	if lines != c.Expired {
		return fmt.Errorf("it has %d media that have expired, and counts %d", lines, c.Expired)
	}
	one.AsOf, one.Rules, one.Failures, one.Sources = head.AsOf, rules, head.Report.Failures, head.Report.Sources
	one.Counts = report.Counts{Looked: c.Looked, Absent: c.Absent, Unknown: c.Unknown, Protected: c.Protected, Kept: c.Kept, Expired: c.Expired, ObjectsWithoutMedia: c.ObjectsWithoutMedia}
	at.passed, at.live = head.Passed, head.PassedLive
	if head.Missing {
		r.missing[one] = true
	}
	r.asOf, r.decider, r.listing, r.again = head.AsOf, decider, at, again
	r.named, r.claimed, r.claimedTo = &seen{}, c.Looked-c.Absent+head.PassedLive, head.After
	return nil
}

// resumedRules returns the lines of a policy's rules with the counts of an earlier look.
// The expired media of a rule are those in the plan.
func resumedRules(own, earlier []report.Rule, expired map[string]int) ([]report.Rule, error) {
	if len(own) != len(earlier) {
		return nil, fmt.Errorf("it has %d rules, and the policy %d", len(earlier), len(own))
	}
	rules, found := slices.Clone(own), 0
	for i, rule := range earlier {
		is := &rules[i]
		if rule.Name != is.Name || rule.Kind != is.Kind || rule.Applied < expired[rule.Name] || rule.Applied > maxCount {
			return nil, fmt.Errorf("its line of rule %s is not one of this policy", text.Quote(rule.Name))
		}
		is.Applied, is.Deleted = rule.Applied, 0
		if is.Kind == "expire" {
			is.Expired = expired[rule.Name]
			found += is.Expired
		}
	}
	for _, n := range expired {
		found -= n
	}
	if found != 0 {
		return nil, errors.New("it has media that have expired by no rule of this policy")
	}
	return rules, nil
}
