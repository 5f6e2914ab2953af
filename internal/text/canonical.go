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
	start := skipSpace(data, 0)
	if end := skipValue(data, start, 0); end < 0 || skipSpace(data, end) != len(data) {
		return nil, notJSON(data)
	}
	form, _ := appendValue(slices.Grow(to, 2*len(data)), data, start) // appendObject needs as much again
	return form, nil
}

// appendValue appends the form of the value at i, and returns the value's end. The data is valid.
func appendValue(form, data []byte, i int) ([]byte, int) {
	switch data[i] {
	case '{':
		return appendObject(form, data, i)
	case '[':
		form = append(form, '[')
		for i = skipSpace(data, i+1); data[i] != ']'; i = nextMember(data, i) {
			form, i = appendValue(separate(form, '['), data, i)
		}
		return append(form, ']'), i + 1
	}
	end := skipValue(data, i, 0)
	if data[i] == '"' {
		return appendText(form, data[i:end]), end
	}
	return append(form, data[i:end]...), end
}

// nextMember returns the start of the next member behind the one that ends at i, or the bracket.
func nextMember(data []byte, i int) int {
	if i = skipSpace(data, i); data[i] == ',' {
		i = skipSpace(data, i+1)
	}
	return i
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

func appendObject(form, data []byte, i int) ([]byte, int) {
	members, begin := make([]member, 0, usualMembers), len(form)
	for i = skipSpace(data, i+1); data[i] != '}'; i = nextMember(data, i) {
		end := skipString(data, i)
		m := member{name: data[i+1 : end-1], start: len(form)}
		if !isVerbatim(data[i:end]) {
			m.name = []byte(decoded(data[i:end]))
		}
		form = append(appendText(form, data[i:end]), ':')
		form, i = appendValue(form, data, skipSpace(data, skipSpace(data, end)+1))
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
	return append(form[:begin], form[ordered:]...), i + 1
}

// appendText appends a quoted text. Nearly all texts are written as they are read.
func appendText(form, quoted []byte) []byte {
	if isVerbatim(quoted) {
		return append(form, quoted...)
	}
	written, _ := json.Marshal(decoded(quoted)) // a text is no error
	return append(form, written...)
}

// isVerbatim reports whether encoding/json writes a quoted text as it stands.
func isVerbatim(quoted []byte) bool {
	ascii := true
	for _, c := range quoted {
		if c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(quoted) && !bytes.ContainsAny(quoted, "\u2028\u2029")
}

func decoded(quoted []byte) (value string) {
	_ = json.Unmarshal(quoted, &value) // it is valid
	return value
}
