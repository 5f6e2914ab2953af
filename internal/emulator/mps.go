package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MPSOptions chooses among behaviours of MPS that its documentation leaves
// open. The zero value is the likeliest of them.
type MPSOptions struct {
	UnknownID   UnknownID   // what DeleteMedia does with an unknown or deleted ID
	DeletedView DeletedView // how queries show a deleted medium
	URLForm     URLForm     // which file URLs QueryMediaListByURL finds

	// DeletionDelay is how long queries still show a deleted medium as live.
	DeletionDelay time.Duration
	// DeleteNothing makes DeleteMedia answer success and delete nothing.
	DeleteNothing bool
	// EmptyNonExist serves {} as the list of missing IDs or URLs when nothing is
	// missing; by default the list is left out.
	EmptyNonExist bool
	// Refused are IDs and file URLs that make a look-up fail as a whole.
	Refused []string
	// WrongFile is the key of an object whose medium is shown with another file.
	WrongFile string
	// Records are the records, as JSON, with which queries answer for an ID in place of
	// its medium's own; an answer without any does not mention the ID.
	Records map[string][]string
	// AlsoMissing are IDs and file URLs that answers list as missing, though they may
	// return their media.
	AlsoMissing []string
	// ReuseID makes AddMedia of a deleted medium's source give it its old ID;
	// by default it gets a new one.
	ReuseID bool

	// Quota overrides the calls a second of an operation; the documented ones
	// are 100, and 10 for ListAllMediaBucket.
	Quota map[string]int
	// ThrottleCode and ThrottleStatus are how a call beyond the quota is
	// refused; the default is Throttling.User with status 400. Throttling and
	// Throttling.Api, and status 429, are also seen; other services of the vendor send
	// QpsLimitExceeded, FlowControl.Exceeded and ServiceBusy.
	ThrottleCode   string
	ThrottleStatus int
	// RetryAfter is the delay that such a refusal asks for in x-acs-retry-after; none by
	// default.
	RetryAfter time.Duration
}

// UnknownID is what DeleteMedia does with an ID that is unknown or deleted.
type UnknownID string

// What DeleteMedia does with an unknown ID.
const (
	AcceptUnknown UnknownID = ""               // success; the others are deleted
	RefuseWhole   UnknownID = "refuse-whole"   // the call fails and deletes nothing
	RefusePartial UnknownID = "refuse-partial" // the call fails, the IDs before it deleted
)

// DeletedView is how queries show a deleted medium.
type DeletedView string

// The views of a deleted medium.
const (
	ViewNonExist  DeletedView = ""          // among the IDs or URLs that do not exist
	ViewDeleted   DeletedView = "deleted"   // with PublishState Deleted
	ViewInitiated DeletedView = "initiated" // with PublishState Initiated
)

// URLForm is how the slashes of an object's name stand in a file URL.
type URLForm string

// The forms of a file URL. The documentation shows both ways.
const (
	AnySlash     URLForm = ""        // either form finds the medium; raw ones are served
	RawSlash     URLForm = "raw"     // only "/" finds it
	EscapedSlash URLForm = "escaped" // only "%2F" finds it
)

// validate refuses words that are none of the choices.
func (o MPSOptions) validate() error {
	switch {
	case !slices.Contains([]UnknownID{AcceptUnknown, RefuseWhole, RefusePartial}, o.UnknownID):
		return fmt.Errorf("unknown-ID behaviour %q: refuse-whole, refuse-partial or empty", o.UnknownID)
	case !slices.Contains([]DeletedView{ViewNonExist, ViewDeleted, ViewInitiated}, o.DeletedView):
		return fmt.Errorf("view of deleted media %q: deleted, initiated or empty", o.DeletedView)
	case !slices.Contains([]URLForm{AnySlash, RawSlash, EscapedSlash}, o.URLForm):
		return fmt.Errorf("URL form %q: raw, escaped or empty", o.URLForm)
	}
	return nil
}

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

// pageSize is MaximumPageSize.
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

// liveMedium is the medium of the parameter MediaId.
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

// view is how queries show a medium; ok is false when they do not.
func (e *Emulator) view(m *Medium) (shown Medium, ok bool) {
	shown = *m
	if !m.Deleted || e.now().Sub(m.DeletedAt) < e.options.DeletionDelay {
		return shown, true
	}
	switch e.options.DeletedView {
	case ViewDeleted:
		shown.PublishState = "Deleted"
		return shown, true
	case ViewInitiated:
		shown.PublishState = "Initiated"
		return shown, true
	default:
		return shown, false
	}
}

