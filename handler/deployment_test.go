package handler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/handler"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

// deployment is a made-up deployment of TestAgreement.
type deployment struct {
	*simulation
	random   *rand.Rand
	options  emulator.MPSOptions
	policies [2]*policy.Policy
	story    []string
	asked    int

	rows    string            // of list.csv
	listed  map[string]bool   // names in list.csv
	beside  map[string]string // objects beside IDs there
	reports map[string]bool   // objects of the report

	changed map[string]bool // media whose records changed
	isLed   bool            // events or requests announced media: sweeps look at these
	// isUnfinished is true if a sweep was killed: its plan may be unfinished.
	isUnfinished bool

	at      time.Time // of the questions
	media   []emulator.Medium
	records []emulator.Object // of the state, and lists
}

func newDeployment(t *testing.T, seed uint64) *deployment {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 21))
	d := &deployment{random: r, listed: map[string]bool{}, beside: map[string]string{}, reports: map[string]bool{}, changed: map[string]bool{}}
	inventory := madeUpInventory(r)
	for i := range d.policies {
		for d.policies[i] == nil {
			d.policies[i], _ = policy.Parse("policy", []byte(madeUpRules(r, inventory))) // some rules make later ones pointless
		}
		inventory = pick(r, inventory, madeUpInventory(r))
	}
	d.options = emulator.MPSOptions{
		UnknownID: pick(r, emulator.AcceptUnknown, emulator.RefuseWhole), DeletedView: pick(r, emulator.ViewNonExist, emulator.ViewDeleted, emulator.ViewInitiated),
		URLForm: pick(r, emulator.AnySlash, emulator.RawSlash, emulator.EscapedSlash), Records: map[string][]string{},
	}
	d.simulation = newSimulation(t, seed, string(d.policies[0].Text()), d.options)
	for range 10 + r.IntN(20) {
		d.add()
	}
	d.garble()
	d.writeLists()
	d.programs = []*program{d.start(0)}
	return d
}

func madeUpInventory(r *rand.Rand) string {
	return pick(r, "{bucket: oss://media-in/}", "{bucket: oss://media-in/a/}, {manifest: oss://ops/list.csv}", "{manifest: oss://ops/inv/2026-06-30T16-00Z/manifest.json}",
		"{bucket: oss://media-in/a/b/}, {bucket: oss://media-in/c}", "{bucket: oss://media-in/a/b}, {workflow: all}", "{manifest: oss://ops/list.csv}, {workflow: all}")
}

// madeUpRules makes up a policy with rules of all kinds and fields.
func madeUpRules(r *rand.Rand, inventory string) string {
	fields := []string{`object: ["oss://media-in/a/**"]`, `object: ["oss://media-in/*/b/*", "oss://media-in/c/*"]`, `tags: [t0, t1]`, `tagsAll: [t1, t2]`, `state: [UnPublish, Initiated]`,
		`category: [1, 2]`, `title: "^x"`, `minSize: 1MB`, `maxSize: 2MB`, `minDuration: 90s`, `maxDuration: 10m`}
	match := func() string {
		some := []string{fields[r.IntN(len(fields))]}
		if other := fields[r.IntN(len(fields))]; other[:3] != some[0][:3] {
			some = append(some, other)
		}
		return pick(r, "", ", match: {"+some[0]+"}", ", match: {"+some[0]+"}", ", match: {"+strings.Join(some, ", ")+"}")
	}
	latest := func() string {
		return pick(r, "", "", fmt.Sprintf(", keepLatest: {count: %d, per: %q}", 1+r.IntN(3), pick(r, "folder", "category", "tag:t")))
	}
	when := func() string {
		return pick(r, "after: 10d", "after: 1mo", "after: 1w12h", "after: 20d", `at: {tag: "expire:"}`, "onSourceRemoved: true")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nmode: enforce\ntimezone: %s\ninventory: [%s]\npace: {share: 1}\n", pick(r, "UTC", "Asia/Shanghai", "America/Santiago"), inventory)
	b.WriteString(pick(r, "", "", "notice: 12h\n", "notice: 2d\n") + pick(r, "", "fullEvery: 1h\n"))
	fmt.Fprintf(&b, "guard: %s\n", pick(r, "{maxPercent: 100}", "{maxPercent: 100}", "{maxPercent: 100}", "{maxPercent: 100, maxDelete: 4}", "{maxPercent: 40, minPopulation: 5}"))
	fmt.Fprintf(&b, "protect:\n  - {name: hold, match: {tags: [hold]}}\n  - {name: until, until: {tag: \"keep-until:\"}%s}\n", match())
	b.WriteString("expire:\n")
	for i := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "  - {name: r%d%s, %s%s}\n", i, match(), when(), latest())
	}
	fmt.Fprintf(&b, "  - {name: rest, %s%s}\n", pick(r, "after: 15d", "after: 1mo"), latest())
	return b.String()
}

