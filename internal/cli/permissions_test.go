package cli_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/emulator"
)

// office runs commands in-process, in one environment.
type office struct {
	t        *testing.T
	env      map[string]string
	out, log bytes.Buffer // of the latest command
}

// exit runs a command, and returns its exit code.
func (o *office) exit(stdin, args string) int {
	o.out.Reset()
	o.log.Reset()
	command := cli.Command{Stdin: strings.NewReader(stdin), Stdout: &o.out, Stderr: &o.log, Getenv: func(name string) string { return o.env[name] }}
	return command.Main(o.t.Context(), strings.Fields(args))
}

// run returns what a command prints. It may exit with one of the codes, else with 0.
func (o *office) run(stdin, args string, codes ...int) string {
	o.t.Helper()
	if exit := o.exit(stdin, args); !slices.Contains(append(codes, 0), exit) {
		o.t.Fatalf("%s: exit %d\n%s%s", args, exit, o.out.String(), o.log.String())
	}
	return o.out.String()
}

// invoke passes payloads to the function.
func (o *office) invoke(payloads ...string) {
	o.t.Helper()
	for _, payload := range payloads {
		o.run(payload, "invoke -f -")
	}
}

// the returns the first match of a pattern's group.
func (o *office) the(pattern, text string) string {
	o.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		o.t.Fatalf("no %s in %s", pattern, text)
	}
	return found[1]
}

const (
	askID      = `{"mode":"dry-run","mediaIds":["00000000000000000000000000000abc"]}`
	askObject  = `{"mode":"dry-run","objects":["oss://media-in/clips/a.mp4"]}`
	everything = `{"triggerTime":"2026-06-30T20:00:00Z","triggerName":"nightly","payload":""}` // in the policy's mode
)

func event(name, bucket, key string) string {
	return fmt.Sprintf(`{"events":[{"eventName":%q,"eventSource":"acs:oss","oss":{"bucket":{"name":%q},"object":{"key":%q}}}]}`, name, bucket, key)
}

// restoreOverHTTP applies a plan, and asks the function to restore what the run deleted.
func restoreOverHTTP(o *office) {
	o.invoke(askID, askObject)
	run := o.the(`"run": "(\w+)"`, o.run(everything, "invoke -f -"))
	o.invoke(fmt.Sprintf(`{"version":"v1","rawPath":"/v1/runs/%s/restore","body":"","isBase64Encoded":false,"headers":{},"queryParameters":{},"requestContext":{"http":{"method":"POST"}}}`, run))
}

// review does what an operator does without deleting.
func review(o *office) {
	o.run("", "plan -o json")
	o.run("", "explain oss://media-in/clips/a.mp4")
	o.run("", "explain 00000000000000000000000000000abc")
	o.run("", "forecast --days 3")
	o.run("", "diff "+o.env["MEDIASWEEP_POLICY"]+" "+o.env["MEDIASWEEP_POLICY"])
	o.run("", "hold 00000000000000000000000000000abc --reason test")
	for _, list := range []string{"holds", "runs", "plans", "stats", "history oss://media-in/clips/a.mp4"} {
		o.run("", list)
	}
}

// putReport writes a report of OSS Inventory that names one object.
func putReport(e *emulator.Emulator, folder string) {
	var rows bytes.Buffer
	zip := gzip.NewWriter(&rows)
	_, _ = io.WriteString(zip, `"media-in","clips/a.mp4"`+"\n") // to memory
	_ = zip.Close()
	head := fmt.Appendf(nil, `{"fileFormat":"CSV","fileSchema":"Bucket, Key","sourceBucket":"media-in","files":[{"key":"%s/data/1.csv.gz","size":%d,"MD5checksum":"%X"}]}`,
		folder, rows.Len(), md5.Sum(rows.Bytes()))
	for name, body := range map[string][]byte{
		"data/1.csv.gz": rows.Bytes(), "2026-06-30T16-00Z/manifest.json": head, "2026-06-30T16-00Z/manifest.checksum": fmt.Appendf(nil, "%X", md5.Sum(head)),
	} {
		e.PutObject("ops", folder+"/"+name, body, time.Now())
	}
}

