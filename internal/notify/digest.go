package notify

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Matters reports whether a run is worth a message. ofLibrary is false for an event and for given media. A caller who waits
// sees in the answer that the request was refused.
func Matters(r *report.Report, ofLibrary bool) bool {
	switch r.Status {
	case report.Failed:
		return !r.Refused || r.Trigger != trigger.HTTP && r.Trigger != trigger.CLI
	case report.Blocked:
		return true
	case report.Partial:
		return ofLibrary
	case report.Done, report.Incomplete:
		restored := r.Restore != nil && !r.Restore.DryRun && r.Restore.Restored > 0
		announced := r.Mode == policy.Enforce && r.Counts.Announced > 0
		return ofLibrary && (r.Counts.Deleted > 0 || restored || announced)
	case report.Busy:
	}
	return false
}

// Digest says what a run did.
type Digest struct {
	Report *report.Report
	// Held is the number of earlier messages that were held back.
	Held int
}

// Most items of a list in a message.
const (
	maxRules    = 10
	maxFailures = 3
	maxDays     = 7
)

// Message puts a digest into words. What a person must do comes before the lists, which a target
// may cut.
func (d Digest) Message(lang words.Lang, from report.Origin) Message {
	r := d.Report
	m := Message{lang: lang, report: r}
	m.Title = line("mediasweep: " + m.outcome())
	m.deployment(from)
	m.say("Run %s: %s.", r.Run, m.kind())
	if r.Guard.Tripped && r.Status == report.Blocked {
		m.say("Why: %s", m.lang.Sentence(r.Guard.Reason))
	}
	if r.Error != "" {
		m.say("Error: %s", m.lang.Sentence(r.Error))
	}
	if r.Next != "" {
		m.say("Next: %s", m.lang.Sentence(r.Next))
	}
	if r.Guard.Overridden != "" {
		m.say("Overridden: %s", m.lang.Sentence(r.Guard.Overridden))
	}
	m.counts()
	m.announced()
	m.due()
	m.rules()
	if of := r.Restore; of != nil {
		said := "Restored media of %s: %d restored, %d skipped, %d failed."
		if of.DryRun {
			said = "Restorable media of %s: %d would be restored, %d skipped, %d failed."
		}
		m.say(said, of.Of, of.Restored, of.Skipped, of.Failed)
	}
	if r.Counts.Deleted > 0 {
		m.say("Undo: mediasweep restore %s", r.Run)
	}
	m.failures()
	if d.Held > 0 {
		m.say("Failed or blocked runs held back since the last message: %d.", d.Held)
	}
	return m
}

// outcome is the title without its first word.
func (m *Message) outcome() string {
	title := ""
	if m.report.Mode == policy.DryRun {
		title = m.lang.Say("dry run: ")
	}
	switch m.report.Status {
	case report.Failed:
		return m.lang.Say("failed")
	case report.Blocked:
		return title + m.lang.Say("blocked, nothing was deleted")
	case report.Partial:
		return title + m.lang.Say("partial, %s", m.result())
	case report.Incomplete:
		return title + m.lang.Say("interrupted, %s so far", m.result())
	case report.Done, report.Busy:
	}
	return title + m.result()
}

// result is the main number of the run.
func (m *Message) result() string {
	switch c := m.report.Counts; {
	case m.report.Restore != nil && m.report.Restore.DryRun:
		return m.lang.Say("%s would be restored", m.media(m.report.Restore.Restored))
	case m.report.Restore != nil:
		return m.lang.Say("%s restored", m.media(m.report.Restore.Restored))
	case c.Deleted == 0 && c.Announced > 0 && m.report.Mode == policy.Enforce:
		return m.lang.Say("%s announced", m.media(c.Announced))
	default:
		return m.lang.Say("%s deleted", m.media(c.Deleted))
	}
}

func (m *Message) media(n int) string {
	if n == 1 {
		return m.lang.Say("1 medium")
	}
	return m.lang.Say("%d media", n)
}

func (m *Message) deployment(from report.Origin) {
	var parts []string
	for _, part := range []struct{ english, value string }{
		{"function %s", from.Function}, {"region %s", from.Region}, {"state %s", from.State},
	} {
		if part.value != "" {
			parts = append(parts, m.lang.Say(part.english, part.value))
		}
	}
	if len(parts) > 0 {
		m.say("Deployment: %s.", m.join(parts))
	}
}

// kind says what started the run, its mode and its status. The mode of a run without a policy is not known.
func (m *Message) kind() string {
	r := m.report
	by := string(r.Trigger)
	if r.Trigger == trigger.OSS {
		by = "OSS event"
	}
	parts := []string{m.lang.Say(by)}
	if r.Policy != "" {
		parts = append(parts, m.lang.Say(string(r.Mode)))
	}
	return m.join(append(parts, m.lang.Say(string(r.Status))))
}

// counts says how the media were decided, and what became of the expired ones. Zeros are left out.
func (m *Message) counts() {
	c := m.report.Counts
	if c.Looked == 0 {
		return
	}
	decided := m.list([]count{
		{"expired", c.Expired}, {"kept", c.Kept}, {"protected", c.Protected},
		{"unknown", c.Unknown}, {"not in MPS any more", c.Absent},
	})
	m.say("Looked at %s: %s.", m.media(c.Looked), decided)
	if ended := m.list([]count{
		{"deleted", c.Deleted}, {"gone before", c.Gone}, {"failed", c.Failed},
		{"not verified", c.Unverified}, {"not deleted", c.Pending}, {"announced", c.Announced},
	}); ended != "" {
		m.say("Of the expired: %s.", ended)
	}
}

type count struct {
	english string
	n       int
}

func (m *Message) list(counts []count) string {
	var parts []string
	for _, c := range counts {
		if c.n > 0 {
			parts = append(parts, m.lang.Say("%[1]d %[2]s", c.n, m.lang.Say(c.english)))
		}
	}
	return m.join(parts)
}

// rules lists the rules by which most media expired.
func (m *Message) rules() {
	var expire []report.Rule
	for _, rule := range m.report.Rules {
		if rule.Expired > 0 {
			expire = append(expire, rule)
		}
	}
	slices.SortStableFunc(expire, func(a, b report.Rule) int { return cmp.Compare(b.Expired, a.Expired) })
	var parts []string
	for _, rule := range expire[:min(len(expire), maxRules)] {
		parts = append(parts, m.lang.Say("%s %d (%d deleted)", text.BoundTo(rule.Name, 80), rule.Expired, rule.Deleted))
	}
	if more := len(expire) - maxRules; more > 0 {
		parts = append(parts, m.lang.Say("%d more rules", more))
	}
	if len(parts) > 0 {
		m.say("Expired by rule: %s.", m.join(parts))
	}
}

func (m *Message) failures() {
	all := m.report.Failures
	for _, f := range all[:min(len(all), maxFailures)] {
		what := slices.DeleteFunc([]string{cmp.Or(f.MediaID, f.Object), f.Code, f.Message}, func(part string) bool { return part == "" })
		m.say("Failed: %s", text.BoundTo(strings.Join(what, ": "), 300))
	}
	if len(all) > maxFailures {
		m.say("More failures are in the report: mediasweep runs %s", m.report.Run)
	}
}