// add adds a medium, now and then an odd one.
func (d *deployment) add() {
	r, i := d.random, len(d.e.Media())
	m := emulator.Medium{ID: fmt.Sprintf("m%02d", i), Bucket: pick(r, "media-in", "media-in", "media-in", "media-in", "elsewhere"),
		Key:          fmt.Sprint(pick(r, "", "a/", "a/", "a/b/", "c/", "视频 /"), i, pick(r, ".mp4", " x", ",", "%2F", "*")),
		PublishState: pick(r, "Published", "Published", "UnPublish", "Initiated", "Deleting"), Title: pick(r, "x1", "y", ""), CateID: int64(r.IntN(3)),
		Size: pick(r, "500000", "3000000", ""), Duration: pick(r, "30.5", "300.0", "4000", "")}
	if r.IntN(4) > 0 {
		m.PublishState = pick(r, "Published", "UnPublish")
	}
	m.CreationTime = time.Now().Add(time.Duration(4-r.IntN(100)) * 12 * time.Hour).UTC().Format(time.RFC3339)
	if r.IntN(15) == 0 {
		m.CreationTime = pick(r, "long ago", "", "2009-12-31T00:00:00Z")
	}
	day := func() string { return time.Now().AddDate(0, 0, r.IntN(20)-10).Format(time.DateOnly) }
	for _, tag := range []string{"t0", "t1", "t2", "expire:" + day(), "expire:" + day(), "keep-until:" + day(), pick(r, "hold", "expire:soon", "keep-until:")} {
		if r.IntN(6) == 0 {
			m.Tags = append(m.Tags, tag)
		}
	}
	if r.IntN(25) == 0 {
		m.URL = "https://example.com/no-object"
	}
	if r.IntN(3) == 0 {
		m.Runs = []emulator.Run{{ID: fmt.Sprintf("%032x", i), WorkflowID: emulator.WorkflowID, WorkflowName: emulator.WorkflowName, Time: time.Now(), State: "Success"}}
	}
	d.e.Add(m)
	if r.IntN(8) == 0 {
		d.e.RemoveObject(m.Bucket, m.Key)
	}
}

// garble lets MPS answer for a medium with tags that cannot be read, and for another one with two records.
func (d *deployment) garble() {
	for _, records := range [][]string{{`"t0"`}, {`{"Tag":["t0"]}`, `{"Tag":[]}`}} {
		m := pick(d.random, d.e.Media()...)
		if m.URL != "" || d.options.DeletedView != emulator.ViewNonExist || d.random.IntN(3) > 0 {
			continue
		}
		for i, tags := range records {
			records[i] = fmt.Sprintf(`{"MediaId":%q,"PublishState":%q,"CreationTime":%q,"Tags":%s,"File":{"URL":%q}}`,
				m.ID, m.PublishState, m.CreationTime, tags, objectOf(&m).URL("cn-shanghai", media.SlashPlain))
		}
		d.options.Records[m.ID] = records
	}
	d.e.SetMPS(d.options)
}

