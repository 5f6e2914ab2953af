// Package permissions derives the RAM policy of a deployment: what its retention policy and its
// environment need, and no more.
package permissions

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/manifest"
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
type Document struct {
	Statements []Statement
}

// Statement allows or denies actions.
type Statement struct {
	Effect    Effect
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`

	why string
}

// Effect says what a statement does. Deny wins.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// MaxBytes is the documented limit of a policy.
// Source: RAM "CreatePolicyVersion", parameter PolicyDocument.
const MaxBytes = 6144

// JSON returns the policy as RAM takes it, with a line for each statement.
func (d Document) JSON() string {
	var lines []string
	for _, statement := range d.Statements {
		var line strings.Builder
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(statement); err != nil {
			panic("permissions: texts do not encode: " + err.Error())
		}
		lines = append(lines, "    "+strings.TrimSuffix(line.String(), "\n"))
	}
	return "{\n  \"Version\": \"1\",\n  \"Statement\": [\n" + strings.Join(lines, ",\n") + "\n  ]\n}\n"
}

// Text returns each statement as a line for people.
func (d Document) Text() string {
	var b strings.Builder
	for _, s := range d.Statements {
		fmt.Fprintf(&b, "%s: %s %s on %s", s.why, strings.ToLower(string(s.Effect)), strings.Join(s.Action, ", "), text.Line(strings.Join(s.Resource, ", ")))
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
		list = append(list, Statement{Allow, actions, []string{"*"}, nil, why}) // MPS knows no resources
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
			list = append(list, Statement{Allow, []string{"oss:GetObject"}, compact(resources), nil, why})
		}
	}
	read("read manifests", d.manifests())
	if d.Policy.HasOrphanRule() || restores {
		sources := d.sources()
		if len(sources) == 0 {
			notes = append(notes, "neither the policy nor MEDIASWEEP_MEDIA_BUCKET names a bucket of source objects: set the latter, so that they can be checked")
		}
		read("check whether source objects exist", sources)
	}
	if !d.Object.IsZero() {
		read("read the policy", []string{arn(d.Object.Bucket, d.Object.Key)})
	}
	if d.State.IsZero() {
		notes = append(notes, "MEDIASWEEP_STATE is not in OSS, so no statement is about records: set it as the function has it")
	} else {
		list = append(list, d.records()...)
	}
	return Document{append(list, d.denials()...)}, notes
}

// records returns what the state store needs.
func (d Deployment) records() []Statement {
	bucket := d.State.Bucket
	return append(listings("list records", []media.Object{d.State}),
		Statement{Allow, []string{"oss:GetBucketVersioning"}, []string{arn(bucket, "")}, nil, "refuse a bucket that could overwrite records"},
		Statement{Allow, []string{"oss:GetObject", "oss:PutObject"}, []string{arn(bucket, d.State.Key+"*")}, nil, "read and create records"})
}

// denials hold even beside wider policies: source objects and buckets stay.
func (d Deployment) denials() (list []Statement) {
	var objects, buckets []string
	for _, bucket := range d.buckets() {
		buckets = append(buckets, arn(bucket, ""))
		if bucket != d.State.Bucket {
			objects = append(objects, arn(bucket, "*"))
			continue
		}
		for _, prefix := range d.Policy.Inventory.Prefixes { // they do not overlap with the state
			if prefix.Bucket == bucket {
				objects = append(objects, arn(bucket, prefix.Key+"*"))
			}
		}
	}
	if !d.State.IsZero() {
		buckets = append(buckets, arn(d.State.Bucket, ""))
	}
	if len(objects) > 0 {
		list = append(list, Statement{Deny, []string{"oss:PutObject", "oss:DeleteObject", "oss:DeleteObjectVersion", "oss:AbortMultipartUpload",
			"oss:PutObjectAcl", "oss:PutObjectVersionAcl", "oss:PutObjectTagging", "oss:PutObjectVersionTagging", "oss:DeleteObjectTagging",
			"oss:DeleteObjectVersionTagging"}, compact(objects), nil, "source objects stay as they are"})
	}
	if len(buckets) > 0 {
		list = append(list, Statement{Deny, []string{"oss:DeleteBucket", "oss:PutBucketLifecycle", "oss:DeleteBucketLifecycle", "oss:PutBucketPolicy",
			"oss:DeleteBucketPolicy", "oss:PutBucketAcl", "oss:PutBucketVersioning", "oss:PutBucketReplication", "oss:DeleteBucketReplication"},
			compact(buckets), nil, "buckets stay as they are"})
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
		byBucket[prefix.Bucket] = append(byBucket[prefix.Bucket], prefix.Key+"*")
	}
	for _, bucket := range buckets {
		s := Statement{Allow, []string{"oss:ListObjects"}, []string{arn(bucket, "")}, nil, why}
		if below := compact(byBucket[bucket]); !slices.Contains(below, "*") {
			s.Condition = map[string]map[string][]string{"StringLike": {prefixKey: below}}
		}
		list = append(list, s)
	}
	return list
}

// manifests returns the lists that a sweep reads, and for the function those that events name. A report
// of OSS Inventory has its checksum beside it, and its files in another folder.
func (d Deployment) manifests() (list []string) {
	add := func(bucket, key string) {
		list = append(list, arn(bucket, key))
		if folder, name := path.Split(key); mayBeReport(name) {
			folder = strings.TrimSuffix(folder, "/")
			list = append(list, arn(bucket, path.Join(folder, manifest.ChecksumName)))
			if path.Base(folder) != "**" {
				folder = path.Dir(folder)
			}
			list = append(list, arn(bucket, path.Join(folder, "data", "*")))
		}
	}
	for _, object := range d.Policy.Inventory.Manifests {
		add(object.Bucket, object.Key)
	}
	if d.Operator {
		return list
	}
	for _, glob := range d.Policy.Manifests {
		bucket, key, _ := strings.Cut(strings.TrimPrefix(glob.String(), "oss://"), "/")
		add(bucket, key)
	}
	return list
}

// mayBeReport reports whether the last segment of a glob matches only names such as that of a report:
// behind ** a report has everything that belongs to it.
func mayBeReport(name string) bool {
	glob, err := policy.ParseGlob("oss://bucket/" + name)
	return err == nil && !strings.Contains(name, "**") && glob.Match(&media.Object{Bucket: "bucket", Key: manifest.InventoryName})
}

// sources returns the objects of the media that the policy may delete. Whoever may read an object may find
// out that it is gone.
// Source: OSS SDK "Determine whether an object exists".
func (d Deployment) sources() (list []string) {
	for _, rule := range d.Policy.Expire {
		for _, glob := range rule.Match.Object {
			list = append(list, strings.TrimPrefix(glob.String(), "oss://"))
		}
		if len(rule.Match.Object) == 0 {
			for _, bucket := range d.buckets() {
				list = append(list, bucket+"/*")
			}
		}
	}
	for i, name := range list {
		bucket, key, _ := strings.Cut(name, "/")
		list[i] = arn(bucket, key)
	}
	return list
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
	for _, rule := range slices.Concat(d.Policy.Protect, d.Policy.Expire) {
		for _, glob := range rule.Match.Object {
			start, _ := glob.Literal()
			list = append(list, start.Bucket)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// arn returns the resource of a bucket, or of the objects that a glob matches. In a resource * crosses
// slashes.
func arn(bucket, key string) string {
	resource := "acs:oss:*:*:" + bucket
	if key != "" {
		resource += "/" + strings.NewReplacer("**/", "*", "**", "*").Replace(key)
	}
	return resource
}

// compact sorts patterns, and drops those that another one covers.
func compact(patterns []string) (kept []string) {
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	for _, one := range patterns {
		if !slices.ContainsFunc(patterns, func(other string) bool { return other != one && covers(other, one) }) {
			kept = append(kept, one)
		}
	}
	return kept
}

// covers reports whether a pattern that ends in its only star takes in another one.
func covers(pattern, other string) bool {
	const resources = "acs:oss:*:*:"
	start, open := strings.CutSuffix(strings.TrimPrefix(pattern, resources), "*")
	return open && !strings.Contains(start, "*") && strings.HasPrefix(strings.TrimPrefix(other, resources), start)
}
