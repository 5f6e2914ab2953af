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

// forMember returns a member's part of an answer, in memory of its own: without what others asked for. Media that nobody asked
// for belong to others if there is one for each of the member's names.
func (f Found) forMember(sent, names []string) Found {
	theirs, own := others(sent, names), keys(names)
	found := make(map[string]bool, len(own))
	var part Found
	for _, m := range f.Media {
		switch object := m.Object.String(); {
		case theirs[m.ID] || theirs[object]:
			continue
		case own[m.ID]:
			found[m.ID] = true
		case own[object]:
			found[object] = true
		}
		m.Tags, m.Record = slices.Clone(m.Tags), bytes.Clone(m.Record)
		part.Media = append(part.Media, m)
	}
	if len(found) == len(own) {
		part.Media = slices.DeleteFunc(part.Media, func(m media.Medium) bool { return !own[m.ID] && !own[m.Object.String()] })
	}
	for _, name := range f.Missing {
		if !theirs[key(name)] {
			part.Missing = append(part.Missing, name)
		}
	}
	return part
}
