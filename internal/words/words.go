// Package words translates what people read in documents and in the console. Keys are the English texts.
package words

import (
	"errors"
	"fmt"
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

// Accepted returns the language that a browser prefers, by its Accept-Language. Browsers send the preferred
// one first.
func Accepted(header string) Lang {
	for tag := range strings.SplitSeq(header, ",") {
		tag, _, _ = strings.Cut(strings.TrimSpace(tag), ";")
		switch primary, _, _ := strings.Cut(strings.ToLower(tag), "-"); primary {
		case string(Chinese):
			return Chinese
		case string(English):
			return English
		}
	}
	return English
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
