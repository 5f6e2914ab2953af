package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// RAMPolicy is a policy of Resource Access Management: what its statements allow, less what they deny.
type RAMPolicy struct {
	Version   string
	Statement []RAMStatement
}

// RAMStatement is one statement of a policy. Stars in actions and resources stand for any characters.
type RAMStatement struct {
	Effect    string
	Action    RAMList
	Resource  RAMList
	Condition map[string]map[string]RAMList
}

// RAMList is one text or a list of texts.
type RAMList []string

// UnmarshalJSON reads either form.
func (l *RAMList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = RAMList{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// ParseRAMPolicy reads the document of a policy. Of conditions it knows StringLike oss:Prefix only.
func ParseRAMPolicy(document []byte) (*RAMPolicy, error) {
	p := &RAMPolicy{}
	if bytes.Contains(document, []byte("${")) {
		return nil, errors.New("RAM policy: variables such as ${acs:username} are not emulated")
	}
	if len(bytes.TrimSpace(document)) == 0 {
		return nil, errors.New("RAM policy: it is empty: mediasweep permissions prints one")
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("RAM policy: %w", err)
	}
	if p.Version != "1" || len(p.Statement) == 0 {
		return nil, errors.New(`RAM policy: want "Version": "1" and statements`)
	}
	for i, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return nil, fmt.Errorf("RAM policy: statement %d: want Allow or Deny, actions and resources", i+1)
		}
		for operator, keys := range s.Condition {
			for key := range keys {
				if operator != "StringLike" || key != ramPrefix {
					return nil, fmt.Errorf("RAM policy: statement %d: condition %s %s is not emulated", i+1, operator, key)
				}
			}
		}
	}
	return p, nil
}

const ramPrefix = "oss:Prefix"

// Allows reports whether a policy lets a call pass. A denial wins.
func (p *RAMPolicy) Allows(c Call) bool {
	matches := func(effect string) bool {
		return slices.ContainsFunc(p.Statement, func(s RAMStatement) bool { return s.Effect == effect && s.Matches(c) })
	}
	return matches("Allow") && !matches("Deny")
}

// Matches reports whether a statement is about a call.
func (s RAMStatement) Matches(c Call) bool {
	action, resource := c.permission()
	like := func(list RAMList, text string) bool {
		return slices.ContainsFunc(list, func(pattern string) bool { return ramLike(pattern, text) })
	}
	return like(s.Action, action) && like(s.Resource, resource) &&
		(s.Condition == nil || action == "oss:ListObjects" && like(s.Condition["StringLike"][ramPrefix], c.Key))
}

// permission returns the action and the resource that a call needs.
// Source: OSS "RAM policies", "OSS actions"; MPS "RAM authorization": no resources.
func (c Call) permission() (action, resource string) {
	resource = "acs:oss:*:*:" + c.Bucket
	switch c.Operation {
	case "ListObjects", "ListObjectsV2":
		return "oss:ListObjects", resource
	case "GetBucketVersioning":
		return "oss:GetBucketVersioning", resource
	case "HeadObject":
		action = "oss:GetObject"
	case "AppendObject":
		action = "oss:PutObject"
	case "GetObject", "PutObject", "DeleteObject":
		action = "oss:" + c.Operation
	default:
		return "mts:" + c.Operation, "*"
	}
	return action, resource + "/" + c.Key
}

// ramLike matches a text against a pattern, in which * stands for any characters and ? for one.
func ramLike(pattern, text string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("(?s)^" + expression + "$").MatchString(text)
}

// permit refuses a call that the credentials may not make.
func (e *Emulator) permit(x exchange) *failure {
	if e.ram == nil || x.service == chat || e.ram.Allows(x.call) {
		return nil
	}
	code := "Forbidden.RAM"
	if x.service == oss {
		code = "AccessDenied"
	}
	action, resource := x.call.permission()
	return refusal(http.StatusForbidden, code, fmt.Sprintf("No RAM policy allows %s on %s.", action, resource))
}