// writeLists writes a list and a report of a bucket. Some rows of the list name another object.
func (d *deployment) writeLists() {
	d.rows = "mediaId,object\nnobody,\n,oss://media-in/nothing\n"
	all, keys := d.e.Media(), []string{}
	for _, m := range all {
		id, object := m.ID, objectOf(&m).String()
		switch d.random.IntN(8) {
		case 0, 1:
			object = ""
		case 2, 3:
			id = ""
		case 4:
		case 5:
			object = objectOf(&all[d.random.IntN(len(all))]).String()
		default:
			id, object = "", ""
		}
		if m.Bucket == "media-in" && d.random.IntN(2) == 0 {
			keys, d.reports[objectOf(&m).String()] = append(keys, m.Key), true
		}
		if id == "" && object == "" {
			continue
		}
		d.rows += fmt.Sprintf("%s,\"%s\"\n", id, object)
		switch {
		case id == "":
			d.listed[object] = true
		case object == "":
			d.listed[id] = true
		default:
			d.listed[id], d.beside[id] = true, object
		}
	}
	d.e.PutObject("ops", "list.csv", []byte(d.rows), time.Now())
	(&world{t: d.t, e: d.e}).inventoryReport("inv", keys, 1)
}

func objectOf(m *emulator.Medium) media.Object {
	if m.URL != "" {
		return media.Object{}
	}
	return media.Object{Bucket: m.Bucket, Key: m.Key}
}

// names says, without the program's own scan, whether the inventory of a policy names a medium.
func (d *deployment) names(p *policy.Policy, m *emulator.Medium) bool {
	object := objectOf(m)
	if m.Deleted && slices.ContainsFunc(d.media, func(other emulator.Medium) bool { return !other.Deleted && objectOf(&other) == object }) {
		object = media.Object{} // MPS shows what was restored
	}
	_, exists := d.e.Object(m.Bucket, m.Key)
	isIn := func(names map[string]bool) bool { return names[m.ID] || !object.IsZero() && names[object.String()] }
	return exists && p.Inventory.Covers(object) || len(p.Inventory.Workflows) > 0 && len(m.Runs) > 0 ||
		slices.ContainsFunc(p.Inventory.Manifests, func(list media.Object) bool {
			return list.Key == "list.csv" && isIn(d.listed) || list.Key != "list.csv" && isIn(d.reports) && p.MayTake(object)
		})
}

// contradicts reports whether a list of the inventory names another object beside the ID of a medium.
func (d *deployment) contradicts(p *policy.Policy, m *emulator.Medium) bool {
	beside, ok := d.beside[m.ID]
	return ok && beside != objectOf(m).String() && slices.Contains(p.Inventory.Manifests, media.Object{Bucket: "ops", Key: "list.csv"})
}

// happen lets some things happen, and keeps what they leave.
func (d *deployment) happen() {
	for range 2 + d.random.IntN(5) {
		time.Sleep(time.Duration(60+d.random.IntN(40*3600)) * time.Second)
		d.letHappen(pick(d.random, d.e.Media()...))
	}
	d.at = time.Now().UTC().Add(time.Duration(1+d.random.IntN(40)) * time.Hour).Truncate(time.Hour).Add(30 * time.Minute)
	time.Sleep(time.Until(d.at))
	d.media, d.records = d.e.Media(), d.e.Objects("ops")
	d.story = append(d.story, "asked at "+d.at.Format(time.RFC3339))
}

