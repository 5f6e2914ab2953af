package policy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// This file warns of values that read like something else. A rule with such a value
// matches other media than its author means, and a protect rule then keeps nothing.

// maxTagBytes bounds a tag of a medium. Source: MPS QueryMediaList, Media.Tags.
const maxTagBytes = 32

// looksLike maps characters to the ASCII character that they look like. The full-width
// forms U+FF01 to U+FF5E, spaces and dashes need no entry.
var looksLike = inverted(map[rune]string{
	'-':  "\u02D7\u2043\u2212\uFE63",
	':':  "\u02D0\u2236\uA789\uFE13\uFE55",
	',':  "\u201A\u3001\uFE10\uFE50\uFE51\uFF64",
	'.':  "\u2024\u3002\uFE52\uFF61",
	';':  "\u037E\uFE54",
	'/':  "\u2044\u2215\u29F8",
	'\\': "\u2216\u29F5\u29F9\uFE68",
	'|':  "\u01C0\u2223\u2502",
	'*':  "\u066D\u204E\u2217\uFE61",
	'~':  "\u02DC\u223C\u301C\u3030",
	'\'': "\u00B4\u02B9\u02BB\u02BC\u02BD\u02C8\u2018\u2019\u201B\u2032",
	'"':  "\u201C\u201D\u201E\u201F\u2033",
	'?':  "\uFE56",
	'!':  "\u01C3\uFE57",
	'#':  "\uFE5F",
	'&':  "\uFE60",
	'+':  "\uFE62",
	'=':  "\uA78A\uFE66",
	'%':  "\uFE6A",
	'@':  "\uFE6B",
	'_':  "\u02CD\uFE4D\uFE4E\uFE4F",
})

// looksLatin maps Cyrillic and Greek letters to the Latin letter that they look like.
var looksLatin = inverted(map[rune]string{
	'A': "\u0391\u0410", 'B': "\u0392\u0412", 'C': "\u03F9\u0421", 'E': "\u0395\u0415", 'H': "\u0397\u041D", 'I': "\u0399\u0406\u04C0", 'J': "\u037F\u0408",
	'K': "\u039A\u041A", 'M': "\u039C\u041C", 'N': "\u039D", 'O': "\u039F\u041E", 'P': "\u03A1\u0420", 'S': "\u0405", 'T': "\u03A4\u0422", 'X': "\u03A7\u0425",
	'Y': "\u03A5\u0423\u04AE", 'Z': "\u0396", 'a': "\u03B1\u0430", 'c': "\u03F2\u0441", 'd': "\u0501", 'e': "\u0435", 'h': "\u04BB", 'i': "\u03B9\u0456",
	'j': "\u03F3\u0458", 'k': "\u03BA\u043A", 'l': "\u04CF", 'o': "\u03BF\u043E", 'p': "\u03C1\u0440", 'q': "\u051B", 's': "\u0455", 'u': "\u03C5",
	'v': "\u03BD\u0475", 'w': "\u051D", 'x': "\u03C7\u0445", 'y': "\u03B3\u0443",
})

func inverted(alike map[rune]string) map[rune]rune {
	of := map[rune]rune{}
	for ascii, others := range alike {
		for _, r := range others {
			of[r] = ascii
		}
	}
	return of
}

// odd is a character that looks like another one or like none.
type odd struct {
	r    rune
	is   string // after "which"
	want string // in its place
}

// oddRunes returns each odd character of a text once.
func oddRunes(s string) (list []odd) {
	seen := map[rune]bool{}
	add := func(o odd) {
		if o.is != "" && !seen[o.r] {
			seen[o.r] = true
			list = append(list, o)
		}
	}
	var before rune
	for _, r := range s {
		add(oddRune(before, r))
		before = r
	}
	latin := strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
	for letters := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		for _, o := range foreignLetters(letters, latin) {
			add(o)
		}
	}
	return list
}

