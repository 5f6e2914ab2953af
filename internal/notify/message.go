package notify

import (
	"strings"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/words"
)

// Bounds of a message, in bytes. JSON at most doubles a text: DingTalk and Feishu take 20,000 bytes.
const (
	maxText  = 8_000
	maxWeCom = 4_096
	maxLine  = 700
)

// Message is a digest in words: plain text without markup.
type Message struct {
	Title string
	Lines []string

	lang   words.Lang
	report *report.Report
}

// line makes a line of a message from foreign text: on one line, bounded, and without what looks like
// a credential.
func line(s string) string {
	s = text.Line(text.Replace(s, text.Search(s, text.Secrets)))
	return text.BoundTo(s, maxLine)
}

func (m Message) text() string { return text.BoundTo(strings.Join(m.Lines, "\n"), maxText) }

// markup escapes what the dialects of Markdown act on. Mentions and fonts are written in angle
// brackets. An entity keeps them inert even where a backslash is not an escape.
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "[", `\[`, "]", `\]`, "!", `\!`, "#", `\#`, "|", `\|`)

// markdown returns the message with its title. A line that does not fit is left out whole, because
// half an escape could act.
func (m Message) markdown(separator string, most int) string {
	return m.fit("### "+markup.Replace(m.Title), separator, most, markup.Replace)
}

// slackMarkup escapes what Slack acts on where its own markup is off.
var slackMarkup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (m Message) slack() string {
	return m.fit(slackMarkup.Replace(m.Title), "\n", maxText, slackMarkup.Replace)
}

func (m Message) fit(head, separator string, most int, escape func(string) string) string {
	mark := separator + "…"
	var b strings.Builder
	b.WriteString(head)
	missing := false
	for _, l := range m.Lines {
		escaped := separator + escape(l)
		if b.Len()+len(escaped)+len(mark) > most {
			missing = true
			continue
		}
		b.WriteString(escaped)
	}
	if missing {
		b.WriteString(mark)
	}
	return b.String()
}

// paragraphs returns the lines as Feishu's post has them. Its text elements have no markup.
func (m Message) paragraphs() [][]object {
	all := [][]object{}
	for l := range strings.SplitSeq(m.text(), "\n") {
		all = append(all, []object{{"tag": "text", "text": l}})
	}
	return all
}

func (m Message) locale() string {
	if m.lang == words.Chinese {
		return "zh_cn"
	}
	return "en_us"
}

// say adds a line in the language of the message.
func (m *Message) say(english string, values ...any) {
	m.Lines = append(m.Lines, line(m.lang.Say(english, values...)))
}

func (m *Message) join(parts []string) string { return strings.Join(parts, m.lang.Say(", ")) }