// The printed RAM policy allows every call of a deployment, and every permission in it is used. The
// emulator refuses calls that it does not allow.
func TestPermissions(t *testing.T) {
	const (
		whole  = "inventory: [{bucket: oss://media-in/}]\n"
		orphan = "expire: [{name: orphans, onSourceRemoved: true}, {name: old, after: 180d}]\n"
	)
	uses := func(payloads ...string) func(*office) {
		return func(o *office) { o.invoke(append(payloads, askID, askObject)...) }
	}
	operator := func(o *office) {
		review(o)
		run := o.the(`"run": "(\w+)"`, o.run("", "apply latest -o json"))
		o.run("", "restore --yes "+run)
	}
	for name, test := range map[string]struct {
		policy, flags string
		env           string // name=value, separated by blanks
		use           func(*office)
		lacks         string // what the policy must not have
	}{
		"dry run":             {policy: whole, use: uses(everything), lacks: "mts:DeleteMedia"},
		"dry run of prefixes": {policy: "inventory: [{bucket: oss://media-in/series/}, {bucket: oss://media-in/clips/}, {bucket: oss://media-in/clips/2026/}]\n", use: uses(everything), lacks: "clips/2026"},
		"enforce":             {policy: whole, flags: "--mode enforce", use: uses(everything), lacks: "mts:AddMedia"},
		"enforce over HTTP":   {policy: whole, flags: "--mode enforce", env: "MEDIASWEEP_HTTP_AUTH=function", use: restoreOverHTTP, lacks: "Workflow"},
		"restore within globs": {policy: whole + `expire: [{name: clips, match: {object: ["oss://media-in/**/a.mp4"]}, after: 180d}]` + "\n", flags: "--mode enforce", env: "MEDIASWEEP_HTTP_AUTH=function",
			use: restoreOverHTTP, lacks: `"oss:GetObject"],"Resource":["acs:oss:*:*:media-in/*"]`},
		"restore below a prefix": {policy: "inventory: [{bucket: oss://media-in/clips/}]\n", flags: "--mode enforce", env: "MEDIASWEEP_HTTP_AUTH=function",
			use: restoreOverHTTP, lacks: `"oss:GetObject"],"Resource":["acs:oss:*:*:media-in/*"]`},
		"a name that is a pattern": {policy: whole, env: "MEDIASWEEP_STATE=oss://ops/a?${acs:username}*/", flags: "--mode enforce", use: uses(everything), lacks: "${"},
		"orphans":                  {policy: whole + orphan, use: uses(everything, event("ObjectRemoved:DeleteObject", "media-in", "series/gone.mp4")), lacks: "mts:DeleteMedia"},
		"orphans of a bucket":      {policy: orphan, env: "MEDIASWEEP_MEDIA_BUCKET=media-in", flags: "--mode enforce", use: uses(event("ObjectRemoved:DeleteObject", "media-in", "series/gone.mp4")), lacks: "mts:AddMedia"},
		"orphans within globs": {policy: "inventory: [{bucket: oss://media-in/clips/}]\n" + `expire: [{name: orphans, match: {object: ["oss://media-in/series/**"]}, onSourceRemoved: true}, ` +
			`{name: old, match: {object: ["oss://media-in/clips/2026/**"]}, after: 180d}]` + "\n", flags: "--mode enforce",
			use:   uses(event("ObjectRemoved:DeleteObject", "media-in", "series/gone.mp4"), event("ObjectRemoved:DeleteObject", "media-in", "clips/a.mp4"), everything),
			lacks: `"oss:GetObject"],"Resource":["acs:oss:*:*:media-in/clips`},
		"workflows": {policy: "inventory: [{workflow: " + emulator.WorkflowID + "}]\n", use: uses(everything), lacks: "media-in"},
		"manifests": {policy: "inventory: [{manifest: oss://ops/lists/a.csv}, {manifest: oss://ops/reports/daily/2026-06-30T16-00Z/manifest.json}]\n", use: uses(everything), lacks: "ops/lists/*"},
		"lists that arrive": {policy: whole + `manifests: ["oss://ops/inbox/**/*.csv", "oss://ops/reports/*/*/manifest.json"]` + "\n",
			use: uses(everything, event("ObjectCreated:PutObject", "ops", "inbox/a.csv"), event("ObjectCreated:PutObject", "ops", "inbox/today/b.csv"), event("ObjectCreated:PutObject", "ops", "reports/daily/2026-06-30T16-00Z/manifest.json")), lacks: "ops/lists"},
		"reports in any folder": {policy: `manifests: ["oss://ops/**/manifest.json"]` + "\n", env: "MEDIASWEEP_STATE=oss://records/mediasweep/", use: uses(event("ObjectCreated:PutObject", "ops", "reports/daily/2026-06-30T16-00Z/manifest.json")), lacks: "media-in"},
		"policy in OSS":         {policy: whole, env: "MEDIASWEEP_POLICY=oss://ops/retention/retention.yaml", use: uses(everything), lacks: "mts:DeleteMedia"},
		"state beside media":    {policy: "inventory: [{bucket: oss://media-in/series/}]\n", env: "MEDIASWEEP_STATE=oss://media-in/state/", flags: "--mode enforce", use: uses(everything), lacks: "media-in/*\""},
		"rules about media beside the state": {policy: `protect: [{name: films, match: {object: ["oss://media-in/films/**"]}}]` + "\nexpire: [{name: clips, match: {object: [\"oss://media-in/clips/*.mp4\"]}, after: 180d}]\n",
			env: "MEDIASWEEP_STATE=oss://media-in/state/", flags: "--mode enforce", use: uses(event("ObjectCreated:PutObject", "media-in", "clips/a.mp4")), lacks: "media-in/*\""},
		"state in a folder": {policy: whole, env: "MEDIASWEEP_STATE=", use: uses(everything), lacks: "oss:GetBucketVersioning"},
		"review":            {policy: whole + `manifests: ["oss://ops/inbox/**"]` + "\n", flags: "--for operator", use: review, lacks: "mts:DeleteMedia"},
		"operate":           {policy: whole + orphan, flags: "--for operator --mode enforce", use: operator, lacks: "inbox"},
		"operate from OSS":  {policy: whole, env: "MEDIASWEEP_POLICY=oss://ops/retention/retention.yaml", flags: "--for operator --mode enforce", use: operator, lacks: "Workflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			o := &office{t: t, env: map[string]string{"HOME": folder, "MEDIASWEEP_STATE": "oss://ops/mediasweep/", "MEDIASWEEP_POLICY": filepath.Join(folder, "retention.yaml")}}
			for _, setting := range strings.Fields(test.env) {
				name, value, _ := strings.Cut(setting, "=")
				o.env[name] = value
			}
			text := "version: 1\nguard: {maxPercent: 100}\npace: {share: 1}\n" + test.policy
			if !strings.Contains(text, "expire:") {
				text += "expire: [{name: old, after: 180d}]\n"
			}
			if strings.Contains(test.flags, "enforce") {
				text += "mode: enforce\n"
			}
			if err := os.WriteFile(filepath.Join(folder, "retention.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			printed := o.run("", "permissions "+test.flags+" "+filepath.Join(folder, "retention.yaml"))
			if strings.Contains(printed, test.lacks) {
				t.Errorf("the policy has %s:\n%s", test.lacks, printed)
			}
			e, allowed := o.restricted(t, printed, text, emulator.OSSOptions{})
			test.use(o)
			checkUse(t, e, allowed)
		})
	}
}

// restricted gives the office an emulator with a library, which refuses what a RAM policy does not allow.
func (o *office) restricted(t *testing.T, document, policy string, options emulator.OSSOptions) (*emulator.Emulator, *emulator.RAMPolicy) {
	t.Helper()
	allowed, err := emulator.ParseRAMPolicy([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	e, err := emulator.Start(emulator.Config{Permissions: allowed, OSS: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	fill(e, policy)
	maps.Copy(o.env, e.Env())
	return e, allowed
}

// fill makes a library with expired media, an orphan, and lists of media.
func fill(e *emulator.Emulator, policy string) {
	for _, key := range []string{"series/a.mp4", "series/gone.mp4", "clips/a.mp4", "clips/2026/b.mp4"} {
		created := time.Now().AddDate(-1, 0, 0).UTC().Format("2006-01-02T15:04:05Z")
		run := emulator.Run{ID: strings.Repeat("a", 32), WorkflowID: emulator.WorkflowID, WorkflowName: emulator.WorkflowName, Time: time.Now(), State: "Success"}
		e.Add(emulator.Medium{Key: key, CreationTime: created, Runs: []emulator.Run{run}})
	}
	e.PutBucket("records", "")
	e.RemoveObject("media-in", "series/gone.mp4")
	e.PutObject("ops", "retention/retention.yaml", []byte(policy), time.Now())
	for _, list := range []string{"lists/a.csv", "inbox/a.csv", "inbox/today/b.csv"} {
		e.PutObject("ops", list, []byte("object\noss://media-in/clips/a.mp4\n"), time.Now())
	}
	putReport(e, "reports/daily")
}

// checkUse checks that no call was refused, and that no permission is without use.
func checkUse(t *testing.T, e *emulator.Emulator, allowed *emulator.RAMPolicy) {
	t.Helper()
	calls := e.Calls()
	for _, call := range calls {
		if !allowed.Allows(call) {
			t.Errorf("not allowed: %s of %s %s", call.Operation, call.Bucket, call.Key)
		}
	}
	if len(e.Violations()) > 0 {
		t.Error(e.Violations())
	}
	for _, statement := range allowed.Statement {
		denies := statement.Effect == "Deny"
		below := emulator.RAMList{""}
		if keys, ok := statement.Condition["StringLike"]; ok {
			below = keys["oss:Prefix"]
		}
		for _, action := range statement.Action {
			for _, resource := range statement.Resource {
				for _, prefix := range below {
					one := emulator.RAMStatement{Action: emulator.RAMList{action}, Resource: emulator.RAMList{resource}}
					if prefix != "" {
						one.Condition = map[string]map[string]emulator.RAMList{"StringLike": {"oss:Prefix": {prefix}}}
					}
					if used := slices.ContainsFunc(calls, one.Matches); used == denies {
						t.Errorf("%s of %s on %s %s: used is %t", statement.Effect, action, resource, prefix, used)
					}
				}
			}
		}
	}
}

// A call that the RAM policy does not allow fails the run, and deletes nothing.
func TestPermissionsRefused(t *testing.T) {
	folder := t.TempDir()
	o := &office{t: t, env: map[string]string{"HOME": folder, "MEDIASWEEP_STATE": "oss://ops/mediasweep/", "MEDIASWEEP_POLICY": filepath.Join(folder, "retention.yaml")}}
	text := "version: 1\nmode: enforce\nguard: {maxPercent: 100}\ninventory: [{bucket: oss://media-in/}]\nexpire: [{name: old, after: 180d}]\n"
	if err := os.WriteFile(o.env["MEDIASWEEP_POLICY"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	document := o.run("", "permissions --mode enforce")
	for _, test := range []struct{ without, says string }{
		{`"mts:DeleteMedia"`, "Forbidden.RAM"},
		{`"mts:QueryMediaListByURL"`, "Forbidden.RAM"},
		{`"oss:ListObjects"`, "AccessDenied"},
		{`"oss:PutObject"],"Resource":["acs:oss:*:*:ops`, "AccessDenied"},
	} {
		t.Run(test.without, func(t *testing.T) {
			e, _ := o.restricted(t, strings.Replace(document, test.without, strings.Replace(test.without, ":", ":Not", 1), 1), text, emulator.OSSOptions{})
			if said := o.run(everything, "invoke -f -", 1, 2, 3); !strings.Contains(said, test.says) {
				t.Errorf("want %s: %s", test.says, said)
			}
			if e.Count()["DeleteMedia"] > 0 && !strings.Contains(test.without, "Delete") || slices.ContainsFunc(e.Media(), func(m emulator.Medium) bool { return m.Deleted }) {
				t.Error("media were deleted")
			}
		})
	}
}

// OSS may hide that an object is missing from a role that may not list the whole bucket. The printed policy lets the function
// run nevertheless, and obey the kill switch. Media whose source may be gone stay, and the report says what to grant.
func TestPermissionsWhereMissingObjectsAreHidden(t *testing.T) {
	folder := t.TempDir()
	o := &office{t: t, env: map[string]string{"HOME": folder, "MEDIASWEEP_STATE": "oss://ops/mediasweep/", "MEDIASWEEP_POLICY": filepath.Join(folder, "retention.yaml"), "MEDIASWEEP_MEDIA_BUCKET": "media-in"}}
	text := "version: 1\nmode: enforce\nguard: {maxPercent: 100}\ninventory: [{bucket: oss://media-in/clips/}]\nexpire: [{name: orphans, onSourceRemoved: true}, {name: old, match: {object: [\"oss://media-in/clips/**\"]}, after: 180d}]\n"
	if err := os.WriteFile(o.env["MEDIASWEEP_POLICY"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ := o.restricted(t, o.run("", "permissions --mode enforce"), text, emulator.OSSOptions{HidesMissing: true})
	deleted := func() (keys []string) {
		for _, m := range e.Media() {
			if m.Deleted {
				keys = append(keys, m.Key)
			}
		}
		return keys
	}
	o.run(everything, "invoke -f -")
	if got := fmt.Sprint(deleted()); got != "[clips/a.mp4 clips/2026/b.mp4]" {
		t.Errorf("deleted %s", got)
	}
	said := o.run(event("ObjectRemoved:DeleteObject", "media-in", "series/gone.mp4"), "invoke -f -", 1, 2, 3)
	if !strings.Contains(said, "the object may be missing: grant oss:ListObjects on its bucket") || len(deleted()) != 2 {
		t.Errorf("deleted %q: %s", deleted(), said)
	}
	e.PutObject("ops", "mediasweep/stop", nil, time.Now())
	if said := o.run(everything, "invoke -f -", 1, 2, 3, 4, 5, 6); !strings.Contains(said, "the record stop in the state store stops all runs") {
		t.Errorf("want the kill switch: %s", said)
	}
}
