package notify

import "github.com/mediasweep/mediasweep/internal/policy"

// announced says how many media go on which day, how to keep them, and whether the guard will block that sweep. A dry run
// announces nothing.
func (m *Message) announced() {
	days := m.report.Announced
	if len(days) == 0 || m.report.Mode == policy.DryRun {
		return
	}
	var parts []string
	for _, day := range days[:min(len(days), maxDays)] {
		parts = append(parts, m.lang.Say("%[1]s from %[2]s on", m.media(day.Media), day.Day))
	}
	if more := len(days) - maxDays; more > 0 {
		parts = append(parts, m.lang.Say("%d more days", more))
	}
	m.say("To be deleted: %s. To keep them: mediasweep hold OBJECT, a tag of a protect rule, or another policy.", m.join(parts))
	for _, day := range days {
		if day.Guard != "" {
			m.say("The guard will block the sweep of %s: %s.", day.Day, m.lang.Sentence(day.Guard))
		}
	}
}

func (m *Message) due() {
	days, media := m.report.DueWithinSeven()
	if media == 0 {
		return
	}
	var parts []string
	for _, on := range days {
		parts = append(parts, m.lang.Say("%[1]d on %[2]s", on.Media, on.Day))
	}
	m.say("Falls due within seven days: %s (%s).", m.media(media), m.join(parts))
}
