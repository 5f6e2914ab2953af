package permissions

import (
	"path"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/manifest"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/text"
)

// literal returns a pattern of RAM that matches a key. RAM has no escapes: stars and question marks match more, and
// a question mark stands for the dollar sign of a variable.
// Source: RAM "Policy elements"; OSS "RAM policies", variables such as ${acs:username}.
func literal(key string) string { return strings.ReplaceAll(key, "${", "?{") }

// widened returns a note if a name of the deployment is a pattern for RAM.
func (d Deployment) widened() (notes []string) {
	var names []string
	name := func(name, wild string) {
		if strings.ContainsAny(name, wild) || strings.Contains(name, "${") {
			names = append(names, text.Quote(name))
		}
	}
	for _, object := range slices.Concat([]media.Object{d.State, d.Object}, d.Policy.Inventory.Prefixes, d.Policy.Inventory.Manifests) {
		name(object.String(), "*?")
	}
	for _, glob := range append(d.globs(), d.Policy.Manifests...) {
		name(glob.String(), "?")
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"RAM takes *, ? and ${ for patterns, so statements are also about names that are like " + strings.Join(text.First(names, "names"), ", ")}
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
		add(object.Bucket, literal(object.Key))
	}
	if d.Operator {
		return list
	}
	for _, glob := range d.Policy.Manifests {
		add(bucketAndKey(glob))
	}
	return list
}

// mayBeReport reports whether the last segment of a glob matches only names such as that of a report:
// behind ** a report has everything that belongs to it.
func mayBeReport(name string) bool {
	glob, err := policy.ParseGlob("oss://bucket/" + name)
	return err == nil && !strings.Contains(name, "**") && glob.Match(&media.Object{Bucket: "bucket", Key: manifest.InventoryName})
}

// below returns the resource of the objects below a prefix.
func below(prefix media.Object) string { return arn(prefix.Bucket, literal(prefix.Key)+"*") }

// ofGlob returns the resource of the objects that a glob matches.
func ofGlob(glob policy.Glob) string { return arn(bucketAndKey(glob)) }

// bucketAndKey returns the bucket of a glob, and its key as a pattern of RAM.
func bucketAndKey(glob policy.Glob) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(glob.String(), "oss://"), "/")
	return bucket, literal(key)
}

// meets reports whether a resource may match an object below a prefix. It compares what stands before the first
// wildcard.
func meets(resource string, prefix media.Object) bool {
	fixed, start := strings.TrimPrefix(resource, anyOSS), prefix.Bucket+"/"+prefix.Key
	if i := strings.IndexAny(fixed, "*?"); i >= 0 {
		fixed = fixed[:i]
	}
	return strings.HasPrefix(fixed, start) || strings.HasPrefix(start, fixed)
}

// anyOSS starts each resource of OSS: any region, any account.
const anyOSS = "acs:oss:*:*:"

// arn returns the resource of a bucket, or of the objects that a glob matches. In a resource * crosses slashes.
func arn(bucket, key string) string {
	resource := anyOSS + bucket
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
	start, open := strings.CutSuffix(strings.TrimPrefix(pattern, anyOSS), "*")
	return open && !strings.Contains(start, "*") && strings.HasPrefix(strings.TrimPrefix(other, anyOSS), start)
}
