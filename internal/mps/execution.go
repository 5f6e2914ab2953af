package mps

import (
	"context"
	"regexp"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/mts"
)

// executionsPage is the most that one call returns; without it MPS returns 10.
// Source: MPS ListMediaWorkflowExecutions, MaximumPageSize.
const executionsPage = 100

// A workflow's ID has 32 hexadecimal digits in every documented sample; what has not is
// taken for a name.
var workflowID = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// Executions returns what a page of executions has for IDs of media: of the workflow of an
// ID or a name, or of all for an empty text, in the last 90 days. A medium comes for each
// execution. The first page has an empty token, and so has what follows the last.
func (s *Session) Executions(ctx context.Context, workflow, token string) (ids []string, next string, err error) {
	if err := s.acquire(ctx, ListExecutions); err != nil {
		return nil, "", err
	}
	type listed struct {
		envelope
		NextPageToken              string
		MediaWorkflowExecutionList wrapper[struct {
			MediaWorkflowExecution []struct {
				MediaID string `json:"MediaId"`
			}
		}]
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
	for _, execution := range list.MediaWorkflowExecutionList.value.MediaWorkflowExecution {
		if execution.MediaID != "" { // else it has not come to a medium
			ids = append(ids, execution.MediaID)
		}
	}
	return ids, list.NextPageToken, nil
}
