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

// Deployment names the deployment of a digest. Empty fields are left out.
type Deployment struct{ Function, Region, State string }

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
func (d Digest) Message(lang words.Lang, from Deployment) Message {
	r := d.Report
	m := Message{lang: lang, report: r}
	m.Title = line("mediasweep: " + m.outcome())
	m.deployment(from)
	m.say("Run %s: %s.", "运行 %s：%s。", r.Run, m.kind())
	if r.Guard.Tripped && r.Status == report.Blocked {
		m.say("Why: %s", "原因：%s", m.lang.Sentence(r.Guard.Reason))
	}
	if r.Error != "" {
		m.say("Error: %s", "错误：%s", m.lang.Sentence(r.Error))
	}
	if r.Next != "" {
		m.say("Next: %s", "下一步：%s", m.lang.Sentence(r.Next))
	}
	if r.Guard.Overridden != "" {
		m.say("Overridden: %s", "越过限制：%s", m.lang.Sentence(r.Guard.Overridden))
	}
	m.counts()
	m.announced()
	m.due()
	m.rules()
	if of := r.Restore; of != nil {
		m.say("Restored media of %s: %d restored, %d skipped, %d failed.", "恢复 %s 的媒体：已恢复 %d，跳过 %d，失败 %d。", of.Of, of.Restored, of.Skipped, of.Failed)
	}
	if r.Counts.Deleted > 0 {
		m.say("Undo: mediasweep restore %s", "撤销：mediasweep restore %s", r.Run)
	}
	m.failures()
	if d.Held > 0 {
		m.say("Failed or blocked runs held back since the last message: %d.", "自上次消息以来另有 %d 次失败或被阻止的运行未单独通知。", d.Held)
	}
	return m
}

// outcome is the title without its first word.
func (m *Message) outcome() string {
	title := ""
	if m.report.Mode == policy.DryRun {
		title = m.words("dry run: ", "试运行：")
	}
	switch m.report.Status {
	case report.Failed:
		return m.words("failed", "运行失败")
	case report.Blocked:
		return title + m.words("blocked, nothing was deleted", "已被阻止，未删除任何媒体")
	case report.Partial:
		return title + m.words("partial, %s", "部分完成，%s", m.result())
	case report.Incomplete:
		return title + m.words("interrupted, %s so far", "已中断，目前%s", m.result())
	case report.Done, report.Busy:
	}
	return title + m.result()
}

// result is the main number of the run.
func (m *Message) result() string {
	switch c := m.report.Counts; {
	case m.report.Restore != nil:
		return m.words("%s restored", "已恢复 %s", m.media(m.report.Restore.Restored))
	case c.Deleted == 0 && c.Announced > 0 && m.report.Mode == policy.Enforce:
		return m.words("%s announced", "已预告 %s", m.media(c.Announced))
	default:
		return m.words("%s deleted", "已删除 %s", m.media(c.Deleted))
	}
}

func (m *Message) media(n int) string {
	if n == 1 {
		return m.words("1 medium", "1 个媒体")
	}
	return m.words("%d media", "%d 个媒体", n)
}

func (m *Message) deployment(from Deployment) {
	var parts []string
	for _, part := range []struct{ english, chinese, value string }{
		{"function %s", "函数 %s", from.Function}, {"region %s", "地域 %s", from.Region}, {"state %s", "状态 %s", from.State},
	} {
		if part.value != "" {
			parts = append(parts, m.words(part.english, part.chinese, part.value))
		}
	}
	if len(parts) > 0 {
		m.say("Deployment: %s.", "部署：%s。", m.join(parts))
	}
}

// kind says what started the run, its mode and its status. The mode of a run without a policy is not known.
func (m *Message) kind() string {
	r := m.report
	parts := []string{string(r.Trigger)}
	switch r.Trigger {
	case trigger.Timer:
		parts[0] = m.words("timer", "定时触发")
	case trigger.OSS:
		parts[0] = m.words("OSS event", "OSS 事件")
	case trigger.HTTP, trigger.Invoke, trigger.CLI:
		parts[0] = m.lang.Say(parts[0])
	}
	switch {
	case r.Policy == "":
	case r.Mode == policy.DryRun:
		parts = append(parts, m.words("dry-run", "试运行"))
	default:
		parts = append(parts, m.words("enforce", "正式执行"))
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
		{"expired", "过期", c.Expired}, {"kept", "保留", c.Kept}, {"protected", "受保护", c.Protected},
		{"unknown", "无法判断", c.Unknown}, {"not in MPS any more", "已不在 MPS 中", c.Absent},
	})
	m.say("Looked at %s: %s.", "共检查 %s：%s。", m.media(c.Looked), decided)
	if ended := m.list([]count{
		{"deleted", "已删除", c.Deleted}, {"gone before", "此前已消失", c.Gone}, {"failed", "失败", c.Failed},
		{"not verified", "未能确认", c.Unverified}, {"not deleted", "未删除", c.Pending}, {"announced", "已预告", c.Announced},
	}); ended != "" {
		m.say("Of the expired: %s.", "过期媒体中：%s。", ended)
	}
}

// count is a number with its name.
type count struct {
	english, chinese string
	n                int
}

func (m *Message) list(counts []count) string {
	var parts []string
	for _, c := range counts {
		if c.n > 0 {
			parts = append(parts, m.words("%[1]d %[2]s", "%[2]s %[1]d", c.n, m.words(c.english, c.chinese)))
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
		parts = append(parts, m.words("%s %d (%d deleted)", "%s %d（已删除 %d）", text.BoundTo(rule.Name, 80), rule.Expired, rule.Deleted))
	}
	if more := len(expire) - maxRules; more > 0 {
		parts = append(parts, m.words("%d more rules", "另有 %d 条规则", more))
	}
	if len(parts) > 0 {
		m.say("Expired by rule: %s.", "按规则过期：%s。", m.join(parts))
	}
}

// failures lists the first failures of the report.
func (m *Message) failures() {
	all := m.report.Failures
	for _, f := range all[:min(len(all), maxFailures)] {
		what := slices.DeleteFunc([]string{cmp.Or(f.MediaID, f.Object), f.Code, f.Message}, func(part string) bool { return part == "" })
		m.say("Failed: %s", "失败：%s", text.BoundTo(strings.Join(what, ": "), 300))
	}
	if len(all) > maxFailures {
		m.say("More failures are in the report: mediasweep runs %s", "其余失败见报告：mediasweep runs %s", m.report.Run)
	}
}
