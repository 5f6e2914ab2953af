// Package mediatest makes media, for tests.
package mediatest

import (
	"encoding/json"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
)

// Medium returns the medium of an object of the bucket media-in in cn-shanghai, from a record as MPS gives it.
func Medium(id, key, state string, created time.Time, tags ...string) media.Medium {
	record, err := json.Marshal(map[string]any{
		"MediaId": id, "Title": "title of " + id, "PublishState": state, "CreationTime": created.UTC().Format("2006-01-02T15:04:05Z"),
		"Tags": map[string]any{"Tag": append([]string{}, tags...)},
		"File": map[string]any{"URL": media.Object{Bucket: "media-in", Key: key}.URL("cn-shanghai", media.SlashPlain)},
	})
	if err != nil {
		panic(err)
	}
	m, err := media.Parse(record)
	if err != nil {
		panic(err)
	}
	return m
}
