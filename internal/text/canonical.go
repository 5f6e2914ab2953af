package text

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Canonical returns a JSON value as encoding/json writes it: without spaces, with the names of each object in
// order, and of equal names the last one. Numbers keep their text.
func Canonical(data []byte) ([]byte, error) { return AppendCanonical(nil, data) }

// AppendCanonical appends the canonical form of a JSON value; see Canonical.
func AppendCanonical(to, data []byte) ([]byte, error) {
	s := Scan(data)
	form := s.canonical(slices.Grow(to, 2*len(data))) // object needs as much again
	if err := s.End(); err != nil {
		return nil, err
	}
	return form, nil
}

// canonical appends the form of the next value. The form can be trusted only after End.
func (s *Scanner) canonical(form []byte) []byte {
	switch s.Next() {
	case '{':
		return s.object(form)
	case '[':
		form = append(form, '[')
		for range s.Elements {
			form = s.canonical(separate(form, '['))
		}
		return append(form, ']')
	case '"':
		if quoted := s.Value(); quoted != nil {
			return appendText(form, mended(content(quoted)))
		}
	}
	return append(form, s.Value()...)
}

// separate appends a comma, unless a bracket has just been opened.
func separate(form []byte, open byte) []byte {
	if form[len(form)-1] == open {
		return form
	}
	return append(form, ',')
}

// member is a member of an object, and where its form begins and ends.
type member struct {
	name       []byte
	start, end int
}

// usualMembers is the number of members that a media record has at most, as a rule.
const usualMembers = 24

func (s *Scanner) object(form []byte) []byte {
	members, begin := make([]member, 0, usualMembers), len(form)
	for name := range s.Members {
		m := member{name: mended(name), start: len(form)}
		form = s.canonical(append(appendText(form, m.name), ':'))
		m.end = len(form)
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(bytes.Compare(a.name, b.name), cmp.Compare(a.start, b.start))
	})
	ordered := len(form)
	form = append(form, '{')
	for k, m := range members {
		if k+1 == len(members) || !bytes.Equal(m.name, members[k+1].name) {
			form = append(separate(form, '{'), form[m.start:m.end]...)
		}
	}
	form = append(form, '}')
	return append(form[:begin], form[ordered:]...)
}

// mended returns a text as encoding/json reads it: with U+FFFD for each byte that is not UTF-8.
func mended(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return []byte(string([]rune(string(text))))
}

// appendText appends a text with its quotes. Nearly all texts are written as they are.
func appendText(form, text []byte) []byte {
	if isVerbatim(text) {
		return append(append(append(form, '"'), text...), '"')
	}
	written, _ := json.Marshal(string(text)) // a text is no error
	return append(form, written...)
}

// isVerbatim reports whether encoding/json writes a text as it is.
func isVerbatim(text []byte) bool {
	ascii := true
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || !bytes.ContainsAny(text, "\u2028\u2029")
}
