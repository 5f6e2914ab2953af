package console_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/console"
	"github.com/mediasweep/mediasweep/internal/plan"
	"github.com/mediasweep/mediasweep/internal/review"
	"github.com/mediasweep/mediasweep/internal/service"
)

// slow is a library whose plan waits before its last medium, which is an error if broken is one.
type slow struct {
	*library
	goOn   chan struct{}
	broken error
}

func (s slow) Items(ctx context.Context, call service.Call, reference string) (plan.Contents, iter.Seq2[review.Item, error], error) {
	contents, items, err := s.library.Items(ctx, call, reference)
	return contents, func(yield func(review.Item, error) bool) {
		count := 0
		for item, err := range items {
			if count++; count == contents.Entries {
				<-s.goOn
				err = errors.Join(err, s.broken)
			}
			if !yield(item, err) {
				return
			}
		}
	}, err
}

// A plan that takes long to read shows its first media, and nothing to act on until its ID has been checked.
func TestFirstPageOfALongPlan(t *testing.T) {
	for name, broken := range map[string]error{"whole": nil, "damaged": errors.New("the entries are not those of the plan's ID")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, lib := console.NewRuns(context.Background(), 0), slow{newLibrary(t, 250), make(chan struct{}), broken}
			s := newSite(t, lib.library, runs)
			s.pages = pagesOf(t, lib, runs)
			first := s.get(s.plan)
			page, next := first.Body.String(), first.Header().Get("Refresh")
			if !strings.Contains(page, "still being read") || strings.Count(page, `name="m"`) != 100 || next != "1; url=?page=1" {
				t.Errorf("Refresh %q: %s", next, page)
			}
			for _, action := range []string{`/apply"`, `name="which"`, `name="reason"`} {
				if strings.Contains(page, action) {
					t.Errorf("the page of a plan that is not checked has %s", action)
				}
			}
			close(lib.goOn)
			whole := s.get(s.plan + "?page=1")
			if broken != nil {
				if whole.Code != http.StatusBadGateway || !strings.Contains(whole.Body.String(), "are not those of") {
					t.Errorf("%d %s", whole.Code, whole.Body)
				}
				return
			}
			if page := whole.Body.String(); !strings.Contains(page, `/apply"`) || strings.Contains(page, "still being read") || whole.Header().Get("Refresh") != "" {
				t.Error(page)
			}
		})
	}
}
