package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/mediasweep/mediasweep/internal/text"
)

// grid aligns the cells of lines. It counts the places that a terminal gives a character: a Chinese
// one takes two. The last cell of a line is not padded.
type grid struct {
	out    io.Writer
	right  bool // the cells stand at the right of their columns
	lines  [][]string
	widths []int
}

// line adds a line, whose format has a tab between two cells.
func (g *grid) line(format string, args ...any) {
	g.lines = append(g.lines, strings.Split(fmt.Sprintf(format, escaped(args)...), "\t"))
}

func (g *grid) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = text.Line(cell)
	}
	g.lines = append(g.lines, cells)
}

func (g *grid) flush() {
	for _, cells := range g.lines {
		g.measure(cells)
	}
	for _, cells := range g.lines {
		g.print(cells)
	}
	g.lines, g.widths = nil, nil
}

func (g *grid) measure(cells []string) {
	for i, cell := range cells[:len(cells)-1] {
		if i == len(g.widths) {
			g.widths = append(g.widths, 0)
		}
		g.widths[i] = max(g.widths[i], width(cell))
	}
}

// print writes a line that was measured.
func (g *grid) print(cells []string) {
	last := len(cells) - 1
	for i, cell := range cells[:last] {
		padding := strings.Repeat(" ", g.widths[i]-width(cell))
		if g.right {
			cell = "  " + padding + cell
		} else {
			cell += padding + "  "
		}
		_, _ = io.WriteString(g.out, cell) // a Builder takes everything, and a bufio.Writer keeps its error
	}
	_, _ = io.WriteString(g.out, cells[last]+"\n") // as above
}

// width returns how many places a terminal gives a text without control characters.
func width(s string) int {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return len(s)
	}
	return uniseg.StringWidth(s)
}

// fit cuts a value to a width, with a mark.
func fit(value string, most int) string {
	if width(value) <= most {
		return value
	}
	var b strings.Builder
	state, used := -1, 1
	for cluster, size := "", 0; value != ""; {
		cluster, value, size, state = uniseg.FirstGraphemeClusterInString(value, state)
		if used += size; used > most {
			break
		}
		b.WriteString(cluster)
	}
	return b.String() + "…"
}

// say writes a line for a terminal.
func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", escaped(args)...) //nolint:errcheck // a Builder takes everything
}

// escaped returns the arguments of a line. Titles, tags and keys are whatever somebody uploaded, so
// only numbers are taken as they are.
func escaped(args []any) []any {
	for i, arg := range args {
		switch arg.(type) {
		case int, int64, float64:
		default:
			args[i] = text.Line(fmt.Sprint(arg))
		}
	}
	return args
}
