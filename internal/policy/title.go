package policy

import (
	"fmt"
	"regexp/syntax"

	"github.com/mediasweep/mediasweep/internal/text"
)

const (
	// maxTitleBytes bounds one title pattern. A title has at most 128 bytes (MPS
	// QueryMediaList, Media.Title).
	maxTitleBytes = 1000
	// maxTitleSteps bounds the compiled size of all title patterns of a policy. A
	// literal title has one step a character; a{999} has 1000. Measured: this many
	// steps compile in 0.1 s and take 5 MB.
	maxTitleSteps = 100_000
)

// parseTitle reads a title pattern, and returns its program.
func parseTitle(pattern string) (*syntax.Prog, error) {
	if len(pattern) > maxTitleBytes {
		return nil, fmt.Errorf("title has %d bytes, the limit is %d: shorten it", len(pattern), maxTitleBytes)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("title is not a regular expression (RE2): %s", text.Bound(err.Error()))
	}
	return syntax.Compile(tree.Simplify())
}

// titleSteps returns the compiled size of a title. Eight bounds of a character class
// count as one more step.
func titleSteps(program *syntax.Prog) (steps int) {
	for i := range program.Inst {
		steps += 1 + len(program.Inst[i].Rune)/8
	}
	return steps
}
