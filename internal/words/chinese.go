package words

import (
	_ "embed"
	"strings"
	"sync"
)

// chineseTSV has a line for each text: English, a tab, Chinese.
//
//go:embed chinese.tsv
var chineseTSV string

var chinese = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(chineseTSV) {
		english, translated, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		all[english] = translated
	}
	return all
})
