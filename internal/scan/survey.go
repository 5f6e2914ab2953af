package scan

import (
	"context"
	"fmt"
	"slices"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Survey scans the candidates of a request. Then it calls one pass after another with every medium once, in the order of
// their IDs. It decides nothing and writes nothing. A medium with contradictory answers is in doubt. One that a list
// contradicts is counted, as by a run.
func (s *Scanner) Survey(ctx context.Context, request Request, passes ...func(media.Medium)) *Found {
	c := s.inOrder(func(sorted bool) *scan {
		c := s.newScan(ctx, ctx, request, sorted)
		defer c.pool.close()
		c.decider = decider{surveys: true}
		c.lookUpAll()
		return c
	})
	for i, pass := range passes {
		for f := range c.findings() {
			m, ok, err := f.surveyed()
			switch {
			case err != nil:
				c.fail(err)
			case ok:
				pass(m)
			case i == 0:
				f.count(&c.Tally)
			}
		}
	}
	c.Notes = c.notes()
	return c.result()
}

// ForGroups returns the policy under which a survey reads the other media of a medium's groups. Its inventory is empty if there
// are none. It has all lists, which may name media of any group, and one rule: a scan skips rows of reports that no rule takes.
func ForGroups(p *policy.Policy, rank retention.Rank) *policy.Policy {
	if len(rank.Groups) == 0 {
		return &policy.Policy{}
	}
	own, rule := *p, *p.ExpireRule(rank.Rule)
	own.Inventory.Prefixes = where(p, rank)
	if rule.KeepLatest.Per == policy.PerFolder {
		if inside, err := policy.ParseGlob(rank.Groups[0] + "*"); err == nil {
			rule.Match.Object = []policy.Glob{inside}
		}
	}
	own.Expire = []policy.Rule{rule}
	return &own
}

// ForBoth returns the policy under which a survey reads the media of two policies, and the rows of reports that a rule of
// either takes.
func ForBoth(p, next *policy.Policy) *policy.Policy {
	both := *p
	both.Inventory, both.Expire = p.Inventory.And(next.Inventory), slices.Concat(p.Expire, next.Expire)
	return &both
}

// contradictory is the reason why a medium with different records in two answers is unknown.
const contradictory = "MPS returned it twice with different records"

// survey makes a finding that of a survey. In place of a line of a plan it has the record, whose keys are in order there too; in
// place of a rule it has the doubt. A medium that a list contradicts is unknown.
func (f *finding) survey(m *media.Medium, contradicted bool) {
	f.verdict, f.rule, f.line = retention.Keep, m.Doubt, plan.Line{State: m.State, Text: m.Record}
	if canonical, err := text.Canonical(m.Record); err == nil {
		f.line.Text = canonical
	}
	if contradicted {
		f.verdict = retention.Unknown
	}
}

// surveyed returns the medium of a finding of a survey. ok is false for what is counted only: a name without a medium, and a
// medium that a list contradicts.
func (f *finding) surveyed() (m media.Medium, ok bool, err error) {
	switch {
	case f.mediaID == "", f.uncounted:
		return m, false, nil
	case f.contradicted:
		object, _ := media.ParseObject(f.name) // zero for an ID
		return media.Medium{ID: f.mediaID, Object: object, Doubt: contradictory}, true, nil
	case f.verdict != retention.Keep:
		return m, false, nil
	}
	if m, err = media.Parse(f.line.Text); err != nil {
		return m, false, fmt.Errorf("read the record of %s again: %w", text.Quote(f.mediaID), err)
	}
	m.State, m.Doubt = f.line.State, f.rule
	return m, true, nil
}
