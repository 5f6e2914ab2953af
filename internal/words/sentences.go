package words

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// sentencesTSV has a line for each sentence of reports, plans and policies: the format that its producer
// uses, a tab, and the Chinese format of the same arguments. There %v is an argument that is a sentence
// itself, %w one that is a caller, and %s one that stays as it is.
//
//go:embed sentences.tsv
var sentencesTSV string

// sentence is a format whose arguments can be read from the text that it made.
type sentence struct {
	pattern *regexp.Regexp
	args    []int // the number of the argument of each group, from 1
	chinese string
}

const (
	// maxSentence bounds the texts that are looked at. Reports bound theirs much lower.
	maxSentence = 4 << 10
	// maxDepth bounds the sentences in sentences.
	maxDepth = 3
)

// verb finds the verbs of a format: the number of the argument, the precision, and the letter.
var verb = regexp.MustCompile(`%(?:\[(\d)\])?([0-9.]*)([sdfqvwX%])`)

var sentences = sync.OnceValue(func() (list []sentence) {
	for line := range strings.Lines(sentencesTSV) {
		english, translated, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, newSentence(english, translated))
	}
	return list
})

func newSentence(english, translated string) sentence {
	s := sentence{chinese: translated}
	var b strings.Builder
	b.WriteString(`(?s)^`)
	end, next := 0, 1
	for _, at := range verb.FindAllStringSubmatchIndex(english, -1) {
		b.WriteString(regexp.QuoteMeta(english[end:at[0]]))
		end = at[1]
		letter := english[at[6]:at[7]]
		if letter == "%" {
			b.WriteString("%")
			continue
		}
		if at[2] >= 0 {
			next, _ = strconv.Atoi(english[at[2]:at[3]]) // a digit
		}
		b.WriteString(map[string]string{"d": `(\d+)`, "f": `(\d+\.\d+)`, "X": `([0-9A-F]+)`, "q": `(".*?")`, "s": `(.+?)`, "v": `(.+?)`}[letter])
		s.args = append(s.args, next)
		next++
	}
	b.WriteString(regexp.QuoteMeta(english[end:]) + `$`)
	s.pattern = regexp.MustCompile(b.String())
	return s
}

// Sentence returns a sentence of a report, a plan or a policy in the language. Other texts, and
// sentences without a translation, stay as they are.
func (l Lang) Sentence(english string) string {
	if l != Chinese {
		return english
	}
	return inChinese(english, maxDepth)
}

func inChinese(english string, depth int) string {
	if depth == 0 || len(english) > maxSentence {
		return english
	}
	if translated, ok := chinese()[english]; ok {
		return translated
	}
	for _, s := range sentences() {
		groups := s.pattern.FindStringSubmatch(english)
		if groups == nil {
			continue
		}
		args := map[int]string{}
		for i, group := range groups[1:] {
			if _, ok := args[s.args[i]]; !ok {
				args[s.args[i]] = group
			}
		}
		return s.say(args, depth)
	}
	return english
}

// say writes the Chinese sentence with the arguments.
func (s *sentence) say(args map[int]string, depth int) string {
	next := 1
	return verb.ReplaceAllStringFunc(s.chinese, func(found string) string {
		parts := verb.FindStringSubmatch(found)
		if parts[3] == "%" {
			return "%"
		}
		if parts[1] != "" {
			next, _ = strconv.Atoi(parts[1]) // a digit
		}
		arg := args[next]
		next++
		switch parts[3] {
		case "v":
			return inChinese(arg, depth-1)
		case "w":
			return Chinese.Caller(arg)
		}
		return arg
	})
}
