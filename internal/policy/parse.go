package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/text"
)

// version is the only format that this program reads.
const version = 1

const (
	// MaxBytes bounds a policy file. A real one has a few kilobytes. Measured: the
	// slowest YAML of this size is checked in 0.8 s, and the largest takes 93 MB.
	MaxBytes = 100_000
	// maxEntries bounds the entries of all lists of a policy: rules, globs, tags and
	// the others. Each pair of rules is compared, and each glob with each inventory
	// prefix. Measured: the slowest 5000 entries take 0.8 s.
	maxEntries = 5000
)

// Parse reads a policy. The error, if any, is an Errors with every mistake; a
// policy with a mistake is never returned. The file's name is for messages only.
func Parse(file string, data []byte) (*Policy, error) {
	p := parser{file: file}
	policy := p.document(data)
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b Error) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
		return nil, p.errs
	}
	policy.warnings, policy.text = p.warnings, data
	policy.digest = fmt.Sprintf("sha256:%x", sha256.Sum256(policy.Canonical()))
	return policy, nil
}

type parser struct {
	file       string
	errs       Errors
	warnings   []Warning
	entries    int // of all lists so far
	titleSteps int // of all titles so far
}

func (p *parser) document(data []byte) *Policy {
	start := &yaml.Node{Line: 1, Column: 1}
	if len(data) > MaxBytes {
		p.errs = TooLarge(p.file, int64(len(data)))
		return nil
	}
	if at, problem := notText(data); problem != "" {
		p.errorf(at, "not YAML: %s", problem)
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		p.errorf(start, "%v", err)
		return nil
	}
	var root, second yaml.Node
	switch err := loader.Load(&root); {
	case errors.Is(err, io.EOF) || err == nil && isEmpty(&root):
		p.errorf(start, "the policy is empty: a policy starts with `version: %d`", version)
		return nil
	case err != nil:
		p.syntaxError(data, err)
		return nil
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		p.syntaxError(data, err)
	default:
		p.errorf(&second, "a second document: a policy is one document")
	}
	return p.policy(root.Content[0])
}

// notText returns the place of the first byte that no text has. YAML's own error
// for it has none.
func notText(data []byte) (at *yaml.Node, problem string) {
	at = &yaml.Node{Line: 1, Column: 1}
	if order := text.UTF16Order(data); order != nil { // which YAML allows
		var err error
		if data, err = io.ReadAll(text.FromUTF16(bytes.NewReader(data[2:]), order)); err != nil {
			return at, err.Error()
		}
	}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "this byte is not UTF-8"
		case r == '\n':
			at.Line, at.Column = at.Line+1, 0
		case unicode.IsControl(r) && r != '\t' && r != '\r':
			return at, fmt.Sprintf("control character U+%04X", r)
		case r == '\u2028' || r == '\u2029': // text behind them could seem to be part of a comment
			return at, fmt.Sprintf("U+%04X starts a line that editors do not show: leave it out", r)
		}
		at.Column++
		data = data[size:]
	}
	return nil, ""
}

func isEmpty(root *yaml.Node) bool {
	return len(root.Content) == 0 || root.Content[0].Tag == "!!null"
}

func (p *parser) syntaxError(data []byte, err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	message := err.Error()
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		at.Line, at.Column = max(load.Mark.Line, 1), max(load.Mark.Column, 1)
		message = load.Message
	}
	if meant := misread(data, at); meant != "" {
		message = meant
	}
	p.errorf(at, "not YAML: %s", text.Bound(message))
}

// misread says what is wrong where YAML's own error does not help, or nothing.
func misread(data []byte, at *yaml.Node) string {
	lines := strings.Split(string(data), "\n")
	if at.Line > len(lines) {
		return ""
	}
	line := []rune(lines[at.Line-1])
	if indent := line[:len(line)-len([]rune(strings.TrimLeft(string(line), " \t")))]; slices.Contains(indent, '\t') {
		return "a tab indents this line: indent with spaces"
	}
	if at.Column > len(line) {
		return ""
	}
	switch first := line[at.Column-1]; {
	case first == '%' && at.Column == 1:
		return "a line that starts with % is a directive to YAML: leave it out"
	case first == '*':
		return "a value that starts with * is an alias to YAML: put it in quotes, and write a glob such as \"oss://bucket/dir/**\""
	case slices.Contains([]rune("@`%"), first):
		return fmt.Sprintf("a value that starts with %c has to stand in quotes", first)
	}
	return ""
}

