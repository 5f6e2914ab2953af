package extsort

import "iter"

// Finder returns a function that finds the record of a name among sorted records. Call it with names in order, and then stop.
func Finder(sorted iter.Seq2[Record, error]) (find func(name string) (found Record, ok bool, err error), stop func()) {
	next, stop := iter.Pull2(sorted)
	one, err, more := next()
	find = func(name string) (Record, bool, error) {
		for more && err == nil && one.Name < name {
			one, err, more = next()
		}
		return one, more && err == nil && one.Name == name, err
	}
	return find, stop
}
