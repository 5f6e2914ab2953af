package sweep

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/task"
)

// An orphan is a medium whose source object is gone. A rule with onSourceRemoved takes
// it after an event has said so, and only if OSS says so too when it is asked.

// Sources tells whether objects are there.
type Sources interface {
	Exists(ctx context.Context, object media.Object) (bool, error)
}

// removed returns the objects of all parts that an event says are gone.
func removed(parts []Part) []media.Object {
	var objects []media.Object
	for _, part := range parts {
		objects = append(objects, part.Request.Removed...)
	}
	return objects
}

// takesOrphans reports whether the rule of a name is one that takes orphans.
func takesOrphans(p *policy.Policy, rule string) bool {
	return slices.ContainsFunc(p.Expire, func(r policy.Rule) bool { return r.OnSourceRemoved && r.Name == rule })
}

// askForSources finds out which objects are gone. One of which OSS does not tell is
// taken to be there, and makes its runs partial ones.
func (r *run) askForSources(ctx context.Context, objects []media.Object) {
	if !slices.ContainsFunc(r.Policy.Expire, func(rule policy.Rule) bool { return rule.OnSourceRemoved }) {
		return
	}
	var group errgroup.Group
	group.SetLimit(mps.InFlight)
	for _, object := range objects {
		group.Go(func() error {
			exists := true
			err := task.Do(func() (err error) {
				exists, err = r.Objects.Exists(ctx, object)
				return err
			})
			r.mu.Lock()
			defer r.mu.Unlock()
			if delete(r.gone, object); err == nil && !exists {
				r.gone[object] = true
			}
			if err != nil {
				for _, one := range r.of(object) {
					r.missing[one] = true
					r.fail(one, report.Failure{Object: object.String(), Message: err.Error()})
				}
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no error
}

// decideOrphans decides on the media of an applied plan that it has as orphans.
func (r *run) decideOrphans(ctx context.Context) {
	var objects []media.Object
	for _, m := range r.orphans {
		objects = append(objects, m.Object)
	}
	r.askForSources(ctx, objects)
	for _, m := range r.orphans {
		r.decider.Add(m, r.gone[m.Object], r.decided)
	}
}

// stillOrphans asks anew for the sources of media that were read again before their
// deletion.
func (d *deletion) stillOrphans(batch []expired, found map[string]*media.Medium) {
	var objects []media.Object
	for _, e := range batch {
		if m := found[e.id]; m != nil && takesOrphans(d.Policy, e.rule) {
			objects = append(objects, m.Object)
		}
	}
	d.askForSources(d.ctx, objects)
}

// tellOfOrphans says in a report that what went cannot be brought back.
func (r *run) tellOfOrphans(one *report.Report) {
	for _, rule := range one.Rules {
		if rule.Expired > 0 && rule.Kind == "expire" && takesOrphans(r.Policy, rule.Name) {
			one.Notes = append(one.Notes, fmt.Sprintf("rule %s: the sources of %d media are gone: once deleted, these cannot be restored", rule.Name, rule.Expired))
		}
	}
}
