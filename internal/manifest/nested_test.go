package manifest_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/manifest"
)

// No line of an object over several lines is a row, wherever its lines end.
func TestObjectsOverSeveralLines(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 3))
		var value func(depth int) any
		value = func(depth int) any {
			kind := random.IntN(7)
			if depth > 3 {
				kind = random.IntN(5)
			}
			switch kind {
			case 0, 1:
				return map[string]any{"mediaId": "kept"}
			case 2:
				return []any{"a\"}]\\\n", -1.5e30, true, nil, "视频"}[random.IntN(5)]
			case 3:
				return []any{}
			case 4:
				return map[string]any{}
			case 5:
				return []any{value(depth + 1), value(depth + 1), value(depth + 1)}
			}
			return map[string]any{"a": value(depth + 1), "b": value(depth + 1)}
		}
		indented, err := json.MarshalIndent(map[string]any{"keep": value(0), "more": value(0)}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		list := ""
		for line := range strings.Lines(string(indented)) {
			if random.IntN(2) == 0 {
				line = strings.TrimSpace(line)
			}
			list += line
		}
		list = strings.TrimSpace(list) + "\n{\"mediaId\":\"m1\"}\n"
		got := listed(manifest.Rows(strings.NewReader(list)))
		if strings.Contains(got, "kept") || !strings.HasSuffix(got, " m1") {
			t.Fatalf("seed %d: %s\n%s", seed, got, list)
		}
	}
}
