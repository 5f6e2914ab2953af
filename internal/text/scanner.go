package text

import "encoding/json"

// Scanner reads a JSON value from its beginning to its end, and each byte once. What it returns shares the
// memory of the text. It can be trusted only after End.
type Scanner struct {
	data  []byte
	at    int // -1 after a mistake
	depth int // of open brackets
}

// Scan returns a scanner of a text.
func Scan(data []byte) Scanner { return Scanner{data: data} }

// Next returns the first byte of the next value; 0 if there is none.
func (s *Scanner) Next() byte {
	if s.at < 0 {
		return 0
	}
	if s.at = skipSpace(s.data, s.at); s.at == len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// Value reads the next value; nil after a mistake.
func (s *Scanner) Value() json.RawMessage {
	start := s.Start()
	s.skip()
	return s.Since(start)
}

func (s *Scanner) skip() {
	switch open := s.Next(); {
	case s.at < 0:
	case open == '{' || open == '[':
		s.within(open, func([]byte) bool { return true })
	default:
		s.at = skipScalar(s.data, s.at)
	}
}

// Start returns the place of the next value.
func (s *Scanner) Start() int {
	s.Next()
	return s.at
}

// Since returns the text that was read since a place; nil after a mistake.
func (s *Scanner) Since(start int) json.RawMessage {
	if s.at < 0 {
		return nil
	}
	return s.data[start:s.at:s.at]
}

// Members yields the names of an object; none for another value. The loop reads the value of each name, or
// leaves it out. A loop that ends early ends the reading.
func (s *Scanner) Members(yield func(name []byte) bool) { s.within('{', yield) }

// Elements yields before each element of a list; see Members.
func (s *Scanner) Elements(yield func() bool) {
	s.within('[', func([]byte) bool { return yield() })
}

func (s *Scanner) within(open byte, yield func(name []byte) bool) {
	if s.Next() != open {
		s.Value()
		return
	}
	last := open + 2 // } or ]
	if s.at, s.depth = s.at+1, s.depth+1; s.depth > maxDepth {
		s.at = -1
		return
	}
	for next := s.Next(); next != last; next = s.Next() {
		var name []byte
		if open == '{' {
			name = s.name()
		}
		value := s.Start()
		if s.at >= 0 && !yield(name) {
			s.at = -1
		}
		if s.at == value {
			s.skip()
		}
		switch s.Next() {
		case ',':
			s.at++
			if s.Next() == last {
				s.at = -1
			}
		case last:
		default:
			s.at = -1
		}
		if s.at < 0 {
			return
		}
	}
	s.at, s.depth = s.at+1, s.depth-1
}

// name reads the name of a member and its colon.
func (s *Scanner) name() []byte {
	start, end := s.at, -1
	if s.Next() == '"' {
		end = skipString(s.data, start)
	}
	if s.at = end; s.Next() != ':' {
		s.at = -1
		return nil
	}
	s.at++
	return content(s.data[start:end])
}

// End returns an error if the text was not one JSON value.
func (s *Scanner) End() error {
	if s.at >= 0 && s.Start() == len(s.data) {
		return nil
	}
	return notJSON(s.data)
}