func (p *parser) policy(n *yaml.Node) *Policy {
	policy := Policy{Mode: DryRun, Timezone: time.UTC, FullEvery: DefaultFullEvery(), Guard: DefaultGuard(), Share: DefaultShare}
	p.mapping(n, "a policy", []field{
		{name: "version", required: true, read: func(n *yaml.Node) {
			form := fmt.Sprintf("%d, the version that this program reads", version)
			if got, ok := p.number(n, form, text.Decimal, func(int64) bool { return true }); ok && got != version {
				p.errorf(n, "version %d is not known: this program reads version %d", got, version)
			}
		}},
		{name: "mode", read: func(n *yaml.Node) {
			policy.Mode = Mode(p.oneOf(n, "mode", []string{string(DryRun), string(Enforce)}))
		}},
		{name: "timezone", read: func(n *yaml.Node) { policy.Timezone = p.timezone(n) }},
		{name: "inventory", read: func(n *yaml.Node) { policy.Inventory = p.inventory(n) }},
		{name: "manifests", read: func(n *yaml.Node) { policy.Manifests = p.globs(n) }},
		{name: "fullEvery", read: func(n *yaml.Node) { policy.FullEvery = p.period(n) }},
		{name: "notice", read: func(n *yaml.Node) { policy.Notice = p.notice(n) }},
		{name: "protect", read: func(n *yaml.Node) { policy.Protect = p.rules(n, "protect") }},
		{name: "expire", read: func(n *yaml.Node) { policy.Expire = p.rules(n, "expire") }},
		{name: "guard", read: func(n *yaml.Node) { p.guard(n, &policy.Guard) }},
		{name: "pace", read: func(n *yaml.Node) { p.pace(n, &policy.Share) }},
	})
	p.uniqueNames(n)
	return &policy
}

func (p *parser) timezone(n *yaml.Node) *time.Location {
	name, ok := p.text(n)
	if !ok {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		p.errorf(n, "%s is not a time zone: use a name of the IANA database, such as UTC or Asia/Shanghai", text.Quote(name))
		return time.UTC
	}
	p.warn(n, oddZone(name))
	return zone
}

func (p *parser) inventory(n *yaml.Node) (inventory Inventory) {
	for _, item := range p.list(n) {
		p.mapping(item, "an inventory entry", []field{
			{name: "bucket", read: func(n *yaml.Node) {
				if prefix, ok := p.object(n, media.ParsePrefix, "inventory prefix", "a prefix", "oss://bucket/ or oss://bucket/prefix"); ok {
					p.warn(n, oddPrefix(prefix))
					inventory.Prefixes = append(inventory.Prefixes, prefix)
				}
			}},
			{name: "workflow", read: func(n *yaml.Node) {
				if s, ok := p.text(n); ok {
					p.warn(n, oddWorkflow(s))
					inventory.Workflows = append(inventory.Workflows, s)
				}
			}},
			{name: "manifest", read: func(n *yaml.Node) {
				if manifest, ok := p.object(n, media.ParseObject, "manifest", "one manifest", "oss://bucket/key"); ok {
					inventory.Manifests = append(inventory.Manifests, manifest)
				}
			}},
		})
		switch {
		case item.Kind != yaml.MappingNode:
		case len(item.Content) == 0:
			p.errorf(item, "an inventory entry needs one of the keys bucket, workflow and manifest")
		case len(item.Content) > 2:
			p.errorf(item.Content[2], "an inventory entry has one key: make another entry of %s", text.Quote(item.Content[2].Value))
		}
	}
	return inventory
}

// object reads the name of an object or a prefix, which has no wildcard.
func (p *parser) object(n *yaml.Node, parse func(string) (media.Object, error), what, names, form string) (object media.Object, ok bool) {
	s, ok := p.text(n)
	if !ok {
		return object, false
	}
	object, err := parse(s)
	switch {
	case err != nil:
		p.errorf(n, "%v: write %s", err, form)
		return object, false
	case strings.Contains(object.Key, "*"):
		p.errorf(n, "%s: an inventory entry names %s, not a glob", text.Quote(s), names)
		return object, false
	}
	p.warn(n, oddKey(what, object))
	return object, true
}

func (p *parser) period(n *yaml.Node) Period {
	return scalar(p, n, "a period such as 180d or 1y6mo", ParsePeriod)
}

// notice reads a period of at most a year: media are looked at by every sweep for so long.
func (p *parser) notice(n *yaml.Node) Period {
	period := scalar(p, n, "a period such as 7d", func(s string) (Period, error) {
		period, err := ParsePeriod(s)
		if errors.Is(err, errNoTime) {
			err = fmt.Errorf("%s announces nothing: leave the key out", text.Quote(s))
		}
		return period, err
	})
	begin := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	if period.After(begin, time.UTC).After(begin.AddDate(1, 0, 0)) {
		p.errorf(n, "%s is too long: a notice is at most 1y", text.Quote(n.Value))
	}
	return period
}

func (p *parser) guard(n *yaml.Node, guard *Guard) {
	p.mapping(n, "guard", []field{
		{name: "maxDelete", read: func(n *yaml.Node) { guard.MaxDelete, _ = p.integer(n, 0) }},
		{name: "maxPercent", read: func(n *yaml.Node) {
			guard.MaxPercent = Percent(p.fraction(n, "a percentage from 0 to 100", 0, int64(100*OnePercent)))
		}},
		{name: "minPopulation", read: func(n *yaml.Node) { guard.MinPopulation, _ = p.integer(n, 0) }},
		{name: "planMaxAge", read: func(n *yaml.Node) { guard.PlanMaxAge = p.period(n) }},
	})
}

func (p *parser) pace(n *yaml.Node, share *float64) {
	p.mapping(n, "pace", []field{
		{name: "share", read: func(n *yaml.Node) {
			const whole = 1_000_000
			*share = float64(p.fraction(n, "a share above 0 and at most 1", 1, whole)) / whole
		}},
	})
}