func (e *Emulator) queryMediaList(p url.Values) (object, *failure) {
	return e.query(p, "MediaIds", "NonExistMediaIds", "MediaId", func(id string) (*Medium, *failure) {
		return e.library.byID[id], nil
	})
}

func (e *Emulator) queryMediaListByURL(p url.Values) (object, *failure) {
	return e.query(p, "FileURLs", "NonExistFileURLs", "FileURL", func(raw string) (*Medium, *failure) {
		s, err := e.parseFileURL(raw)
		if err != nil {
			return nil, invalid("FileURLs", "%q: %v", raw, err)
		}
		escaped := strings.Contains(strings.ToUpper(raw), "%2F")
		plain := strings.Count(raw, "/") > len("///") // beyond those of http://host/
		if e.options.URLForm == RawSlash && escaped || e.options.URLForm == EscapedSlash && plain {
			return nil, nil
		}
		return e.library.at(s), nil
	})
}

// query looks up every entry of a list parameter with find, which returns nil
// for what it does not know. A medium that is found twice is answered once. The
// order of an answer is not documented; this one is by ID, not as asked.
func (e *Emulator) query(p url.Values, parameter, missingList, missingEntry string, find func(string) (*Medium, *failure)) (object, *failure) {
	entries, refused := batch(p, parameter)
	if refused != nil {
		return nil, refused
	}
	var include []OutputKind
	for _, kind := range []OutputKind{Play, Snapshot, Summary} {
		wanted, refused := flag(p, "Include"+string(kind)+"List")
		if refused != nil {
			return nil, refused
		}
		if wanted {
			include = append(include, kind)
		}
	}
	mediaInfo, refused := flag(p, "IncludeMediaInfo")
	if refused != nil {
		return nil, refused
	}

	found := map[string]Medium{}
	var absent []string
	for i, entry := range entries {
		if slices.Contains(e.options.Refused, entry) {
			return nil, invalid(parameter, "%q cannot be looked up", entry)
		}
		if i == 0 && e.omit {
			continue
		}
		if slices.Contains(e.options.AlsoMissing, entry) {
			absent = append(absent, entry)
		}
		m, refused := find(entry)
		if refused != nil {
			return nil, refused
		}
		if m != nil {
			if shown, ok := e.view(m); ok {
				found[m.ID] = shown
				continue
			}
		}
		if !slices.Contains(absent, entry) {
			absent = append(absent, entry)
		}
	}
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		m := found[id]
		if records, odd := e.options.Records[id]; odd {
			for _, record := range records {
				list = append(list, json.RawMessage(record))
			}
			continue
		}
		if m.Key == e.options.WrongFile {
			m.Key += ".other"
		}
		o := e.mediumObject(m)
		for _, kind := range include {
			o[string(kind)+"List"] = object{string(kind): e.outputObjects(m, kind)}
		}
		if mediaInfo {
			o["MediaInfo"] = mediaInfoObject(m)
		}
		list = append(list, o)
	}
	answer := object{"MediaList": object{"Media": list}}
	switch {
	case len(absent) > 0:
		answer[missingList] = object{missingEntry: absent}
	case e.options.EmptyNonExist:
		answer[missingList] = object{}
	}
	return answer, nil
}

// mediumObject is a Media object without the parts that are asked for. Scalars
// are strings but for CateId, and absent when empty.
func (e *Emulator) mediumObject(m Medium) object {
	runs := []string{}
	for _, r := range m.Runs {
		runs = append(runs, r.ID)
	}
	file := e.fileObject(m.Bucket, m.Key)
	if m.URL != "" {
		file["URL"] = m.URL
	}
	o := object{
		"MediaId":      m.ID,
		"CateId":       m.CateID,
		"PublishState": m.PublishState,
		"CensorState":  "Initiated",
		"Tags":         object{"Tag": append([]string{}, m.Tags...)},
		"RunIdList":    object{"RunId": runs},
		"File":         file,
	}
	for name, value := range map[string]string{
		"CreationTime": m.CreationTime, "Title": m.Title, "Description": m.Description, "CoverURL": m.CoverURL,
		"Format": m.Format, "Duration": m.Duration, "Bitrate": m.Bitrate, "Fps": m.Fps,
		"Size": m.Size, "Width": m.Width, "Height": m.Height,
	} {
		if value != "" {
			o[name] = value
		}
	}
	return o
}

// fileObject is the address of an object and whether it is there.
func (e *Emulator) fileObject(bucket, key string) object {
	state := "Deleted"
	if _, ok := e.store.find(bucket, key); ok {
		state = "Normal"
	}
	return object{"URL": e.fileURL(bucket, key), "State": state}
}

