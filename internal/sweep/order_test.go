package sweep

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// A run writes its records in the order in which the next run relies on them. Without one that comes before the first
// deletion, nothing is sent, and what was spent for it is refunded.
func TestTheOrderOfRecords(t *testing.T) {
	before, after := []string{"spent/", "plans/", "announced/", "open/"}, []string{"ledger/", "open/"}
	for _, missing := range append(before, "") {
		t.Run(missing, func(t *testing.T) {
			w := newWorld(t, noticePolicy)
			ids := w.fill(15)
			w.run("announces", &trigger.Request{Trigger: trigger.OSS, MediaIDs: ids}, policy.Enforce)
			w.days(8)
			w.store.Created = nil
			var got []string // folders in the order of their first record, and of another one after others
			folders := func() []string {
				for _, name := range w.store.Created {
					if folder := name[:strings.Index(name, "/")+1]; slices.Contains(append(before, after...), folder) && (len(got) == 0 || got[len(got)-1] != folder) {
						got = append(got, folder)
					}
				}
				w.store.Created = nil
				return got
			}
			w.beforeDelete = func() error {
				if diff := cmp.Diff(before, folders()); diff != "" {
					t.Errorf("records before a deletion (-want +got):\n%s", diff)
				}
				return nil
			}
			if missing != "" {
				w.fail("create", missing)
			}
			r := w.run("deletes", &trigger.Request{Trigger: trigger.OSS, MediaIDs: append(ids, w.add(400, "new")...)}, policy.Enforce)
			switch {
			case missing != "" && (r.Status != report.Failed || len(w.sent) > 0 || !strings.Contains(r.Error, "nothing was deleted")):
				t.Errorf("%s %s, sent %v", r.Status, r.Error, w.sent)
			case missing == "" && (r.Status != report.Done || len(w.sent) != 15 || !slices.Equal(folders(), append(before, after...))):
				t.Errorf("%s %s, sent %v, records %q", r.Status, r.Error, w.sent, got)
			}
			if refunded := strings.Contains(strings.Join(w.store.Names("spent/"), " "), "--15-"); refunded != (missing != "" && missing != "spent/") {
				t.Errorf("refunded %v: %q", refunded, w.store.Names("spent/"))
			}
		})
	}
}
