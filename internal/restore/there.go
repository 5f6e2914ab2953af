package restore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/lookup"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
	"github.com/mediasweep/mediasweep/internal/retention"
	"github.com/mediasweep/mediasweep/internal/state"
)

// there returns the IDs of the live media of objects. A medium with a tombstone is not live, although
// MPS may show it as Initiated.
func (s *Restorer) there(ctx context.Context, objects []media.Object) (map[media.Object]string, error) {
	ids := map[media.Object]string{}
	var mu sync.Mutex
	for _, slash := range []media.Slash{media.SlashPlain, media.SlashEscaped} {
		asked := slices.DeleteFunc(slices.Clone(objects), func(object media.Object) bool {
			return ids[object] != "" || slash == media.SlashEscaped && !strings.Contains(object.Key, "/")
		})
		var batches []lookup.Batch
		for few, err := range lookup.Batches(inventory.Of(nil, asked), s.Region, slash) {
			if err != nil {
				return nil, err
			}
			batches = append(batches, few)
		}
		err := state.Each(ctx, len(batches), mps.InFlight, func(ctx context.Context, i int) error {
			found, err := s.live(ctx, batches[i])
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(ids, found)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (s *Restorer) live(ctx context.Context, batch lookup.Batch) (map[media.Object]string, error) {
	ids := map[media.Object]string{}
	for _, result := range lookup.Run(ctx, ctx, s.Library, batch) {
		if result.Err != nil {
			return ids, result.Err
		}
		for _, found := range result.Answer.Found {
			m := &found.Medium
			if m.Doubt == "" && m.State != media.StateDeleted && s.Marks.Of(m).Kind != retention.Deleted {
				ids[m.Object] = m.ID
			}
		}
	}
	return ids, nil
}
