package render_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/render"
)

// Items come in the order of their entries, all of them before an error.
func TestItemsKeepTheirOrder(t *testing.T) {
	broken := errors.New("broken")
	entries := func(yield func(plan.Entry, error) bool) {
		for i := range 1750 {
			if !yield(plan.Entry{MediaID: fmt.Sprint(i), Record: json.RawMessage(fmt.Sprintf(`{"MediaId":"%d","Title":"t%d"}`, i, i))}, nil) {
				return
			}
		}
		yield(plan.Entry{}, broken)
	}
	n := 0
	var end error
	for item, err := range render.Items(entries) {
		if err != nil {
			end = err
			continue
		}
		if item.MediaID != fmt.Sprint(n) || item.Title != fmt.Sprint("t", n) {
			t.Fatalf("item %d is %s, %s", n, item.MediaID, item.Title)
		}
		n++
	}
	if n != 1750 || !errors.Is(end, broken) {
		t.Errorf("%d items, then %v", n, end)
	}
	for item, err := range render.Items(entries) { // one who stops early gets no more
		if err != nil || item.MediaID == "600" {
			break
		}
	}
}
