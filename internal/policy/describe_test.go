package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/words"
)

// The restatement has the same sentences in both languages. Names and values stay as they are.
func TestDescribeInTwoLanguages(t *testing.T) {
	p, err := policy.Parse("p", []byte(`version: 1
mode: enforce
timezone: Asia/Shanghai
inventory: [{bucket: "oss://media-in/"}, {workflow: all}, {manifest: "oss://ops/media.csv"}]
manifests: ["oss://ops/inbox/**"]
notice: 7d
protect:
  - {name: 法务, match: {tags: [a or b, c, d]}}
  - {name: dated, match: {minSize: 1MB, maxSize: 2MB}, until: {tag: "keep:"}}
expire:
  - {name: drafts, match: {object: ["oss://media-in/drafts/**", "oss://media-in/%s/**"], state: [UnPublish]}, after: 1y6mo, keepLatest: {count: 3, per: folder}}
  - {name: both, match: {tagsAll: [x, y], minDuration: 90s, title: "^t"}, onSourceRemoved: true}
  - {name: named, at: {tag: "expire:"}}
  - {name: all, after: 7d, keepLatest: {count: 1, per: "tag:s:"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`This deployment deletes what has expired (enforce).
此部署会删除已到期的媒体（enforce）。
A scheduled sweep looks at the media behind oss://media-in/, and that are listed in oss://ops/media.csv, and of all workflow executions of the last 90 days.
定时扫描检查这些媒体：对象位于 oss://media-in/；列在清单 oss://ops/media.csv 中；属于最近 90 天的任一工作流执行。
An OSS event for oss://ops/inbox/** is for a list of media.
oss://ops/inbox/** 的 OSS 事件表示媒体清单。
法务: media tagged a or b, c or d are never deleted, whatever else holds.
法务：带有标签 a or b、c 或 d 的媒体从不删除，不论其他规则如何。
dated: media of at least 1000000 bytes, of at most 2000000 bytes, with a tag keep:YYYY-MM-DD are never deleted, until the end of that day, in Asia/Shanghai.
dated：大小不小于 1000000 B，且大小不超过 2000000 B，且带有标签 keep:YYYY-MM-DD 的媒体从不删除，直到标签所写的那一天结束（时区 Asia/Shanghai）。
drafts: media in state UnPublish, behind oss://media-in/drafts/** or oss://media-in/%s/** are deleted 1y6mo after creation, except the latest 3 of each folder.
drafts：状态为 UnPublish，且对象位于 oss://media-in/drafts/** 或 oss://media-in/%s/** 的媒体，在创建 1 年 6 个月后删除，但最新的 3 个除外（按目录）。
both: media tagged x and y, of at least 1m30s of video, whose title matches "^t" are deleted when the source object is removed.
both：带有标签 x 和 y，且视频时长不小于 1m30s，且标题匹配 "^t" 的媒体，在源对象被删除后删除。
named: media with a tag expire:YYYY-MM-DD are deleted at the end of that day, in Asia/Shanghai.
named：带有标签 expire:YYYY-MM-DD 的媒体，在标签所写的那一天结束时（时区 Asia/Shanghai）删除。
all: every medium is deleted 7d after creation, except the latest 1 of each tag that starts with s:.
all：所有媒体，在创建 7 天后删除，但最新的 1 个除外（按以 s: 开头的标签）。
Media to which no expire rule applies are kept.
没有任何 expire 规则适用的媒体会被保留。
A medium is deleted only if a run announced it at least 7d before, and every sweep since found it expired.
媒体必须至少提前 7 天由一次运行预告，并且此后每次扫描都判定它到期，才会删除。
A run that would delete more than 5000 media, or more than 10 % of at least 100 live ones, deletes nothing.
要删除的媒体超过 5000 个，或超过现存媒体的 10 %（现存媒体至少 100 个时），运行一个也不删除。
`, both(p)); diff != "" {
		t.Error(diff)
	}
	m := &media.Medium{Tags: []string{"c"}}
	got := p.Protect[0].Conditions(m)[0]
	if got.In(words.English) != got.Says || got.Says != "tagged a or b, c or d" || got.In(words.Chinese) != "带有标签 a or b、c 或 d" {
		t.Errorf("%+v in Chinese: %s", got, got.In(words.Chinese))
	}
}

// A policy that says little is restated in few sentences, each with the bounds that it sets only.
func TestDescribeAShortPolicy(t *testing.T) {
	p, err := policy.Parse("p", []byte(`version: 1
inventory: [{workflow: w1}]
guard: {maxPercent: 100}
expire: [{name: small, match: {maxSize: 2MB}, after: 1d}, {name: short, match: {maxDuration: 90s}, after: 1d}, {name: one, match: {category: [7]}, after: 1h}]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"This deployment decides and reports, and deletes nothing (dry-run).",
		"A scheduled sweep looks at the media of the executions of workflow w1 in the last 90 days.",
		"small: media of at most 2000000 bytes are deleted 1d after creation.",
		"short: media of at most 1m30s of video are deleted 1d after creation.",
		"one: media of category 7 are deleted 1h after creation.",
		"Media to which no expire rule applies are kept.",
		"A run that would delete more than 5000 media deletes nothing.",
	}
	if diff := cmp.Diff(want, p.Describe(words.English)); diff != "" {
		t.Errorf("sentences (-want +got):\n%s", diff)
	}
	if p, err = policy.Parse("p", []byte("version: 1\n")); err != nil {
		t.Fatal(err)
	}
	if got := p.Describe(words.English); len(got) != 3 {
		t.Errorf("a policy without an inventory: %q", got)
	}
}

// A guard of nothing blocks every run that deletes, also below minPopulation.
func TestDescribeAGuardThatAllowsNothing(t *testing.T) {
	for _, guard := range []string{"maxDelete: 0", "maxPercent: 0", "maxPercent: 0.0", "maxDelete: 0, maxPercent: 100"} {
		p, err := policy.Parse("p", []byte("version: 1\nguard: {"+guard+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		sentences := p.Describe(words.English)
		if got := sentences[len(sentences)-1]; got != "A run that would delete any media deletes nothing until a person applies its plan." {
			t.Errorf("%s: %s", guard, got)
		}
	}
}

// both returns each sentence in English and in Chinese.
func both(p *policy.Policy) string {
	var b strings.Builder
	chinese := p.Describe(words.Chinese)
	for i, english := range p.Describe(words.English) {
		b.WriteString(english + "\n" + chinese[i] + "\n")
	}
	return b.String()
}
