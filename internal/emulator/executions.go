package emulator

import (
	"net/url"
	"slices"
)

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
	if e.options.OldestFirst {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
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
	if e.options.ListEnd == EmptyToken {
		answer["NextPageToken"] = ""
	}
	oldest := e.today().AddDate(0, 0, -executionDays)
	for _, x := range all {
		if x.Time.Before(oldest) || !matches(x) || e.options.HidesDeleted && x.medium.Deleted {
			continue
		}
		if len(list) == size {
			answer["NextPageToken"] = list[size-1]["RunId"]
			break
		}
		list = append(list, e.executionObject(x))
	}
	if e.options.ListEnd == EmptyPage && len(list) > 0 {
		answer["NextPageToken"] = list[len(list)-1]["RunId"]
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
