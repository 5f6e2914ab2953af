package bench

import (
	"bytes"
	"fmt"
)

// chart draws what days took, by the number of objects.
type chart struct{ points []point }

type point struct {
	day     string
	objects int
	took    usage
}

func (c *chart) add(day string, objects int, took usage) {
	c.points = append(c.points, point{day, objects, took})
}

// svg returns two drawings: processor time and memory, both from zero.
func (c *chart) svg() []byte {
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" width="760" height="300" font-family="sans-serif" font-size="12">` + "\n" +
		`<rect width="760" height="300" fill="#fff"/>` + "\n")
	c.panel(&b, 60, "processor seconds", func(u usage) float64 { return u.CPU.Seconds() })
	c.panel(&b, 430, "peak memory, MB", func(u usage) float64 { return float64(u.Peak) / 1e6 })
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (c *chart) panel(b *bytes.Buffer, left int, title string, value func(usage) float64) {
	const width, height, top = 230.0, 220.0, 40.0
	var mostObjects, most float64
	for _, p := range c.points {
		mostObjects, most = max(mostObjects, float64(p.objects)), max(most, value(p.took))
	}
	fmt.Fprintf(b, `<text x="%d" y="24" font-weight="bold">%s</text>`+"\n", left, title)
	fmt.Fprintf(b, `<path d="M%d %.0fv%.0fh%.0f" fill="none" stroke="#888"/>`+"\n", left, top, height, width)
	fmt.Fprintf(b, `<text x="%d" y="%.0f" text-anchor="end">%.0f</text><text x="%d" y="%.0f" text-anchor="end">0</text>`+"\n", left-4, top+10, most, left-4, top+height)
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" text-anchor="end">%.3g million objects</text>`+"\n", float64(left)+width, top+height+18, mostObjects/1e6)
	colours := map[string]string{"first": "#c33", "quiet": "#286", "due": "#b70", "report": "#36c", "resumed": "#849"}
	line, at := "", ""
	for i, p := range c.points {
		x, y := float64(left)+width*float64(p.objects)/mostObjects, top+height-height*value(p.took)/most
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x, y, colours[p.day])
		line, at = line+at+fmt.Sprintf("%.1f %.1f", x, y), "L"
		if i+1 == len(c.points) || c.points[i+1].day != p.day {
			fmt.Fprintf(b, `<path d="M%s" fill="none" stroke="%s"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", line, colours[p.day], x+6, y+4, colours[p.day], p.day)
			line, at = "", ""
		}
	}
}
