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
	if err := s.acquire(ctx, ListExecutions); err != nil {
		return nil, "", err
	}
	var list listed
	err = s.callNow(ctx, ListExecutions, func() requests.AcsRequest {
		request := mts.CreateListMediaWorkflowExecutionsRequest()
		request.MaximumPageSize, request.NextPageToken = requests.NewInteger(executionsPage), token
		if workflowID.MatchString(workflow) {
			request.MediaWorkflowId = workflow
		} else {
			request.MediaWorkflowName = workflow
		}
		return request
	}, func() answer { list = listed{}; return &list })
	if err != nil {
		return nil, "", err
	}
	return list.ids, list.next, nil
}

// listed is a page of workflow executions.
type listed struct {
	envelope
	ids  []string
	next string
}

func (l *listed) take(m map[string]json.RawMessage) error {
	executions, err := wrapped(m["mediaworkflowexecutionlist"], "mediaworkflowexecution")
	err = cmp.Or(l.envelope.take(m), readText(m["nextpagetoken"], &l.next), err)
	for _, execution := range executions {
		var id string
		in, executionErr := members(execution)
		if err = cmp.Or(err, executionErr, readText(in["mediaid"], &id)); id != "" { // empty before the execution has a medium
			l.ids = append(l.ids, id)
		}
	}
	return err
}
