package handler_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/report"
)

// contradicted is a library in which two media, behind clips/a and clips/z, are shown with
// one MediaId. Between them are enough others that the two are in different answers.
type contradicted struct {
	*world
	a, z emulator.Medium
	keys []string
}

func newContradicted(t *testing.T, policy string, form emulator.URLForm) *contradicted {
	c := &contradicted{world: newWorld(t, emulator.Config{MPS: emulator.MPSOptions{URLForm: form}}, policy)}
	add := func(key string, days int) emulator.Medium {
		c.keys = append(c.keys, key)
		c.e.PutObject("media-in", key, nil, time.Now().Add(-72*time.Hour))
		return c.add(key, days)
	}
	c.a = add("clips/a", 300)
	for i := range 25 {
		add(fmt.Sprintf("clips/m%02d", i), 3)
	}
	c.z = add("clips/z", 300)
	return c
}

// show makes answers show the medium of clips/z as that of clips/a, with tags.
func (c *contradicted) show(options emulator.MPSOptions, tags ...string) {
	record, err := json.Marshal(map[string]any{
		"MediaId": c.a.ID, "PublishState": "Published", "CreationTime": c.z.CreationTime, "Tags": map[string]any{"Tag": append([]string{}, tags...)},
		"File": map[string]any{"URL": plainURL(c.z.Key)},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	options.Records = map[string][]string{c.z.ID: {string(record)}}
	c.e.SetMPS(options)
}

// A medium that two answers of a run have with different records is unknown: it counts once,
// and its ID is in no DeleteMedia call, on the next days neither.
func TestAContradictedMediumIsNotSent(t *testing.T) {
	objects := func(c *contradicted) []string {
		var names []string
		for _, key := range c.keys {
			names = append(names, "oss://media-in/"+key)
		}
		return names
	}
	scopes := map[string]func(c *contradicted) string{
		"objects": func(c *contradicted) string { return request("objects", objects(c)) },
		"objects, turned": func(c *contradicted) string {
			names := objects(c)
			slices.Reverse(names)
			return request("objects", names)
		},
		"manifest": func(c *contradicted) string {
			c.e.PutObject("ops", "list.csv", []byte("object\n"+strings.Join(objects(c), "\n")+"\n"), time.Now())
			return `{"manifest":"oss://ops/list.csv"}`
		},
		"inventory": func(*contradicted) string { return everything },
	}
	for name, scope := range scopes {
		for _, form := range []emulator.URLForm{emulator.RawSlash, emulator.EscapedSlash} {
			for _, tag := range []string{"", "legal-hold"} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, form, tag), func(t *testing.T) {
					t.Parallel()
					c := newContradicted(t, enforcing, form)
					var tags []string
					if tag != "" {
						tags = append(tags, tag)
					}
					c.show(emulator.MPSOptions{URLForm: form}, tags...)
					for range 2 {
						payload := scope(c)
						if name != "inventory" {
							payload = strings.Replace(payload, "{", `{"mode":"enforce",`, 1)
						}
						r := c.mustInvoke(payload, report.Done)
						if r.Counts.Unknown != 1 || r.Counts.Expired != 0 || len(c.sent()) != 0 {
							t.Errorf("%+v, sent %v", r.Counts, c.sent())
						}
					}
					c.noViolations()
				})
			}
		}
	}
}

// A medium that an answer to other IDs has with a hold is not sent.
func TestAnAnswerToOtherIDsContradicts(t *testing.T) {
	for _, turned := range []bool{false, true} {
		c := newContradicted(t, enforcing, "")
		c.show(emulator.MPSOptions{}, "legal-hold")
		var ids []string
		for _, m := range c.e.Media() {
			if m.ID != c.a.ID && m.ID != c.z.ID {
				ids = append(ids, m.ID)
			}
		}
		ids = slices.Concat([]string{c.a.ID}, ids, []string{c.z.ID})
		if turned {
			slices.Reverse(ids)
		}
		r := c.mustInvoke(strings.Replace(request("mediaIds", ids), "{", `{"mode":"enforce",`, 1), report.Partial)
		if r.Counts.Unknown != 1 || r.Counts.Looked != 26 || len(r.Failures) != 1 || r.Failures[0].MediaID != c.z.ID || len(c.sent()) != 0 {
			t.Errorf("turned %v: %+v, %+v, sent %v", turned, r.Counts, r.Failures, c.sent())
		}
	}
}

// A medium that one answer returns twice, in doubt, and another one returns without doubt is
// not sent, whichever answer comes first.
func TestADoubtOfAnotherAnswerCounts(t *testing.T) {
	for _, turned := range []bool{false, true} {
		c := newContradicted(t, enforcing, "")
		list := slices.DeleteFunc(c.e.Media(), func(m emulator.Medium) bool { return m.ID != c.a.ID })
		held, err := json.Marshal(map[string]any{
			"MediaId": c.a.ID, "PublishState": "Published", "CreationTime": list[0].CreationTime,
			"Tags": map[string]any{"Tag": []string{"legal-hold"}}, "File": map[string]any{"URL": plainURL("clips/a")},
		})
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Replace(string(held), `"legal-hold"`, "", 1)
		c.e.SetMPS(emulator.MPSOptions{Records: map[string][]string{c.a.ID: {plain}, c.z.ID: {plain, string(held)}}})
		names := []string{"oss://media-in/clips/a"}
		for _, key := range c.keys[1:] {
			names = append(names, "oss://media-in/"+key)
		}
		if turned {
			slices.Reverse(names)
		}
		r := c.mustInvoke(strings.Replace(request("objects", names), "{", `{"mode":"enforce",`, 1), report.Done)
		if r.Counts.Unknown != 1 || r.Counts.Expired != 0 || len(c.sent()) != 0 {
			t.Errorf("turned %v: %+v, sent %v", turned, r.Counts, c.sent())
		}
	}
}

func plainURL(key string) string {
	return media.Object{Bucket: "media-in", Key: key}.URL("cn-shanghai", media.SlashPlain)
}

// A medium that a daily sweep could not decide on is looked at on the next day, and deleted
// once the answers agree.
func TestTheIndexKeepsNoContradiction(t *testing.T) {
	c := newContradicted(t, enforcing, "")
	clock := time.Now()
	c.now = func() time.Time { return clock }
	c.setPolicy(enforcing)
	c.show(emulator.MPSOptions{}, "legal-hold")
	for day := range 3 {
		r := c.mustInvoke(everything, report.Done)
		if r.Counts.Unknown+r.Counts.Protected == 0 || len(c.sent()) != 0 {
			t.Errorf("day %d: %+v, sent %v", day, r.Counts, c.sent())
		}
		clock = clock.Add(24 * time.Hour)
	}
	if records, _ := filepath.Glob(filepath.Join(strings.TrimPrefix(c.env["MEDIASWEEP_STATE"], "file://"), "index", "*")); len(records) == 0 {
		t.Error("there is no index")
	}
	c.e.SetMPS(emulator.MPSOptions{})
	r := c.mustInvoke(everything, report.Done)
	if want := []string{c.a.ID, c.z.ID}; r.Counts.Deleted != 2 || !slices.Equal(c.deleted(), slices.Sorted(slices.Values(want))) {
		t.Errorf("%+v, deleted %v", r.Counts, c.deleted())
	}
}
