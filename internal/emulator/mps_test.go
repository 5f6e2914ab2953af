package emulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

const unknownID = "ffffffffffffffffffffffffffffffff"

func fileURL(key string) string {
	return "http://media-in.oss-cn-shanghai.aliyuncs.com/" + strings.ReplaceAll(escaped(key), "%2F", "/")
}

func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func TestQueryMediaList(t *testing.T) {
	e := start(t, emulator.Config{})
	m := e.Add(emulator.Medium{
		Key: "clips/a b.mp4", CreationTime: "2024-05-01T10:00:00Z", Title: "a", Tags: []string{"k1", "k2"}, CateID: 7,
		Size: "100", Duration: "1.5", Format: "mp4", PublishState: "UnPublish",
		Outputs: []emulator.Output{
			{Kind: emulator.Play, Bucket: "media-out", Key: "p.mp4"},
			{Kind: emulator.Snapshot, Bucket: "media-out", Key: "s.jpg", Type: "Single"},
			{Kind: emulator.Summary, Bucket: "media-out", Key: "s.gif", Type: "Gif"},
		},
		Runs: []emulator.Run{{ID: strings.Repeat("a", 32)}},
	})
	c := mpsClient(t, e)

	t.Run("plain", func(t *testing.T) {
		r, err := queryMedia(c, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`).MatchString(r.RequestId) {
			t.Errorf("request ID %q is not an upper-case UUID", r.RequestId)
		}
		got := r.MediaList.Media[0]
		if got.MediaId != m.ID || got.CreationTime != m.CreationTime || got.Title != "a" || got.CateId != 7 || got.PublishState != "UnPublish" ||
			got.Size != "100" || !slices.Equal(got.Tags.Tag, m.Tags) || len(got.RunIdList.RunId) != 1 {
			t.Errorf("got %+v", got)
		}
		if want := "http://media-in.oss-cn-shanghai.aliyuncs.com/clips/a%20b.mp4"; got.File.URL != want || got.File.State != "Normal" {
			t.Errorf("file %+v, want %s", got.File, want)
		}
		if len(got.PlayList.Play)+len(got.SnapshotList.Snapshot)+len(got.SummaryList.Summary) > 0 || got.MediaInfo.Format.Duration != "" {
			t.Error("parts that were not asked for")
		}
		if strings.Contains(r.GetHttpContentString(), "NonExist") {
			t.Error("list of missing IDs although none is missing")
		}
	})
	t.Run("everything included", func(t *testing.T) {
		r := mts.CreateQueryMediaListRequest()
		r.MediaIds = m.ID
		r.IncludePlayList, r.IncludeSnapshotList, r.IncludeSummaryList, r.IncludeMediaInfo = "true", "true", "true", "true"
		answer, err := c.QueryMediaList(r)
		if err != nil {
			t.Fatal(err)
		}
		got := answer.MediaList.Media[0]
		if len(got.PlayList.Play) != 1 || len(got.SnapshotList.Snapshot) != 1 || len(got.SummaryList.Summary) != 1 || got.MediaInfo.Format.Duration != "1.5" {
			t.Errorf("got %+v", got)
		}
		if f := got.PlayList.Play[0].File; f.URL != "http://media-out.oss-cn-shanghai.aliyuncs.com/p.mp4" || f.State != "Deleted" {
			t.Errorf("output %+v", f)
		}
	})
	t.Run("missing IDs", func(t *testing.T) {
		r, err := queryMedia(c, unknownID, m.ID, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.NonExistMediaIds.MediaId, []string{unknownID}) || len(r.MediaList.Media) != 1 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("source removed", func(t *testing.T) {
		e.RemoveObject(m.Bucket, m.Key)
		r, err := queryMedia(c, m.ID)
		if err != nil || r.MediaList.Media[0].File.State != "Deleted" {
			t.Errorf("got %+v, %v", r, err)
		}
	})
	t.Run("empty list of missing IDs", func(t *testing.T) {
		e.SetMPS(emulator.MPSOptions{EmptyNonExist: true})
		r, err := queryMedia(c, m.ID)
		if err != nil || !strings.Contains(r.GetHttpContentString(), `"NonExistMediaIds": {}`) {
			t.Errorf("got %v, %v", r, err)
		}
	})
	noViolations(t, e)
}

func TestQueryMediaListByURL(t *testing.T) {
	e := start(t, emulator.Config{})
	awkward := "clips/Q&A, 100% a+b/发布会 a%2Fb #?.mp4"
	m := e.Add(emulator.Medium{Key: awkward})
	e.Add(emulator.Medium{Key: "top.mp4"})
	c := mpsClient(t, e)
	base := "http://media-in.oss-cn-shanghai.aliyuncs.com/"
	raw, esc, top := fileURL(awkward), base+escaped(awkward), base+"top.mp4"

	tests := []struct {
		form    emulator.URLForm
		url     string
		found   bool
		fileURL string
	}{
		{emulator.AnySlash, raw, true, raw},
		{emulator.AnySlash, esc, true, raw},
		{emulator.RawSlash, raw, true, raw},
		{emulator.RawSlash, esc, false, ""},
		{emulator.EscapedSlash, raw, false, ""},
		{emulator.EscapedSlash, esc, true, esc},
		{emulator.EscapedSlash, top, true, top},
		{emulator.RawSlash, top, true, top},
		{emulator.AnySlash, fileURL("clips/none.mp4"), false, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s", tt.form, tt.url), func(t *testing.T) {
			e.SetMPS(emulator.MPSOptions{URLForm: tt.form})
			r, err := queryURLs(c, tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if tt.found && (len(r.MediaList.Media) != 1 || r.MediaList.Media[0].File.URL != tt.fileURL) {
				t.Errorf("got %+v, want %s", r.MediaList, tt.fileURL)
			}
			if !tt.found && !slices.Equal(r.NonExistFileURLs.FileURL, []string{tt.url}) {
				t.Errorf("missing %v, want %s", r.NonExistFileURLs.FileURL, tt.url)
			}
		})
	}
	noViolations(t, e)

	t.Run("many to one", func(t *testing.T) {
		e.SetMPS(emulator.MPSOptions{})
		r, err := queryURLs(c, raw, esc)
		if err != nil || len(r.MediaList.Media) != 1 || r.MediaList.Media[0].MediaId != m.ID {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

// Every refusal of a malformed call is also a violation.
func TestMalformedCalls(t *testing.T) {
	ten := strings.Repeat(unknownID+",", 10)
	host := "http://media-in.oss-cn-shanghai.aliyuncs.com/"
	tests := []struct {
		name, operation, parameter, value, want string
	}{
		{"eleven IDs", "DeleteMedia", "MediaIds", ten + unknownID, "400 InvalidParameter.OutOfRange"},
		{"empty ID", "DeleteMedia", "MediaIds", unknownID + ",", "400 InvalidParameter"},
		{"blank after comma", "DeleteMedia", "MediaIds", unknownID + ", " + unknownID, "400 InvalidParameter"},
		{"no IDs", "DeleteMedia", "", "", "400 MissingMediaIds"},
		{"eleven IDs asked", "QueryMediaList", "MediaIds", ten + unknownID, "400 InvalidParameter.OutOfRange"},
		{"no URLs", "QueryMediaListByURL", "", "", "400 MissingFileURLs"},
		{"https", "QueryMediaListByURL", "FileURLs", "https" + host[4:] + "a", "400 InvalidParameter"},
		{"internal host", "QueryMediaListByURL", "FileURLs", "http://media-in.oss-cn-shanghai-internal.aliyuncs.com/a", "400 InvalidParameter"},
		{"other region", "QueryMediaListByURL", "FileURLs", "http://media-in.oss-cn-beijing.aliyuncs.com/a", "400 InvalidParameter"},
		{"CDN host", "QueryMediaListByURL", "FileURLs", "http://cdn.example.com/a", "400 InvalidParameter"},
		{"no key", "QueryMediaListByURL", "FileURLs", host, "400 InvalidParameter"},
		{"raw blank", "QueryMediaListByURL", "FileURLs", host + "a b", "400 InvalidParameter"},
		{"raw plus", "QueryMediaListByURL", "FileURLs", host + "a+b", "400 InvalidParameter"},
		{"raw comma", "QueryMediaListByURL", "FileURLs", host + "a,b", "400 InvalidParameter"},
		{"bad escape", "QueryMediaListByURL", "FileURLs", host + "a%2", "400 InvalidParameter"},
		{"not UTF-8", "QueryMediaListByURL", "FileURLs", host + "a%ff", "400 InvalidParameter"},
		{"query string", "QueryMediaListByURL", "FileURLs", host + "a?b", "400 InvalidParameter"},
		{"3201 bytes", "QueryMediaListByURL", "FileURLs", host + strings.Repeat("a", 3201-len(host)), "400 InvalidParameter"},
		{"page of none", "ListMediaWorkflowExecutions", "MaximumPageSize", "0", "400 InvalidParameter.OutOfRange"},
		{"page of 101", "ListMediaWorkflowExecutions", "MaximumPageSize", "101", "400 InvalidParameter.OutOfRange"},
		{"page of words", "ListAllMediaBucket", "MaximumPageSize", "ten", "400 InvalidParameter"},
		{"made-up token", "ListMediaWorkflowExecutions", "NextPageToken", unknownID, "400 InvalidParameter"},
		{"bad file of executions", "ListMediaWorkflowExecutions", "InputFileURL", "oss://media-in/a", "400 InvalidParameter"},
		{"state of nothing", "UpdateMediaPublishState", "", "", "400 MissingMediaId"},
		{"bad file", "AddMedia", "FileURL", "oss://media-in/a", "400 InvalidParameter"},
		{"no file", "AddMedia", "", "", "400 MissingFileURL"},
		{"unknown operation", "ListMedia", "", "", "404 InvalidAction.NotFound"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, emulator.Config{})
			r := requests.NewCommonRequest()
			r.Domain = strings.TrimPrefix(e.URL(), "http://")
			r.Version, r.ApiName = "2014-06-18", tt.operation
			if tt.parameter != "" {
				r.QueryParams[tt.parameter] = tt.value
			}
			_, err := mpsClient(t, e).ProcessCommonRequest(r)
			if got := mpsCode(err); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if v := e.Violations(); len(v) != 1 {
				t.Errorf("violations %q, want one", v)
			}
		})
	}
}

func TestDeleteMediaModes(t *testing.T) {
	tests := []struct {
		name    string
		options emulator.MPSOptions
		want    string
		deleted []bool // of the media before and after the unknown ID
	}{
		{"accept", emulator.MPSOptions{}, "", []bool{true, true}},
		{"refuse whole", emulator.MPSOptions{UnknownID: emulator.RefuseWhole}, "400 InvalidParameter.ResourceNotFound", []bool{false, false}},
		{"refuse partial", emulator.MPSOptions{UnknownID: emulator.RefusePartial}, "400 InvalidParameter.ResourceNotFound", []bool{true, false}},
		{"delete nothing", emulator.MPSOptions{DeleteNothing: true}, "", []bool{false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, emulator.Config{MPS: tt.options})
			c := mpsClient(t, e)
			a, b := e.Add(emulator.Medium{}), e.Add(emulator.Medium{})
			r, err := deleteMedia(c, a.ID, unknownID, b.ID)
			if got := mpsCode(err); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if err == nil && r.RequestId == "" {
				t.Error("no request ID")
			}
			for i, id := range []string{a.ID, b.ID} {
				if m, _ := e.Medium(id); m.Deleted != tt.deleted[i] {
					t.Errorf("medium %d deleted: %v", i, m.Deleted)
				}
				if _, ok := e.Object("media-in", "clips/"+id+".mp4"); !ok {
					t.Error("the source object is gone")
				}
			}
			noViolations(t, e)
		})
	}
	t.Run("a repeated deletion is of an unknown ID", func(t *testing.T) {
		e := start(t, emulator.Config{MPS: emulator.MPSOptions{UnknownID: emulator.RefuseWhole}})
		c := mpsClient(t, e)
		id := e.Add(emulator.Medium{}).ID
		if _, err := deleteMedia(c, id); err != nil {
			t.Fatal(err)
		}
		_, err := deleteMedia(c, id)
		if got := mpsCode(err); got != "400 InvalidParameter.ResourceNotFound" {
			t.Error(got)
		}
	})
}

func TestDeletedViews(t *testing.T) {
	tests := []struct {
		name    string
		options emulator.MPSOptions
		want    string // PublishState; empty for a medium that does not exist
	}{
		{"does not exist", emulator.MPSOptions{}, ""},
		{"Deleted", emulator.MPSOptions{DeletedView: emulator.ViewDeleted}, "Deleted"},
		{"Initiated", emulator.MPSOptions{DeletedView: emulator.ViewInitiated}, "Initiated"},
		{"not yet", emulator.MPSOptions{DeletionDelay: time.Hour}, "Published"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, emulator.Config{MPS: tt.options})
			c := mpsClient(t, e)
			m := e.Add(emulator.Medium{Key: "clips/a.mp4"})
			if _, err := deleteMedia(c, m.ID); err != nil {
				t.Fatal(err)
			}
			byID, err := queryMedia(c, m.ID)
			if err != nil {
				t.Fatal(err)
			}
			byURL, err := queryURLs(c, fileURL(m.Key))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if !slices.Equal(byID.NonExistMediaIds.MediaId, []string{m.ID}) || !slices.Equal(byURL.NonExistFileURLs.FileURL, []string{fileURL(m.Key)}) {
					t.Errorf("by ID %+v, by URL %+v", byID, byURL)
				}
				return
			}
			for _, list := range [][]mts.Media{byID.MediaList.Media, byURL.MediaList.Media} {
				if len(list) != 1 || list[0].PublishState != tt.want {
					t.Errorf("got %+v, want %s", list, tt.want)
				}
			}
		})
	}
}

func TestAddMedia(t *testing.T) {
	asOf := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	e := start(t, emulator.Config{AsOf: asOf})
	c := mpsClient(t, e)
	add := func(set func(*mts.AddMediaRequest)) (mts.Media, error) {
		r := mts.CreateAddMediaRequest()
		r.FileURL = fileURL("clips/a b.mp4")
		set(r)
		answer, err := c.AddMedia(r)
		if err != nil {
			return mts.Media{}, err
		}
		return answer.Media, nil
	}
	first, err := add(func(r *mts.AddMediaRequest) {
		r.Title, r.Tags, r.CateId = "t", "x,y", "3"
	})
	if err != nil {
		t.Fatal(err)
	}
	if first.PublishState != "Initiated" || first.CreationTime != "2026-05-01T00:00:00Z" || first.Title != "t" || first.CateId != 3 || !slices.Equal(first.Tags.Tag, []string{"x", "y"}) {
		t.Errorf("added %+v", first)
	}
	again, err := add(func(r *mts.AddMediaRequest) { r.MediaWorkflowId = emulator.WorkflowID })
	if err != nil {
		t.Fatal(err)
	}
	if again.MediaId != first.MediaId || again.Title != "" || again.PublishState != "Published" || len(again.RunIdList.RunId) != 1 {
		t.Errorf("added again %+v", again)
	}
	if _, err := deleteMedia(c, first.MediaId); err != nil {
		t.Fatal(err)
	}
	after, err := add(func(*mts.AddMediaRequest) {})
	if err != nil || after.MediaId == first.MediaId || after.PublishState != "Initiated" {
		t.Errorf("after the deletion %+v, %v", after, err)
	}
	e.SetMPS(emulator.MPSOptions{ReuseID: true})
	if _, err := deleteMedia(c, after.MediaId); err != nil {
		t.Fatal(err)
	}
	if reused, err := add(func(*mts.AddMediaRequest) {}); err != nil || reused.MediaId == "" || reused.PublishState != "Initiated" {
		t.Errorf("with its old ID %+v, %v", reused, err)
	} else if m, _ := e.Medium(reused.MediaId); m.Deleted {
		t.Error("still deleted")
	}
	noViolations(t, e)

	for name, set := range map[string]func(*mts.AddMediaRequest){
		"long title":       func(r *mts.AddMediaRequest) { r.Title = strings.Repeat("t", 129) },
		"long description": func(r *mts.AddMediaRequest) { r.Description = strings.Repeat("t", 1025) },
		"seventeen tags":   func(r *mts.AddMediaRequest) { r.Tags = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17" },
		"long tag":         func(r *mts.AddMediaRequest) { r.Tags = strings.Repeat("t", 33) },
		"category":         func(r *mts.AddMediaRequest) { r.CateId = "-1" },
		"workflow":         func(r *mts.AddMediaRequest) { r.MediaWorkflowId = unknownID },
	} {
		if _, err := add(set); !strings.HasPrefix(mpsCode(err), "400 InvalidParameter") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddMediaTag(t *testing.T) {
	e := start(t, emulator.Config{})
	c := mpsClient(t, e)
	m := e.Add(emulator.Medium{Tags: []string{"a"}})
	tag := func(id, tag string) string {
		r := mts.CreateAddMediaTagRequest()
		r.MediaId, r.Tag = id, tag
		_, err := c.AddMediaTag(r)
		return mpsCode(err)
	}
	for _, s := range []string{"legal-hold", "a"} {
		if code := tag(m.ID, s); code != "" {
			t.Errorf("tag %s: %s", s, code)
		}
	}
	if got, _ := e.Medium(m.ID); !slices.Equal(got.Tags, []string{"a", "legal-hold"}) {
		t.Errorf("tags %q", got.Tags)
	}
	if code := tag(unknownID, "a"); code != "400 InvalidParameter.ResourceNotFound" {
		t.Errorf("unknown medium: %s", code)
	}
	if code := tag(m.ID, strings.Repeat("t", 33)); code != "400 InvalidParameter.OutOfRange" {
		t.Errorf("long tag: %s", code)
	}
	if code := tag(m.ID, ""); code != "400 MissingTag" {
		t.Errorf("no tag: %s", code)
	}
}

func TestUpdateMediaPublishState(t *testing.T) {
	e := start(t, emulator.Config{})
	c := mpsClient(t, e)
	update := func(id string, publish bool) string {
		r := mts.CreateUpdateMediaPublishStateRequest()
		r.MediaId, r.Publish = id, requests.NewBoolean(publish)
		_, err := c.UpdateMediaPublishState(r)
		return mpsCode(err)
	}
	m := e.Add(emulator.Medium{})
	for _, publish := range []bool{false, true} {
		if code := update(m.ID, publish); code != "" {
			t.Error(code)
		}
		if got, _ := e.Medium(m.ID); (got.PublishState == "Published") != publish {
			t.Errorf("state %s", got.PublishState)
		}
	}
	initiated := e.Add(emulator.Medium{PublishState: "Initiated"})
	if code := update(initiated.ID, true); code != "400 InvalidParameter.InvalidState" {
		t.Errorf("out of the initial state: %s", code)
	}
}

func TestListMediaWorkflowExecutions(t *testing.T) {
	asOf := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	e := start(t, emulator.Config{AsOf: asOf})
	c := mpsClient(t, e)
	for day := range 120 {
		name := []string{"even", "odd"}[day%2]
		e.Add(emulator.Medium{
			Key: fmt.Sprintf("clips/%03d.mp4", day), Deleted: day == 5,
			Runs: []emulator.Run{{ID: fmt.Sprintf("%032x", day+1), WorkflowID: "id-" + name, WorkflowName: name, State: "Success", Time: asOf.AddDate(0, 0, -day)}},
		})
	}
	list := func(set func(*mts.ListMediaWorkflowExecutionsRequest)) (found []mts.MediaWorkflowExecution, pages int) {
		t.Helper()
		token := ""
		for {
			r := mts.CreateListMediaWorkflowExecutionsRequest()
			r.NextPageToken = token
			set(r)
			answer, err := c.ListMediaWorkflowExecutions(r)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			found = append(found, answer.MediaWorkflowExecutionList.MediaWorkflowExecution...)
			if token = answer.NextPageToken; token == "" {
				return found, pages
			}
		}
	}
	tests := []struct {
		name         string
		set          func(*mts.ListMediaWorkflowExecutionsRequest)
		found, pages int
	}{
		{"all, by ten", func(*mts.ListMediaWorkflowExecutionsRequest) {}, 91, 10},
		{"all, by a hundred", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.MaximumPageSize = "100" }, 91, 1},
		{"by exactly what there is", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.MaximumPageSize = "91" }, 91, 1},
		{"of a workflow", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.MediaWorkflowId = "id-odd" }, 45, 5},
		{"of a name", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.MediaWorkflowName = "even" }, 46, 5},
		{"of a file", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.InputFileURL = fileURL("clips/005.mp4") }, 1, 1},
		{"of an old file", func(r *mts.ListMediaWorkflowExecutionsRequest) { r.InputFileURL = fileURL("clips/100.mp4") }, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, pages := list(tt.set)
			if len(found) != tt.found || pages != tt.pages {
				t.Errorf("%d executions in %d pages, want %d in %d", len(found), pages, tt.found, tt.pages)
			}
			seen := map[string]bool{}
			for _, x := range found {
				if seen[x.RunId] || x.MediaId == "" || x.Input.InputFile.Bucket != "media-in" || x.State != "Success" || len(x.ActivityList.Activity) == 0 {
					t.Errorf("execution %+v", x)
				}
				seen[x.RunId] = true
			}
		})
	}
	for _, tt := range []struct {
		options      emulator.MPSOptions
		found, pages int
		first        int // day
	}{
		{emulator.MPSOptions{ListEnd: emulator.EmptyToken}, 91, 10, 0},
		{emulator.MPSOptions{ListEnd: emulator.EmptyPage}, 91, 11, 0},
		{emulator.MPSOptions{OldestFirst: true}, 91, 10, 90},
		{emulator.MPSOptions{HidesDeleted: true}, 90, 9, 0},
	} {
		e.SetMPS(tt.options)
		found, pages := list(func(*mts.ListMediaWorkflowExecutionsRequest) {})
		if len(found) != tt.found || pages != tt.pages || found[0].RunId != fmt.Sprintf("%032x", tt.first+1) {
			t.Errorf("%+v: %d executions in %d pages from %s on, want %d in %d", tt.options, len(found), pages, found[0].RunId, tt.found, tt.pages)
		}
	}
	noViolations(t, e)
}

// Two answers may have the members of an object in two orders.
func TestShuffled(t *testing.T) {
	e := start(t, emulator.Config{MPS: emulator.MPSOptions{Shuffled: true}})
	m := e.Add(emulator.Medium{Title: "a", Tags: []string{"b"}})
	c, orders := mpsClient(t, e), map[bool]int{}
	for range 20 {
		r := mts.CreateQueryMediaListRequest()
		r.MediaIds = m.ID
		answer, err := c.QueryMediaList(r)
		if err != nil || len(answer.MediaList.Media) != 1 || answer.MediaList.Media[0].Title != "a" || answer.MediaList.Media[0].Tags.Tag[0] != "b" {
			t.Fatalf("%+v, %v", answer, err)
		}
		body := answer.GetHttpContentString()
		orders[strings.Index(body, `"Title"`) < strings.Index(body, `"CateId"`)]++
	}
	if len(orders) != 2 {
		t.Error("the order is always the same")
	}
}

// MPS may bound the file URLs of a call together.
func TestJoinedURLs(t *testing.T) {
	e := start(t, emulator.Config{MPS: emulator.MPSOptions{JoinedURLs: true}})
	c := mpsClient(t, e)
	for length, want := range map[int]string{1000: "", 1600: "400 InvalidParameter.OutOfRange"} {
		r := mts.CreateQueryMediaListByURLRequest()
		long := fileURL(strings.Repeat("k", length-len(fileURL(""))))
		r.FileURLs = long + "," + long
		_, err := c.QueryMediaListByURL(r)
		if got := mpsCode(err); got != want {
			t.Errorf("%d bytes twice: %s, want %s", length, got, want)
		}
	}
}

func TestListAllMediaBucket(t *testing.T) {
	e := start(t, emulator.Config{Media: 10})
	e.Add(emulator.Medium{Bucket: "archive"})
	c := mpsClient(t, e)
	var got []string
	token := ""
	for {
		r := mts.CreateListAllMediaBucketRequest()
		r.MaximumPageSize, r.NextPageToken = "2", token
		answer, err := c.ListAllMediaBucket(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range answer.MediaBucketList.MediaBucket {
			got = append(got, b.Bucket+" "+b.Type)
		}
		if token = answer.NextPageToken; token == "" {
			break
		}
	}
	if want := []string{"archive Input", "media-in Input", "media-out Output"}; !slices.Equal(got, want) {
		t.Errorf("buckets %q, want %q", got, want)
	}
}

func TestQuota(t *testing.T) {
	at := time.Now()
	e := start(t, emulator.Config{Now: func() time.Time { return at }})
	c := mpsClient(t, e)
	query := func() string {
		_, err := queryMedia(c, unknownID)
		return mpsCode(err)
	}
	fill := func(n int) {
		t.Helper()
		for i := range n {
			if code := query(); code != "" {
				t.Fatalf("call %d: %s", i+1, code)
			}
		}
	}
	fill(50)
	at = at.Add(600 * time.Millisecond)
	fill(50)
	if code := query(); code != "400 Throttling.User" {
		t.Errorf("call 101 in a second: %q", code)
	}
	if _, err := deleteMedia(c, unknownID); err != nil {
		t.Errorf("another operation has its own quota: %v", err)
	}
	at = at.Add(400 * time.Millisecond) // the first fifty leave the window
	fill(50)
	e.SetMPS(emulator.MPSOptions{ThrottleCode: "Throttling", ThrottleStatus: http.StatusTooManyRequests})
	if code := query(); code != "429 Throttling" {
		t.Errorf("call 101 in a second: %q", code)
	}
	if v := e.Violations(); len(v) != 2 {
		t.Errorf("violations %q, want two", v)
	}

	t.Run("of listing buckets", func(t *testing.T) {
		var code string
		for range 11 {
			if code != "" {
				t.Fatal(code)
			}
			_, err := c.ListAllMediaBucket(mts.CreateListAllMediaBucketRequest())
			code = mpsCode(err)
		}
		if code != "429 Throttling" {
			t.Errorf("call 11 in a second: %q", code)
		}
	})
	t.Run("of a test's own", func(t *testing.T) {
		e.SetMPS(emulator.MPSOptions{Quota: map[string]int{"QueryMediaListByURL": 1}})
		for i, want := range []string{"", "400 Throttling.User"} {
			if _, err := queryURLs(c, fileURL("a")); mpsCode(err) != want {
				t.Errorf("call %d: %v, want %q", i+1, err, want)
			}
		}
	})
}

func TestMPSAuthentication(t *testing.T) {
	e := start(t, emulator.Config{})
	env := e.Env()
	with := func(name, value string) map[string]string {
		changed := map[string]string{}
		for k, v := range env {
			changed[k] = v
		}
		changed[name] = value
		return changed
	}
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"all right", env, ""},
		{"unknown key", with("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.nobody"), "404 InvalidAccessKeyId.NotFound"},
		{"wrong secret", with("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x"), "400 SignatureDoesNotMatch"},
		{"wrong token", with("ALIBABA_CLOUD_SECURITY_TOKEN", "x"), "403 InvalidSecurityToken.MismatchWithAccessKey"},
		{"no token", with("ALIBABA_CLOUD_SECURITY_TOKEN", ""), "403 MissingSecurityToken"},
		{"wrong region", with("MEDIASWEEP_REGION", "cn-beijing"), "404 InvalidOperation.NotSupportedEndpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := deleteMedia(mpsClientWith(t, e, tt.env), unknownID)
			if got := mpsCode(err); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	t.Run("expired token", func(t *testing.T) {
		e.ExpireToken()
		_, err := deleteMedia(mpsClientWith(t, e, env), unknownID)
		if got := mpsCode(err); got != "403 InvalidSecurityToken.Expired" {
			t.Error(got)
		}
		if _, err := deleteMedia(mpsClient(t, e), unknownID); err != nil {
			t.Errorf("with the new one: %v", err)
		}
	})
	for name, test := range map[string]struct {
		skew time.Duration
		want string
	}{
		"clock 14 minutes late":  {14 * time.Minute, ""},
		"clock 15 minutes late":  {15 * time.Minute, "400 InvalidTimeStamp.Expired"},
		"clock 16 minutes early": {-16 * time.Minute, "400 InvalidTimeStamp.Expired"},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, emulator.Config{Now: func() time.Time { return time.Now().Add(test.skew) }})
			_, err := deleteMedia(mpsClient(t, e), unknownID)
			if got := mpsCode(err); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// send signs a call by hand, independently of SDK and emulator, changed by
// edit before and by tamper after signing.
func send(t *testing.T, e *emulator.Emulator, method string, edit, tamper func(url.Values)) (int, string) {
	t.Helper()
	env := e.Env()
	p := url.Values{
		"Action": {"QueryMediaList"}, "Version": {"2014-06-18"}, "Format": {"JSON"}, "MediaIds": {unknownID},
		"AccessKeyId": {env["ALIBABA_CLOUD_ACCESS_KEY_ID"]}, "SecurityToken": {env["ALIBABA_CLOUD_SECURITY_TOKEN"]},
		"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"}, "SignatureType": {""},
		"SignatureNonce": {t.Name()}, "Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}
	edit(p)
	encode := strings.NewReplacer("+", "%20").Replace
	mac := hmac.New(sha1.New, []byte(env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]+"&"))
	mac.Write([]byte(method + "&%2F&" + encode(url.QueryEscape(encode(p.Encode())))))
	p.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	tamper(p)
	var r *http.Response
	var err error
	if method == http.MethodGet {
		r, err = http.Get(e.URL() + "/?" + p.Encode())
	} else {
		r, err = http.PostForm(e.URL()+"/", p)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ RequestId, Code, Message, HostId string }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.RequestId == "" || r.StatusCode >= 400 && (answer.HostId == "" || answer.Message == "") {
		t.Errorf("answer %s", body)
	}
	return r.StatusCode, answer.Code
}

func TestHandmadeCalls(t *testing.T) {
	set := func(name, value string) func(url.Values) { return func(p url.Values) { p.Set(name, value) } }
	unset := func(name string) func(url.Values) { return func(p url.Values) { p.Del(name) } }
	same := func(url.Values) {}
	tests := []struct {
		name, method string
		edit, tamper func(url.Values)
		status       int
		code         string
		violations   int
	}{
		{"query string", http.MethodGet, same, same, 200, "", 0},
		{"form", http.MethodPost, same, same, 200, "", 0},
		{"awkward value", http.MethodGet, set("MediaIds", "*~+é"), same, 200, "", 0},
		{"tampered", http.MethodGet, same, set("MediaIds", strings.Repeat("0", 32)), 400, "SignatureDoesNotMatch", 0},
		{"unsigned", http.MethodGet, same, unset("Signature"), 400, "MissingSignature", 1},
		{"no key", http.MethodGet, unset("AccessKeyId"), same, 400, "MissingAccessKeyId", 1},
		{"no nonce", http.MethodGet, unset("SignatureNonce"), same, 400, "MissingSignatureNonce", 1},
		{"bad time", http.MethodGet, set("Timestamp", "now"), same, 400, "InvalidTimeStamp.Format", 0},
		{"old time", http.MethodGet, set("Timestamp", "2020-01-01T00:00:00Z"), same, 400, "InvalidTimeStamp.Expired", 0},
		{"bad version", http.MethodGet, set("Version", "2014-06-17"), same, 400, "InvalidVersion", 1},
		{"XML", http.MethodGet, set("Format", "XML"), same, 400, "InvalidParameter.Format", 1},
		{"other method", http.MethodGet, set("SignatureMethod", "HMAC-SHA256"), same, 400, "InvalidSignatureMethod", 1},
		{"bad flag", http.MethodGet, set("IncludePlayList", "yes"), same, 400, "InvalidParameter", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, emulator.Config{})
			status, code := send(t, e, tt.method, tt.edit, tt.tamper)
			if status != tt.status || code != tt.code {
				t.Errorf("%d %s, want %d %s", status, code, tt.status, tt.code)
			}
			if v := e.Violations(); len(v) != tt.violations {
				t.Errorf("violations %q, want %d", v, tt.violations)
			}
		})
	}
	t.Run("replay", func(t *testing.T) {
		at := time.Now()
		e := start(t, emulator.Config{Now: func() time.Time { return at }})
		stamp := func(p url.Values) { p.Set("Timestamp", at.UTC().Format("2006-01-02T15:04:05Z")) }
		for i, want := range []string{"", "SignatureNonceUsed", ""} {
			if i == 2 {
				at = at.Add(15*time.Minute + time.Second) // the nonce is forgotten
			}
			if _, code := send(t, e, http.MethodGet, stamp, same); code != want {
				t.Errorf("call %d: %q, want %q", i+1, code, want)
			}
		}
	})
}

// A call arrives when it comes, not when the emulator has time for it: calls that had to wait would count as a burst.
func TestArrivalOfAWaitingCall(t *testing.T) {
	asked := make(chan bool, 100)
	e := start(t, emulator.Config{Media: 1, Now: func() time.Time {
		asked <- true
		return asOf
	}})
	for len(asked) > 0 {
		<-asked
	}
	answered := make(chan bool)
	e.Forget(func(emulator.Medium) bool { // keeps the emulator busy
		go func() {
			defer close(answered)
			if response, err := http.Get(e.URL()); err == nil {
				response.Body.Close()
			}
		}()
		select {
		case <-asked:
		case <-time.After(10 * time.Second):
			t.Error("the call has no time of arrival")
		}
		return false
	})
	<-answered
}
