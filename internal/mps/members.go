package mps

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
)

// together returns the names of members, each once.
func together(members []*member) (names []string) {
	for _, m := range members {
		for _, name := range m.names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// runsOf returns the number of runs that have joined: one may have several members.
func runsOf(members []*member) int {
	runs := map[*Session]bool{}
	for _, m := range members {
		runs[m.permit.session] = true
	}
	return len(runs)
}

// fit reports whether one call takes another member. It takes each object in one form of
// its URL only: the answer to one form would pass for the answer to the other.
func fit(members []*member, another *member) bool {
	names := together(append(slices.Clip(members), another))
	return len(names) <= MaxBatch && len(strings.Join(names, ",")) <= media.MaxURLBytes && len(keys(names)) == len(names)
}

// keys returns what answers know names by: the object of a file URL, or the name.
func keys(names []string) map[string]bool {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[key(name)] = true
	}
	return known
}

func key(name string) string {
	object, err := media.ParseURL(name)
	if err != nil {
		return name
	}
	return object.String()
}

// others returns the keys of names that a member did not ask for.
func others(names, own []string) map[string]bool {
	known := keys(names)
	for _, name := range own {
		delete(known, key(name))
	}
	return known
}

// forMember leaves out media that nobody asked for, if there is one for each of the member's
// names: they belong to others.
func (f Found) forMember(names []string) Found {
	own := keys(names)
	found := make(map[string]bool, len(own))
	isOwn := func(m media.Medium) bool { return own[m.ID] || own[m.Object.String()] }
	for _, m := range f.Media {
		switch {
		case own[m.ID]:
			found[m.ID] = true
		case own[m.Object.String()]:
			found[m.Object.String()] = true
		}
	}
	if len(found) == len(own) {
		f.Media = slices.DeleteFunc(f.Media, func(m media.Medium) bool { return !isOwn(m) })
	}
	return f
}

// without returns a copy that lacks the media, and the missing names, of some keys.
func (f Found) without(keys map[string]bool) Found {
	var rest Found
	for _, m := range f.Media {
		if keys[m.ID] || keys[m.Object.String()] {
			continue
		}
		m.Tags, m.Record = slices.Clone(m.Tags), bytes.Clone(m.Record)
		rest.Media = append(rest.Media, m)
	}
	for _, name := range f.Missing {
		if !keys[key(name)] {
			rest.Missing = append(rest.Missing, name)
		}
	}
	return rest
}
