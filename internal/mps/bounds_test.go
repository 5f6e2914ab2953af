package mps

import (
	"cmp"
	"strings"
	"testing"
)

// TestAnswersAreBounded: an answer costs little memory, whatever it lists.
func TestAnswersAreBounded(t *testing.T) {
	record := func(size int) string {
		return `{"MediaId":"0319dd3b9680d28a4e16ae79898c1d24","CreationTime":"2024-05-01T10:00:00Z","PublishState":"Published","Title":"` + strings.Repeat("x", size) + `"}`
	}
	tests := []struct {
		name, answer string
		media        int // -1 for an error
	}{
		{"one medium", `{"MediaList":{"Media":[` + record(1) + `]}}`, 1},
		{"no list", `{"MediaList":{"Media":null}}`, 0},
		{"a record too large", `{"MediaList":{"Media":[` + record(maxRecord) + `]}}`, 0},
		{"as many as are read", `{"MediaList":{"Media":[` + strings.Repeat("{},", maxListed-1) + `{}]}}`, 0},
		{"one more", `{"MediaList":{"Media":[` + strings.Repeat("{},", maxListed) + `{}]}}`, -1},
		{"missing IDs", `{"NonExistMediaIds":{"MediaId":[` + strings.Repeat(`"",`, maxListed) + `""]}}`, -1},
		{"missing URLs", `{"NonExistFileURLs":{"FileURL":[` + strings.Repeat(`"",`, maxListed) + `""]}}`, -1},
		{"no array", `{"MediaList":{"Media":{}}}`, -1},
		{"empty lists", `{"MediaList":"","NonExistMediaIds":[],"NonExistFileURLs":null}`, 0},
		{"names in another case", `{"mediaList":{"media":[` + record(1) + `]}}`, 1},
		{"a list twice", `{"MediaList":{"Media":[` + record(1) + `]},"MediaList":{}}`, -1},
		{"a list twice in its object", `{"MediaList":{"Media":[` + record(1) + `],"media":[]}}`, -1},
		{"an ID that is no text", `{"NonExistMediaIds":{"MediaId":[5]}}`, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := members([]byte(test.answer))
			found, foundErr := readFound(m)
			err = cmp.Or(err, foundErr)
			named := 0
			for _, m := range found.Media {
				if m.ID != "" {
					named++
				}
			}
			if (err != nil) != (test.media < 0) || err == nil && named != test.media {
				t.Errorf("%d media, %v; want %d", named, err, test.media)
			}
		})
	}
}
