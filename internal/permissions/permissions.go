// Package permissions derives the RAM policy of a deployment: what its retention policy and its
// environment need, and no more.
package permissions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Deployment has the settings that permissions depend on.
type Deployment struct {
	Policy *policy.Policy
	// Mode replaces that of the policy.
	Mode policy.Mode
	// Operator is true for a person, who reviews, holds, applies and restores. It is false for the function.
	Operator bool
	// HTTP is true if the function answers HTTP requests, and restores for them.
	HTTP bool
	// State is the prefix of the records, and Object is the policy's. Both are zero outside OSS.
	State, Object media.Object
	// Bucket has source objects, beside those of the policy. It may be empty.
	Bucket string
}

// Document is a RAM policy.
// Source: RAM "Policy structure and syntax".
type Document []Statement

// Statement allows or denies actions.
type Statement struct {
	Effect    string // Allow or Deny, which wins
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`

	why string
}

// MaxBytes is the documented limit of a policy.
// Source: RAM "CreatePolicyVersion", parameter PolicyDocument.
const MaxBytes = 6144

// JSON returns the policy as RAM takes it, with a line for each statement.
func (d Document) JSON() string {
	var lines []string
	for _, statement := range d {
		line, err := text.JSON(statement)
		if err != nil {
			panic("permissions: texts do not encode: " + err.Error())
		}
		lines = append(lines, "    "+string(line))
	}
	return "{\n  \"Version\": \"1\",\n  \"Statement\": [\n" + strings.Join(lines, ",\n") + "\n  ]\n}\n"
}

// Text returns each statement as a line for people.
func (d Document) Text() string {
	var b strings.Builder
	for _, s := range d {
		fmt.Fprintf(&b, "%s: %s %s on %s", s.why, strings.ToLower(s.Effect), strings.Join(s.Action, ", "), text.Line(strings.Join(s.Resource, ", ")))
		for _, keys := range s.Condition {
			fmt.Fprintf(&b, " below %s", text.Line(strings.Join(keys[prefixKey], ", ")))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// prefixKey is the condition key for the prefix of a listing.
const prefixKey = "oss:Prefix"

// For returns the policy that a deployment needs, and notes on what it lacks.
func For(d Deployment) (document Document, notes []string) {
	enforce := d.Mode == policy.Enforce
	restores := enforce && (d.Operator || d.HTTP)
	inventory := d.Policy.Inventory
	var list []Statement
	library := func(why string, actions ...string) {
		list = append(list, Statement{"Allow", actions, []string{"*"}, nil, why}) // MPS knows no resources
	}
	library("look media up", "mts:QueryMediaList", "mts:QueryMediaListByURL")
	if len(inventory.Workflows) > 0 {
		library("list the media of workflows", "mts:ListMediaWorkflowExecutions")
	}
	if enforce {
		library("delete expired media", "mts:DeleteMedia")
	} else {
		notes = append(notes, "this is for dry runs: --mode enforce prints what deleting needs, too")
	}
	if restores {
		library("restore deleted media", "mts:AddMedia")
	} else if enforce {
		notes = append(notes, "this function cannot restore media: set MEDIASWEEP_HTTP_AUTH as the function has it, or let a person restore (--for operator)")
	}
	list = append(list, listings("list the inventory", inventory.Prefixes)...)
	read := func(why string, resources []string) {
		if len(resources) > 0 {
			list = append(list, Statement{"Allow", []string{"oss:GetObject"}, compact(resources), nil, why})
		}
	}
	read("read manifests", d.manifests())
	checked := slices.DeleteFunc(slices.Clone(d.Policy.Expire), func(rule policy.Rule) bool { return !restores && !rule.OnSourceRemoved })
	if len(checked) > 0 {
		sources := d.sources(checked)
		if len(sources) == 0 {
			notes = append(notes, "neither the policy nor MEDIASWEEP_MEDIA_BUCKET names a bucket of source objects: set the latter, so that they can be checked")
		}
		if d.missesMedia(checked) {
			notes = append(notes, "source objects are checked below the inventory's prefixes: if workflows, manifests or events name others, set MEDIASWEEP_MEDIA_BUCKET to their bucket")
		}
		read("check whether source objects exist", sources)
	}
	if !d.Object.IsZero() {
		read("read the policy", []string{arn(d.Object.Bucket, literal(d.Object.Key))})
	}
	if d.State.IsZero() {
		notes = append(notes, "MEDIASWEEP_STATE is not in OSS, so no statement is about records: set it as the function has it")
	} else {
		list = append(list, d.records()...)
	}
	denials, unprotected := d.denials()
	if len(unprotected) > 0 {
		notes = append(notes, "no statement denies changes to source objects in "+text.Line(strings.Join(unprotected, ", "))+
			", where records are too: keep the records in a bucket of their own")
	}
	return append(list, denials...), append(notes, d.widened()...)
}

func (d Deployment) records() []Statement {
	bucket := d.State.Bucket
	return append(listings("list records", []media.Object{d.State}),
		Statement{"Allow", []string{"oss:GetBucketVersioning"}, []string{arn(bucket, "")}, nil, "refuse a bucket that could overwrite records"},
		Statement{"Allow", []string{"oss:GetObject", "oss:PutObject"}, []string{below(d.State)}, nil, "read and create records"})
}

// denials hold even beside wider policies: source objects and buckets stay. A denial wins over what allows
// records, so unprotected has the resources of source objects that may be records, too.
func (d Deployment) denials() (list []Statement, unprotected []string) {
	var objects, buckets []string
	for _, bucket := range d.buckets() {
		buckets = append(buckets, arn(bucket, ""))
		if bucket != d.State.Bucket {
			objects = append(objects, arn(bucket, "*"))
		}
	}
	for _, source := range d.sourcesBesideRecords() {
		if meets(source, d.State) {
			unprotected = append(unprotected, source)
		} else {
			objects = append(objects, source)
		}
	}
	if !d.State.IsZero() {
		buckets = append(buckets, arn(d.State.Bucket, ""))
	}
	if len(objects) > 0 {
		list = append(list, Statement{"Deny", []string{"oss:PutObject", "oss:DeleteObject", "oss:DeleteObjectVersion", "oss:AbortMultipartUpload",
			"oss:PutObjectAcl", "oss:PutObjectVersionAcl", "oss:PutObjectTagging", "oss:PutObjectVersionTagging", "oss:DeleteObjectTagging",
			"oss:DeleteObjectVersionTagging"}, compact(objects), nil, "source objects stay as they are"})
	}
	if len(buckets) > 0 {
		list = append(list, Statement{"Deny", []string{"oss:DeleteBucket", "oss:PutBucketLifecycle", "oss:DeleteBucketLifecycle", "oss:PutBucketPolicy",
			"oss:DeleteBucketPolicy", "oss:PutBucketAcl", "oss:PutBucketVersioning", "oss:PutBucketReplication", "oss:DeleteBucketReplication"},
			compact(buckets), nil, "buckets stay as they are"})
	}
	return list, compact(unprotected)
}

// sourcesBesideRecords returns the source objects in the bucket of the records.
func (d Deployment) sourcesBesideRecords() (list []string) {
	bucket := d.State.Bucket
	if bucket == "" {
		return nil
	}
	if d.Bucket == bucket {
		list = append(list, arn(bucket, "*"))
	}
	for _, prefix := range d.Policy.Inventory.Prefixes {
		if prefix.Bucket == bucket {
			list = append(list, below(prefix))
		}
	}
	for _, glob := range d.globs() {
		if resource := ofGlob(glob); strings.HasPrefix(resource, arn(bucket, "")+"/") {
			list = append(list, resource)
		}
	}
	return list
}

// listings returns a statement for each bucket of prefixes. The resource of a listing is the bucket.
func listings(why string, prefixes []media.Object) (list []Statement) {
	byBucket := map[string][]string{}
	var buckets []string
	for _, prefix := range prefixes {
		if !slices.Contains(buckets, prefix.Bucket) {
			buckets = append(buckets, prefix.Bucket)
		}
		byBucket[prefix.Bucket] = append(byBucket[prefix.Bucket], literal(prefix.Key)+"*")
	}
	for _, bucket := range buckets {
		s := Statement{"Allow", []string{"oss:ListObjects"}, []string{arn(bucket, "")}, nil, why}
		if keys := compact(byBucket[bucket]); !slices.Contains(keys, "*") {
			s.Condition = map[string]map[string][]string{"StringLike": {prefixKey: keys}}
		}
		list = append(list, s)
	}
	return list
}

// sources returns the objects of the media that rules may delete. A rule without globs is about the prefixes
// of the inventory, and about whole buckets if there are none. Whoever may read an object may find out that it is gone.
// Source: OSS SDK "Determine whether an object exists".
func (d Deployment) sources(rules []policy.Rule) (list []string) {
	for _, rule := range rules {
		for _, glob := range rule.Match.Object {
			list = append(list, ofGlob(glob))
		}
	}
	if !hasRuleWithoutGlobs(rules) {
		return list
	}
	prefixes := d.Policy.Inventory.Prefixes
	for _, prefix := range prefixes {
		list = append(list, below(prefix))
	}
	for _, bucket := range d.buckets() {
		if len(prefixes) == 0 || bucket == d.Bucket {
			list = append(list, arn(bucket, "*"))
		}
	}
	return list
}

func hasRuleWithoutGlobs(rules []policy.Rule) bool {
	return slices.ContainsFunc(rules, func(rule policy.Rule) bool { return len(rule.Match.Object) == 0 })
}

// missesMedia reports whether sources may lack media that workflows, manifests and events name.
func (d Deployment) missesMedia(rules []policy.Rule) bool {
	inventory := d.Policy.Inventory
	return d.Bucket == "" && len(inventory.Workflows)+len(inventory.Manifests)+len(d.Policy.Manifests) > 0 &&
		slices.ContainsFunc(inventory.Prefixes, func(prefix media.Object) bool { return prefix.Key != "" }) && hasRuleWithoutGlobs(rules)
}

// buckets returns the buckets of source objects.
func (d Deployment) buckets() []string {
	var list []string
	if d.Bucket != "" {
		list = append(list, d.Bucket)
	}
	for _, prefix := range d.Policy.Inventory.Prefixes {
		list = append(list, prefix.Bucket)
	}
	for _, glob := range d.globs() {
		start, _ := glob.Literal()
		list = append(list, start.Bucket)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (d Deployment) globs() (list []policy.Glob) {
	for _, rule := range slices.Concat(d.Policy.Protect, d.Policy.Expire) {
		list = append(list, rule.Match.Object...)
	}
	return list
}
