package mps

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"
)

// executionsPage is the largest page of one call; the default is 10.
// Source: MPS ListMediaWorkflowExecutions, MaximumPageSize.
const executionsPage = 100

// workflowID matches the IDs of all documented samples. Other texts are names.
var workflowID = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// Executions returns the media IDs of a page of workflow executions in the last 90 days, one for each
// execution. workflow is an ID or a name; empty means all workflows. The first page has an empty
// token. next is empty after the last page.
func (s *Session) Executions(ctx context.Context, workflow, token string) (ids []string, next string, err error) {
	d, err := s.acquire(ctx, ListExecutions)
	if err != nil {
		return nil, "", err
	}
	err = s.callNow(ctx, d, ListExecutions, func() requests.AcsRequest {
		request := mts.CreateListMediaWorkflowExecutionsRequest()
		request.MaximumPageSize, request.NextPageToken = requests.NewInteger(executionsPage), token
		if workflowID.MatchString(workflow) {
			request.MediaWorkflowId = workflow
		} else {
			request.MediaWorkflowName = workflow
		}
		return request
	}, func(m map[string]json.RawMessage) (err error) {
		ids, next, err = readExecutions(m)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return ids, next, nil
}

func readExecutions(m map[string]json.RawMessage) (ids []string, next string, err error) {
	executions, err := wrapped(m["mediaworkflowexecutionlist"], "mediaworkflowexecution")
	err = cmp.Or(readText(m["nextpagetoken"], &next), err)
	for _, execution := range executions {
		var id string
		in, executionErr := members(execution)
		if err = cmp.Or(err, executionErr, readText(in["mediaid"], &id)); id != "" { // empty before the execution has a medium
			ids = append(ids, id)
		}
	}
	return ids, next, err
}
