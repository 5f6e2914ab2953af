// Package words translates what people read in documents and in the console. Keys are the English texts.
package words

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Lang is a language.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Parse reads MEDIASWEEP_LANG. It is English if it is empty. Its error does not quote it: a secret may
// stand in the wrong variable.
func Parse(name string) (Lang, error) {
	switch lang := Lang(name); lang {
	case "":
		return English, nil
	case English, Chinese:
		return lang, nil
	}
	return English, errors.New("MEDIASWEEP_LANG is neither en nor zh")
}

// Accepted returns the language that a browser prefers, by its Accept-Language: the one of the highest quality
// value, and of equal ones the first. A quality of 0 means not acceptable.
func Accepted(header string) Lang {
	best, quality := English, 0.0
	for one := range strings.SplitSeq(header, ",") {
		tag, parameter, _ := strings.Cut(strings.TrimSpace(one), ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		lang := Lang(primary)
		if q := qualityOf(parameter); q > quality && (lang == English || lang == Chinese) {
			best, quality = lang, q
		}
	}
	return best
}

// qualityOf reads a parameter such as q=0.8. Without one it is 1, and 0 if it cannot be read.
func qualityOf(parameter string) float64 {
	name, value, found := strings.Cut(parameter, "=")
	if !found {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(name), "q") || q > 1 {
		return 0
	}
	return q
}

// Tag returns the language tag of a page.
func (l Lang) Tag() string {
	if l == Chinese {
		return "zh-Hans"
	}
	return "en"
}

// Say returns a text in the language, with its arguments as in fmt.Sprintf. A text without a translation
// stays English.
func (l Lang) Say(english string, args ...any) string {
	said := english
	if l == Chinese {
		if translated, ok := chinese()[english]; ok {
			said = translated
		}
	}
	if len(args) == 0 {
		return said
	}
	return fmt.Sprintf(said, args...)
}

// Caller returns a caller in the language, if sentences.tsv has it as "caller: NAME". The names of people stay.
func (l Lang) Caller(name string) string {
	for _, s := range sentences() {
		if l == Chinese && len(s.args) == 0 && s.pattern.MatchString("caller: "+name) {
			return s.chinese
		}
	}
	return name
}
