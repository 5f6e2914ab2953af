package emulator

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of MPS, from the pages of the operations.
const (
	maxBatch            = 10   // MediaIds and FileURLs of a call
	maxTags             = 16   // of a medium
	maxTagBytes         = 32   // of a tag
	maxTitleBytes       = 128  // of a title
	maxDescriptionBytes = 1024 // of a description
	maxURLBytes         = 3200 // of a file or cover URL
	maxPage             = 100  // entries of a page
	maxMediaBuckets     = 100  // that ListAllMediaBucket shows, over all pages
	executionDays       = 90   // how far back executions are listed
)

// invalid refuses a parameter; which code goes with which mistake is not
// documented.
func invalid(name, format string, args ...any) *failure {
	return mistake(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("The parameter %q is invalid: %s.", name, fmt.Sprintf(format, args...)))
}

func outOfRange(name, format string, args ...any) *failure {
	f := invalid(name, format, args...)
	f.code += ".OutOfRange"
	return f
}

// notFound is not the client's mistake: another program may have deleted it.
func notFound(id string) *failure {
	return refusal(http.StatusBadRequest, "InvalidParameter.ResourceNotFound", fmt.Sprintf("The resource operated %q cannot be found.", id))
}

// batch is a list parameter: one to ten entries, none empty, no blanks.
func batch(p url.Values, name string) ([]string, *failure) {
	list := split(p.Get(name))
	if len(list) == 0 {
		return nil, missing(name)
	}
	if len(list) > maxBatch {
		return nil, outOfRange(name, "%d entries, more than %d", len(list), maxBatch)
	}
	for i, entry := range list {
		if entry == "" || strings.ContainsFunc(entry, unicode.IsSpace) {
			return nil, invalid(name, "entry %d is %q", i+1, entry)
		}
	}
	return list, nil
}

// flag is a boolean parameter, false when absent.
func flag(p url.Values, name string) (bool, *failure) {
	switch p.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalid(name, "neither true nor false")
	}
}

func pageSize(p url.Values, byDefault int) (int, *failure) {
	const name = "MaximumPageSize"
	if p.Get(name) == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(p.Get(name))
	if err != nil {
		return 0, invalid(name, "not a number")
	}
	if n < 1 || n > maxPage {
		return 0, outOfRange(name, "not within 1 and %d", maxPage)
	}
	return n, nil
}

func (e *Emulator) liveMedium(p url.Values) (*Medium, *failure) {
	id := p.Get("MediaId")
	if id == "" {
		return nil, missing("MediaId")
	}
	m, ok := e.library.live(id)
	if !ok {
		return nil, notFound(id)
	}
	return m, nil
}

func (e *Emulator) deleteMedia(p url.Values) (object, *failure) {
	ids, refused := batch(p, "MediaIds")
	if refused != nil {
		return nil, refused
	}
	if e.options.DeleteNothing {
		return nil, nil
	}
	if e.options.UnknownID == RefuseWhole {
		for _, id := range ids {
			if _, ok := e.library.live(id); !ok {
				return nil, notFound(id)
			}
		}
	}
	for _, id := range ids {
		m, ok := e.library.live(id)
		switch {
		case ok:
			m.Deleted, m.DeletedAt = true, e.now()
		case e.options.UnknownID == RefusePartial:
			return nil, notFound(id)
		}
	}
	return nil, nil
}

