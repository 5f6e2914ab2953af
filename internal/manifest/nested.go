package manifest

import "bytes"

// nested follows a JSON value over several lines. Its lines are no rows, also if one of them is an object.
type nested struct {
	line int    // where it begins
	open []byte // the brackets that are open
	next expected
}

// expected is what may follow in a JSON text, beside white space.
type expected byte

const (
	aValue expected = iota
	firstValue
	aKey
	firstKey
	aColon
	aComma // or the end of the object or list
)

// begin follows a value that begins on a line, up to its end or the first mistake.
func (n *nested) begin(line int, text []byte) {
	*n = nested{line: line, open: n.open[:0]}
	n.take(text)
}

func (n *nested) isOpen() bool { return len(n.open) > 0 }

// take follows the next line. It returns false for text that does not go on with the value, which is then forgotten.
func (n *nested) take(text []byte) bool {
	for text = bytes.TrimLeft(text, " \t\r\n"); len(text) > 0; text = bytes.TrimLeft(text, " \t\r\n") {
		length := n.step(text)
		if length == 0 {
			n.open = n.open[:0]
			return false
		}
		if text = text[length:]; !n.isOpen() {
			return true
		}
	}
	return true
}

// maxOpen is the number of open brackets that encoding/json accepts.
const maxOpen = 10_000

// step takes a token, and returns its length; 0 for one that may not follow.
func (n *nested) step(text []byte) int {
	c := text[0]
	isValue := n.next == aValue || n.next == firstValue
	switch {
	case isValue && (c == '{' || c == '[') && len(n.open) < maxOpen:
		n.open = append(n.open, c)
		n.next = firstKey
		if c == '[' {
			n.next = firstValue
		}
	case c == '}' && n.isIn('{') && (n.next == firstKey || n.next == aComma), c == ']' && n.isIn('[') && (n.next == firstValue || n.next == aComma):
		n.open = n.open[:len(n.open)-1]
		n.next = aComma
	case c == ':' && n.next == aColon:
		n.next = aValue
	case c == ',' && n.next == aComma:
		n.next = aValue
		if n.isIn('{') {
			n.next = aKey
		}
	case c == '"' && isValue:
		n.next = aComma
		return stringLength(text)
	case c == '"' && (n.next == aKey || n.next == firstKey):
		n.next = aColon
		return stringLength(text)
	case isValue:
		n.next = aComma
		return len(text) - len(bytes.TrimLeft(text, "+-.0123456789abcdefghijklmnopqrstuvwxyzE")) // a number, or a word
	default:
		return 0
	}
	return 1
}

func (n *nested) isIn(bracket byte) bool { return n.isOpen() && n.open[len(n.open)-1] == bracket }

// stringLength returns the length of a JSON string; 0 if it does not end on its line.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}