func (e *Emulator) outputObjects(m Medium, kind OutputKind) []object {
	list := []object{}
	for _, out := range m.Outputs {
		if out.Kind != kind {
			continue
		}
		o := object{
			"MediaWorkflowId":   WorkflowID,
			"MediaWorkflowName": WorkflowName,
			"ActivityName":      string(kind),
			"File":              e.fileObject(out.Bucket, out.Key),
		}
		switch kind {
		case Play:
			o["Format"], o["Duration"], o["Bitrate"], o["Fps"] = "mp4", m.Duration, m.Bitrate, m.Fps
			o["Width"], o["Height"], o["Size"], o["Encryption"] = m.Width, m.Height, m.Size, "0"
		case Snapshot:
			o["Type"], o["Count"] = out.Type, "1"
		case Summary:
			o["Type"] = out.Type
		}
		list = append(list, o)
	}
	return list
}

func mediaInfoObject(m Medium) object {
	return object{
		"Format": object{
			"FormatName": m.Format, "NumPrograms": "0", "NumStreams": "2", "StartTime": "0.000000",
			"Duration": m.Duration, "Size": m.Size, "Bitrate": m.Bitrate,
		},
		"Streams": object{
			"VideoStreamList": object{"VideoStream": []object{{
				"Index": "0", "CodecName": "h264", "Width": m.Width, "Height": m.Height, "Fps": m.Fps, "Duration": m.Duration,
			}}},
			"AudioStreamList": object{"AudioStream": []object{{
				"Index": "1", "CodecName": "aac", "Channels": "2", "Samplerate": "44100", "Duration": m.Duration,
			}}},
			"SubtitleStreamList": object{"SubtitleStream": []object{}},
		},
	}
}

func (e *Emulator) listMediaWorkflowExecutions(p url.Values) (object, *failure) {
	size, refused := pageSize(p, 10)
	if refused != nil {
		return nil, refused
	}
	var input *source
	if raw := p.Get("InputFileURL"); raw != "" {
		s, err := e.parseFileURL(raw)
		if err != nil {
			return nil, invalid("InputFileURL", "%q: %v", raw, err)
		}
		input = &s
	}
	matches := func(x execution) bool {
		id, name := p.Get("MediaWorkflowId"), p.Get("MediaWorkflowName")
		return (id == "" || id == x.WorkflowID) && (name == "" || name == x.WorkflowName) &&
			(input == nil || *input == source{x.medium.Bucket, x.medium.Key})
	}
	all := e.library.allExecutions()
	// A token is the ID of the last run of the page before, 32 hex digits as
	// the real ones are.
	if token := p.Get("NextPageToken"); token != "" {
		last := slices.IndexFunc(all, func(x execution) bool { return x.ID == token })
		if last < 0 {
			return nil, invalid("NextPageToken", "unknown")
		}
		all = all[last+1:]
	}
	list := []object{}
	answer := object{}
	oldest := e.today().AddDate(0, 0, -executionDays)
	for _, x := range all {
		if x.Time.Before(oldest) {
			break
		}
		if !matches(x) {
			continue
		}
		if len(list) == size {
			answer["NextPageToken"] = list[size-1]["RunId"]
			break
		}
		list = append(list, e.executionObject(x))
	}
	answer["MediaWorkflowExecutionList"] = object{"MediaWorkflowExecution": list}
	return answer, nil
}

func (e *Emulator) executionObject(x execution) object {
	at := x.Time.UTC().Format(timeFormat)
	activities := []object{}
	for _, kind := range []string{"Start", "Transcode", "Snapshot", "Report"} {
		activities = append(activities, object{"Name": kind, "Type": kind, "State": "Success", "StartTime": at, "EndTime": at})
	}
	return object{
		"RunId":           x.ID,
		"MediaWorkflowId": x.WorkflowID,
		"Name":            x.WorkflowName,
		"MediaId":         x.medium.ID,
		"CreationTime":    at,
		"State":           x.State,
		"Input": object{"InputFile": object{
			"Bucket": x.medium.Bucket, "Location": "oss-" + e.region, "Object": percentEncode(x.medium.Key),
		}},
		"ActivityList": object{"Activity": activities},
	}
}

// addMedia registers an object, which need not exist. A live medium of the same
// object keeps its ID and takes the new texts.
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
		CreationTime: e.today().Format(timeFormat), PublishState: "Initiated",
	}
	switch old := e.library.at(s); {
	case old == nil:
	case !old.Deleted:
		m = *old
	case e.options.ReuseID:
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
