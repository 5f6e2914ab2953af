package extsort

import "iter"

// Names yields the names of the records in order; see All.
func (s *Sorter) Names() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for r, err := range s.All() {
			if !yield(r.Name, err) {
				return
			}
		}
	}
}

// Membership returns a function that reports whether names in order have a name. Call it with names in order, and then
// stop.
func Membership(sorted iter.Seq2[string, error]) (has func(name string) (bool, error), stop func()) {
	next, stop := iter.Pull2(sorted)
	one, err, more := next()
	has = func(name string) (bool, error) {
		for more && err == nil && one < name {
			one, err, more = next()
		}
		return more && err == nil && one == name, err
	}
	return has, stop
}