// addMedia registers an object, which need not exist. A live medium of the same
// object keeps its ID and takes the new texts, but for an option.
func (e *Emulator) addMedia(p url.Values) (object, *failure) {
	raw := p.Get("FileURL")
	if raw == "" {
		return nil, missing("FileURL")
	}
	s, err := e.parseFileURL(raw)
	if err != nil {
		return nil, invalid("FileURL", "%q: %v", raw, err)
	}
	m := Medium{
		ID: strings.ToLower(e.newID()), Bucket: s.bucket, Key: s.key,
		CreationTime: e.today().Format(timeFormat), PublishState: "Initiated", added: e.now(),
	}
	switch old := e.library.at(s); {
	case old == nil:
	case !old.Deleted && !e.options.AddAnother:
		m = *old
	case old.Deleted && e.options.ReuseID:
		m.ID = old.ID
	}
	for _, text := range []struct {
		name  string
		field *string
		max   int
	}{{"Title", &m.Title, maxTitleBytes}, {"Description", &m.Description, maxDescriptionBytes}, {"CoverURL", &m.CoverURL, maxURLBytes}} {
		if *text.field = p.Get(text.name); len(*text.field) > text.max {
			return nil, outOfRange(text.name, "more than %d bytes", text.max)
		}
	}
	m.CateID = 0
	if c := p.Get("CateId"); c != "" {
		if m.CateID, err = strconv.ParseInt(c, 10, 64); err != nil || m.CateID < 0 {
			return nil, invalid("CateId", "%q is not a category", c)
		}
	}
	m.Tags = nil
	for _, tag := range split(p.Get("Tags")) {
		if refused := m.addTag("Tags", tag); refused != nil {
			return nil, refused
		}
	}
	switch workflow := p.Get("MediaWorkflowId"); workflow {
	case "":
	case WorkflowID: // it completes at once
		m.PublishState = "Published"
		m.Format, m.Duration, m.Bitrate, m.Fps, m.Width, m.Height = "mp4", "10.000000", "1600.000", "25.0", "1280", "720"
		m.Runs = append(slices.Clip(m.Runs), Run{strings.ToLower(e.newID()), WorkflowID, WorkflowName, e.today(), "Success"})
	default:
		return nil, notFound(workflow)
	}
	return object{"Media": e.mediumObject(*e.library.put(m))}, nil
}

// addTag adds a tag that the medium does not have yet.
func (m *Medium) addTag(parameter, tag string) *failure {
	switch {
	case tag == "" || len(tag) > maxTagBytes:
		return outOfRange(parameter, "tag %q is not within 1 and %d bytes", tag, maxTagBytes)
	case slices.Contains(m.Tags, tag):
		return nil
	case len(m.Tags) == maxTags:
		return outOfRange(parameter, "more than %d tags", maxTags)
	}
	m.Tags = append(slices.Clip(m.Tags), tag) // copies that were handed out keep theirs
	return nil
}

func (e *Emulator) addMediaTag(p url.Values) (object, *failure) {
	m, refused := e.liveMedium(p)
	if refused != nil {
		return nil, refused
	}
	if p.Get("Tag") == "" {
		return nil, missing("Tag")
	}
	return nil, m.addTag("Tag", p.Get("Tag"))
}

// updateMediaPublishState changes between Published and UnPublish; only a
// workflow ends the state Initiated.
func (e *Emulator) updateMediaPublishState(p url.Values) (object, *failure) {
	m, refused := e.liveMedium(p)
	if refused != nil {
		return nil, refused
	}
	if p.Get("Publish") == "" {
		return nil, missing("Publish")
	}
	publish, refused := flag(p, "Publish")
	if refused != nil {
		return nil, refused
	}
	if m.PublishState == "Initiated" {
		return nil, refusal(http.StatusBadRequest, "InvalidParameter.InvalidState", fmt.Sprintf("The state of the resource %q does not allow the operation.", m.ID))
	}
	m.PublishState = "UnPublish"
	if publish {
		m.PublishState = "Published"
	}
	return nil, nil
}

// listAllMediaBucket lists the buckets of sources and outputs, at most 100.
func (e *Emulator) listAllMediaBucket(p url.Values) (object, *failure) {
	size, refused := pageSize(p, 50)
	if refused != nil {
		return nil, refused
	}
	kinds := map[string]string{}
	for _, m := range e.library.media {
		for _, out := range m.Outputs {
			kinds[out.Bucket] = "Output"
		}
	}
	for _, m := range e.library.media {
		kinds[m.Bucket] = "Input"
	}
	names := slices.Sorted(maps.Keys(kinds))
	names = names[:min(len(names), maxMediaBuckets)]
	start, _ := slices.BinarySearch(names, p.Get("NextPageToken"))
	list := []object{}
	answer := object{}
	for _, name := range names[start:] {
		if len(list) == size {
			answer["NextPageToken"] = name
			break
		}
		list = append(list, object{"Bucket": name, "Type": kinds[name], "Referer": ""})
	}
	answer["MediaBucketList"] = object{"MediaBucket": list}
	return answer, nil
}