func oddRune(before, r rune) odd {
	like := func(ascii rune) odd { return odd{r, fmt.Sprintf("looks like %q", string(ascii)), string(ascii)} }
	ascii, known := looksLike[r]
	switch {
	case r <= unicode.MaxASCII:
		return odd{}
	case known:
		return like(ascii)
	case r >= '！' && r <= '～' && !unicode.IsLetter(r) && !unicode.IsDigit(r):
		return like(r - '！' + '!') // the full-width forms have the order of ASCII
	case unicode.Is(unicode.Z, r):
		return like(' ')
	case unicode.Is(unicode.Pd, r):
		return like('-')
	case (r == '\u200C' || r == '\u200D') && unicode.In(before, unicode.Arabic, unicode.So, unicode.Sk, unicode.M):
		return odd{} // spelling of these scripts and of emoji
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return odd{}
	case !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == '\u2800':
		return odd{r, "is invisible", ""}
	case r >= '\u0300' && r <= '\u036F' || r == '\u3099' || r == '\u309A':
		return odd{r, "is an accent apart from its letter", string(r)}
	}
	return odd{}
}

// foreignLetters returns the Cyrillic and Greek letters of a word that also has Latin
// letters, or that looks Latin beside Latin words.
func foreignLetters(letters string, besideLatin bool) (list []odd) {
	mixed, looks := false, true
	for _, r := range letters {
		latin := unicode.Is(unicode.Latin, r)
		mixed = mixed || latin
		looks = looks && (latin || looksLatin[r] != 0)
		if unicode.In(r, unicode.Cyrillic, unicode.Greek) {
			o := odd{r, "is not Latin", string(r)}
			if ascii, known := looksLatin[r]; known {
				o = odd{r, fmt.Sprintf("looks like %q", string(ascii)), string(ascii)}
			}
			list = append(list, o)
		}
	}
	if mixed || looks && besideLatin {
		return list
	}
	return nil
}

// visible returns a value in quotes with its odd characters escaped.
func visible(value string) string {
	quoted := text.Quote(value)
	for _, o := range oddRunes(quoted) {
		escape := fmt.Sprintf(`\u%04x`, o.r)
		if o.r > 0xFFFF {
			escape = fmt.Sprintf(`\U%08x`, o.r)
		}
		quoted = strings.ReplaceAll(quoted, string(o.r), escape)
	}
	return quoted
}

func oddText(what, value string) []string {
	return oddIn(what, value, value, func(s string) string { return s })
}

// oddIn warns of the odd characters of a part of a value. quote makes a character
// stand for itself in the value.
func oddIn(what, value, part string, quote func(string) string) []string {
	list := oddRunes(part)
	if len(list) == 0 {
		return nil
	}
	const named = 3
	var replaced, are []string
	for i, o := range list {
		replaced = append(replaced, string(o.r), quote(o.want))
		if i < named {
			are = append(are, fmt.Sprintf("U+%04X, which %s", o.r, o.is))
		}
	}
	want := strings.NewReplacer(replaced...).Replace(value)
	instead := visible(want)
	switch {
	case len(oddRunes(want)) > 0:
		instead = "composed letters of one script"
	case what == "tag": // which has no comma
		instead = strings.ReplaceAll(instead, ",", `", "`)
	}
	return []string{fmt.Sprintf("the %s %s has %s: write %s if that is meant", what, visible(value), strings.Join(are, ", and "), instead)}
}

// oddKey warns of an object key that reads like a path.
func oddKey(what string, object media.Object) []string {
	list := oddText(what, object.String())
	key, folder := strings.CutSuffix(object.Key, "/")
	instead := func(key string) string { return visible(media.Object{Bucket: object.Bucket, Key: key}.String()) }
	for _, part := range []string{"//", "/./", "/../"} {
		if key != "" && strings.Contains("/"+key+"/", part) {
			clean := path.Clean("/" + key)[1:]
			if folder && clean != "" {
				clean += "/"
			}
			list = append(list, fmt.Sprintf("the %s %s has %q: a key is no path, write %s if that is meant",
				what, visible(object.String()), part, instead(clean)))
			break
		}
	}
	if trimmed := strings.Trim(object.Key, " "); trimmed != object.Key {
		list = append(list, fmt.Sprintf("the %s %s has a space at an end of its key: write %s if that is meant",
			what, visible(object.String()), instead(trimmed)))
	}
	return list
}

// oddPrefix warns of a prefix that ends in a word: it may be meant for one folder.
func oddPrefix(prefix media.Object) []string {
	if last, _ := utf8.DecodeLastRuneInString(prefix.Key); prefix.Key == "" || !unicode.IsLetter(last) && !unicode.IsDigit(last) {
		return nil
	}
	name := prefix.String()
	return []string{fmt.Sprintf("the inventory prefix %s takes in %s too: write %s for one folder", visible(name), visible(name+"2/"), visible(name+"/"))}
}

