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
		parts = append(parts, m.words("%[1]s on %[2]s", "%[2]s：%[1]s", m.media(day.Media), day.Day))
	}
	if more := len(days) - maxDays; more > 0 {
		parts = append(parts, m.words("%d more days", "另有 %d 天", more))
	}
	m.say("To be deleted: %s. To keep them: mediasweep hold OBJECT, a tag of a protect rule, or another policy.", "即将删除：%s。如需保留：mediasweep hold OBJECT、添加 protect 规则中的标签或修改策略。", m.join(parts))
	for _, day := range days {
		if day.Guard != "" {
			m.say("The guard will block the sweep of %s: %s.", "guard 将阻止 %s 的扫描：%s。", day.Day, m.lang.Sentence(day.Guard))
		}
	}
}

// due says how many media fall due within seven days.
func (m *Message) due() {
	days, media := m.report.DueWithinSeven()
	if media == 0 {
		return
	}
	var parts []string
	for _, on := range days {
		parts = append(parts, m.words("%[1]d on %[2]s", "%[2]s：%[1]d", on.Media, on.Day))
	}
	m.say("Falls due within seven days: %s (%s).", "七天内到期：%s（%s）。", m.media(media), m.join(parts))
}
