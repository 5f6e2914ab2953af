package emulator

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// view returns a medium as queries show it; ok is false if they do not.
func (e *Emulator) view(m *Medium) (shown Medium, ok bool) {
	shown = *m
	if e.now().Sub(m.added) < e.options.AdditionDelay {
		return shown, false
	}
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
		return e.library.find(id), nil
	})
}

func (e *Emulator) queryMediaListByURL(p url.Values) (object, *failure) {
	if length := len(p.Get("FileURLs")); e.options.JoinedURLs && length > maxURLBytes {
		return nil, outOfRange("FileURLs", "%d bytes, more than %d", length, maxURLBytes)
	}
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