var etcZone = regexp.MustCompile(`^Etc/GMT([+-])([1-9]\d*)$`)

// oddZone warns of the zones whose sign is not that of their clocks.
func oddZone(name string) []string {
	parts := etcZone.FindStringSubmatch(name)
	switch {
	case parts == nil:
		return nil
	case parts[1] == "+":
		return []string{fmt.Sprintf("the timezone %s is %s hours behind UTC: the sign in such a name is reversed", name, parts[2])}
	}
	return []string{fmt.Sprintf("the timezone %s is %s hours ahead of UTC: the sign in such a name is reversed", name, parts[2])}
}

// oddWorkflow warns of a name that may be meant for all workflows. MPS does not document which names it takes, so it is one.
func oddWorkflow(name string) []string {
	list := oddText("workflow", name)
	if name != AllWorkflows && slices.Contains([]string{AllWorkflows, "*", "**"}, strings.ToLower(strings.TrimSpace(name))) {
		list = append(list, fmt.Sprintf("the workflow %s is the one of this name: write %s for all workflows", visible(name), AllWorkflows))
	}
	return list
}

var escaped = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// oddGlob warns of a glob that reads like one of another language.
func oddGlob(glob Glob) []string {
	list := oddKey("glob", media.Object{Bucket: glob.bucket, Key: glob.pattern})
	name := visible(glob.String())
	if strings.ContainsAny(glob.pattern, `?[{\`) {
		list = append(list, fmt.Sprintf("the glob %s has only * and ** as wildcards: every other character stands for itself", name))
	}
	if escaped.MatchString(glob.pattern) {
		list = append(list, fmt.Sprintf("the %%XX in the glob %s stands for itself: write the character that is meant", name))
	}
	if last := glob.pattern[strings.LastIndexByte(glob.pattern, '/')+1:]; !strings.ContainsAny(last, "*.") {
		list = append(list, fmt.Sprintf("the glob %s matches no folder: write %s for what is below one", name, visible(glob.String()+"/**")))
	}
	return list
}

// likePattern finds tags that are written as globs, regular expressions or SQL patterns.
var likePattern = regexp.MustCompile(`[*|\\]|^\^|\$$|^/.+/[a-z]*$|^%|\D%$|\.\+|\?$|\[.+\]|\{.+\}`)

// oddTag warns of a tag that no medium has, or that reads like a pattern.
func oddTag(tag string) []string {
	list := oddText("tag", tag)
	if len(tag) > maxTagBytes || strings.Contains(tag, ",") || strings.Trim(tag, " ") != tag {
		list = append(list, fmt.Sprintf("no medium has the tag %s: a tag has at most %d bytes, no comma and no space at its ends", visible(tag), maxTagBytes))
	}
	if likePattern.MatchString(tag) {
		list = append(list, fmt.Sprintf("the tag %s is no pattern: list each tag that is meant", visible(tag)))
	}
	return list
}

// oddTagPrefix warns of the start of a tag before a value such as a day.
func oddTagPrefix(prefix, value, example string) []string {
	list := oddText("tag prefix", prefix)
	quoted := visible(prefix)
	if strings.Contains(prefix, ",") || strings.HasPrefix(prefix, " ") {
		list = append(list, fmt.Sprintf("no medium has a tag that starts with %s: a tag has no comma and no space at its ends", quoted))
	}
	if likePattern.MatchString(prefix) {
		list = append(list, fmt.Sprintf("the tag prefix %s is no pattern: write what stands before %s", quoted, value))
	}
	if len(prefix+example) > maxTagBytes {
		list = append(list, fmt.Sprintf("no medium has a tag such as %s: a tag has at most %d bytes", visible(prefix+example), maxTagBytes))
	}
	if last, _ := utf8.DecodeLastRuneInString(prefix); prefix != "" && (unicode.IsLetter(last) || unicode.IsDigit(last)) {
		list = append(list, fmt.Sprintf("%s follows %s at once, as in %s: write %s if a colon stands between them",
			value, quoted, visible(prefix+example), visible(prefix+":")))
	}
	return list
}
