package sweep

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The lines of a plan come back as they were, in the order of their media, each medium
// once: the first line that it had.
func TestPlanLines(t *testing.T) {
	var p planLines
	defer p.Close()
	text := func(n int) []byte { return fmt.Appendf(nil, "%d\n", n) }
	random := rand.New(rand.NewPCG(1, 2))
	const media = 300
	for _, n := range random.Perm(media) {
		l := line{id: fmt.Sprintf("%04d", n), rule: fmt.Sprint("r", n%3), state: "Published", created: int64(-n), decided: int64(n), ranked: n%2 == 0, part: n % 5, text: text(n)}
		if err := p.add(l); err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 { // it was found twice
			l.decided++
			if err := p.add(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		n := 0
		for l, err := range p.all() {
			if err != nil || l.id != fmt.Sprintf("%04d", n) || l.rule != fmt.Sprint("r", n%3) || l.state != "Published" || l.created != int64(-n) ||
				l.decided != int64(n) || l.ranked != (n%2 == 0) || l.part != n%5 || !bytes.Equal(l.text, text(n)) {
				t.Fatalf("line %d is %+v, %v", n, l, err)
			}
			n++
		}
		if n != media {
			t.Errorf("%d lines of %d", n, media)
		}
	}
	doubles := 0
	for l, err := range p.doubles() {
		if err != nil || l.id != fmt.Sprintf("%04d", 10*doubles) || l.decided != int64(10*doubles)+1 {
			t.Fatalf("double %d is %+v, %v", doubles, l, err)
		}
		doubles++
	}
	if doubles != media/10 {
		t.Errorf("%d doubles", doubles)
	}
}