// letHappen lets one thing happen, perhaps to a medium.
func (d *deployment) letHappen(m emulator.Medium) {
	r, p, what, name := d.random, d.programs[0], "", "oss://"+m.Bucket+"/"+m.Key
	var answer report.Report
	event := func(payload string) {
		answer = d.invoke(p, payload)
		d.isLed = d.isLed || answer.Counts.Announced > 0
	}
	switch kind := r.IntN(15); kind {
	case 0, 1:
		what, answer = "a sweep", d.invoke(p, everything)
	case 2:
		what, answer = "a scheduled dry run", d.invoke(p, timer(`{"mode":"dry-run"}`))
	case 3:
		what = "an event of " + m.ID
		event(string(ossEvent(m.Key)))
	case 4:
		what = "a removal of " + m.ID
		d.e.RemoveObject(m.Bucket, m.Key)
		event(removal("ObjectRemoved:DeleteObject", m.Key))
	case 5, 6:
		what = "a request for " + m.ID
		if kind == 6 {
			what += ", which MPS does not carry out"
		}
		options := d.options
		options.DeleteNothing = kind == 6
		d.e.SetMPS(options)
		event(fmt.Sprintf(`{"mode":"enforce","mediaIds":[%q]}`, m.ID))
		d.e.SetMPS(d.options)
	case 7, 8:
		request := trigger.HoldRequest{Target: pick(r, m.ID, name, "oss://"+m.Bucket+"/a/**"), Until: pick(r, "forever", time.Now().AddDate(0, 0, 1+r.IntN(3)).Format(time.DateOnly)), Reason: "a test"}
		what = fmt.Sprintf("a hold of %s until %s", request.Target, request.Until)
		if _, err := p.f.Hold(d.t.Context(), handler.Call{}, request); err != nil {
			d.t.Error(err)
		}
	case 9:
		what = "all holds are released"
		d.releaseAll()
	case 10:
		what = "another record of " + m.ID
		m.Tags, m.Title = pick(r, []string{}, []string{"hold"}, []string{"t1"}), pick(r, m.Title, "x2")
		d.e.Add(m)
		d.changed[m.ID] = true
	case 11:
		what = "the source of " + m.ID + " is back"
		d.e.PutObject(m.Bucket, m.Key, nil, time.Now())
	case 12:
		run := d.latest(&d.runs)
		if what = "a restore"; run != "" {
			answer = *p.f.Sweep(d.t.Context(), handler.Call{}, &trigger.Request{Trigger: trigger.CLI, Restore: run})
		}
	case 13:
		what = "another policy"
		d.policy = pick(r, d.policies[:]...)
		what += fmt.Sprint(" ", slices.Index(d.policies[:], d.policy))
		d.programs[0] = d.start(0)
	case 14:
		if d.options.DeletedView == emulator.ViewInitiated { // what it deleted looks alive until a sweep finishes its plan
			return
		}
		what, d.isUnfinished = "a sweep is killed", true
		d.e.Inject(emulator.Fault{Operation: "*", Kind: emulator.Latency, Delay: 20 * time.Millisecond})
		time.AfterFunc(time.Duration(r.IntN(1200))*time.Millisecond, p.kill)
		answer = d.invoke(p, everything)
		d.e.ClearFaults()
		d.programs[0] = d.start(0)
	}
	d.story = append(d.story, fmt.Sprintf("%s %s: %s %s %+v", time.Now().UTC().Format(time.RFC3339), what, answer.Status, answer.Error, answer.Counts))
}

// invoke answers a payload.
func (d *deployment) invoke(p *program, payload string) report.Report {
	d.asked++
	return d.adds(p.invoke(context.Background(), fmt.Sprint("ask-", d.asked), time.Hour, payload))
}

// wants fails the test unless a run has come to its end.
func (d *deployment) wants(r *report.Report, run string) {
	if r.Status != report.Done && r.Status != report.Partial && r.Status != report.Blocked {
		d.t.Errorf("%s is %s: %s", run, r.Status, r.Error)
	}
}

// back goes back to the state and the time of the questions, and starts a program under a policy.
func (d *deployment) back(p *policy.Policy) *program {
	for _, m := range d.media {
		d.e.Add(m)
	}
	for _, o := range d.e.Objects("ops") {
		d.e.RemoveObject("ops", o.Key)
	}
	for _, o := range d.records {
		d.e.PutObject("ops", o.Key, o.Body, o.Modified)
	}
	d.programs[0].kill()
	d.policy = p
	d.programs[0] = d.start(time.Until(d.at))
	return d.programs[0]
}

// live returns the media that were live when the questions were asked.
func (d *deployment) live() []emulator.Medium {
	return slices.DeleteFunc(slices.Clone(d.media), func(m emulator.Medium) bool { return m.Deleted })
}

// isGone reports whether a medium is deleted now.
func (d *deployment) isGone() func(id string) bool {
	gone := map[string]bool{}
	for _, m := range d.e.Media() {
		gone[m.ID] = m.Deleted
	}
	return func(id string) bool { return gone[id] }
}
