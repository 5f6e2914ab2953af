package words_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/words"
)

// args returns the sorted numbers of the arguments that a format takes.
func args(format string) []int {
	numbers, next := map[int]bool{}, 1
	for _, verb := range regexp.MustCompile(`%(?:\[(\d)\])?[0-9.]*([a-zA-Z%])`).FindAllStringSubmatch(format, -1) {
		if verb[2] == "%" {
			continue
		}
		if verb[1] != "" {
			next, _ = strconv.Atoi(verb[1])
		}
		numbers[next] = true
		next++
	}
	list := []int{}
	for number := range numbers {
		list = append(list, number)
	}
	slices.Sort(list)
	return list
}

// Each Chinese sentence takes the arguments of the English one, and its own text is found again.
func TestSentencesTakeTheSameArguments(t *testing.T) {
	table, err := os.ReadFile("sentences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	verb := regexp.MustCompile(`%(?:\[(\d)\])?[0-9.]*([a-zA-Z%])`)
	seen := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		english, chinese, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || chinese == "" || seen[english] || !slices.Equal(args(english), args(chinese)) {
			t.Errorf("%q", line)
		}
		seen[english] = true
		text := verb.ReplaceAllStringFunc(english, func(found string) string {
			value := verb.FindStringSubmatch(found)
			switch number := "7" + value[1]; value[2] {
			case "%":
				return "%"
			case "f":
				return number + ".5"
			case "q":
				return `"` + number + `"`
			default:
				return number
			}
		})
		if got := words.Chinese.Sentence(text); got == text || strings.Contains(got, "%[") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestSentence(t *testing.T) {
	long := "rule a: expired since " + strings.Repeat("b", 5000)
	for english, want := range map[string]string{
		"": "", "title of somebody": "title of somebody", long: long,
		"3000 media have expired and guard.maxDelete is 100":                                                                                             "已有 3000 个媒体到期，而 guard.maxDelete 为 100",
		"612 of 947 live media have expired (64.6 %) and guard.maxPercent is 10":                                                                         "947 个现存媒体中已有 612 个到期（64.6 %），而 guard.maxPercent 为 10",
		"the plan was blocked, and was applied before: 3 media have expired and guard.maxDelete is 1":                                                    "计划曾被阻止，并且已经执行过：已有 3 个媒体到期，而 guard.maxDelete 为 1",
		"held by hold:17 until its release, by ann: no expire rule applies: %s\n<b>":                                                                     "被 hold:17 保留到解除时，操作人 ann：no expire rule applies: %s\n<b>",
		"held by hold:17 until its release, by a signed request: a dispute":                                                                              "被 hold:17 保留到解除时，操作人 已签名的请求：a dispute",
		"plan sha256:a was blocked: 3 media have expired and guard.maxDelete is 1; applied by timer":                                                     "计划 sha256:a 曾被阻止：已有 3 个媒体到期，而 guard.maxDelete 为 1；由 定时 执行",
		"plan sha256:a was blocked: 3 media have expired and guard.maxDelete is 1; applied by done":                                                      "计划 sha256:a 曾被阻止：已有 3 个媒体到期，而 guard.maxDelete 为 1；由 done 执行",
		"protected by rule 法务 until 2027-01-31T16:00:00Z":                                                                                                "受规则 法务 保护到 2027-01-31T16:00:00Z",
		"another run is under way: r1; nothing was deleted":                                                                                              "另一次运行正在进行：r1；未删除任何媒体",
		"stopped before everything had been looked at: time limit reached: the next scheduled run resumes it":                                            "未检查完全部内容就停止：到达时限：下一次定时运行会继续",
		"\"AB\" is not a bucket name: 3 to 63 of a-z, 0-9 and -, with no - at either end: write a glob such as oss://bucket/dir/**":                      "\"AB\" 不是存储空间名称：由 3 至 63 个 a-z、0-9 和 - 组成，首尾不能是 -：请写 oss://bucket/dir/** 这样的通配符",
		"there is no run or plan \"x\" in the state store: mediasweep runs and mediasweep plans list the latest; an ID may be shortened to 8 characters": "状态存储中没有运行或计划 \"x\"：mediasweep runs 和 mediasweep plans 会列出最近的；ID 可以缩短到 8 个字符",
		"ignored: record 2: \"BucketCreated\" is about no object":                                                                                        "已忽略：第 2 条记录：\"BucketCreated\" 与对象无关",
		"no candidate could be read: manifest oss://ops/a.csv: nothing of it is used: read oss://ops/a.csv: there is no such object":                     "没有能读取的候选：清单 oss://ops/a.csv：未使用其任何内容：读取 oss://ops/a.csv：没有这样的对象",
		"the plan of run \"r 1\" is not finished yet: time limit reached, with 2 media still to delete":                                                  "运行 \"r 1\" 的计划尚未完成：到达时限，还有 2 个媒体要删除",
		"MPS took the deletion, and does not say that the medium is gone":                                                                                "MPS 接受了删除请求，但没有表明媒体已不存在",
		"time limit reached, with 3 media still to delete":                                                                                               "到达时限，还有 3 个媒体要删除",
		"so: 3000 media have expired and guard.maxDelete is 100":                                                                                         "so: 3000 media have expired and guard.maxDelete is 100",
		fmt.Sprintf("the tag %q has U+FF1A, which looks like %q: write %q if that is meant", "a：b", ":", "a:b"):                                          `标签 "a：b" 含有 U+FF1A（看起来像 ":"）：如果不是有意的，请写 "a:b"`,
	} {
		if got := words.Chinese.Sentence(english); got != want {
			t.Errorf("%q: %s", english, got)
		}
		if got := words.English.Sentence(english); got != english {
			t.Errorf("%q: %s", english, got)
		}
	}
}

// A sentence in a sentence in a sentence is the last one that is read.
func TestSentencesAreBounded(t *testing.T) {
	nested := strings.Repeat("the plan was blocked, and was applied before: ", 50)
	if got := words.Chinese.Sentence(nested + "end"); strings.Count(got, "计划") != 3 || !strings.HasSuffix(got, "end") {
		t.Error(got)
	}
}
