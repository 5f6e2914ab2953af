package policy

import "github.com/mediasweep/mediasweep/internal/words"

// Describe restates the policy in a language: one sentence for the mode, the
// inventory, each rule and the guard.
func (p *Policy) Describe(lang words.Lang) []string {
	list := []string{lang.Say("This deployment decides and reports, and deletes nothing (dry-run).")}
	if p.Mode == Enforce {
		list[0] = lang.Say("This deployment deletes what has expired (enforce).")
	}
	if sources := p.Inventory.describe(lang); len(sources) > 0 {
		list = append(list, lang.Say("A scheduled sweep looks at the media %s.", joined(lang, "%s, and %s", sources)))
	}
	if len(p.Manifests) > 0 {
		list = append(list, lang.Say("An OSS event for %s is for a list of media.", anyOf(lang, texts(p.Manifests))))
	}
	for i := range p.Protect {
		rule := &p.Protect[i]
		until := lang.Say("whatever else holds")
		if rule.Date != "" {
			until = lang.Say("until the end of that day, in %s", p.Timezone)
		}
		list = append(list, lang.Say("%s: %s never deleted, %s.", rule.Name, rule.describe(lang), until))
	}
	for i := range p.Expire {
		rule := &p.Expire[i]
		when := lang.Say("%s after creation", rule.After.in(lang))
		switch {
		case rule.Date != "":
			when = lang.Say("at the end of that day, in %s", p.Timezone)
		case rule.OnSourceRemoved:
			when = lang.Say("when the source object is removed")
		}
		keep := ""
		if rule.KeepLatest.Count > 0 {
			keep = lang.Say(", except the latest %d of each %s", rule.KeepLatest.Count, rule.KeepLatest.per(lang))
		}
		list = append(list, lang.Say("%s: %s deleted %s%s.", rule.Name, rule.describe(lang), when, keep))
	}
	list = append(list, lang.Say("Media to which no expire rule applies are kept."))
	if !p.Notice.IsZero() {
		list = append(list, lang.Say("A medium is deleted only if a run announced it at least %s before, and every sweep since found it expired.", p.Notice.in(lang)))
	}
	guard := lang.Say("A run that would delete more than %d media deletes nothing.", p.Guard.MaxDelete)
	switch {
	case p.Guard.MaxDelete == 0 || p.Guard.MaxPercent == 0: // 0 percent applies below minPopulation too
		guard = lang.Say("A run that would delete any media deletes nothing until a person applies its plan.")
	case p.Guard.MaxPercent < 100*OnePercent:
		guard = lang.Say("A run that would delete more than %d media, or more than %s %% of at least %d live ones, deletes nothing.", p.Guard.MaxDelete, p.Guard.MaxPercent, p.Guard.MinPopulation)
	}
	return append(list, guard)
}

func (i Inventory) describe(lang words.Lang) (sources []string) {
	if len(i.Prefixes) > 0 {
		sources = append(sources, lang.Say("behind %s", anyOf(lang, texts(i.Prefixes))))
	}
	if len(i.Manifests) > 0 {
		sources = append(sources, lang.Say("that are listed in %s", anyOf(lang, texts(i.Manifests))))
	}
	for _, workflow := range i.Workflows {
		if workflow == AllWorkflows {
			sources = append(sources, lang.Say("of all workflow executions of the last 90 days"))
		} else {
			sources = append(sources, lang.Say("of the executions of workflow %s in the last 90 days", workflow))
		}
	}
	return sources
}

func (k KeepLatest) per(lang words.Lang) string {
	if k.Per == PerTag {
		return lang.Say("tag that starts with %s", k.Tag)
	}
	return lang.Say(string(k.Per))
}

// describe returns the subject of the rule's sentence, with its verb: the media to which the rule applies.
func (r *Rule) describe(lang words.Lang) string {
	var with []string
	for _, c := range r.Match.clauses() {
		with = append(with, c.says(lang))
	}
	if r.Date != "" {
		with = append(with, lang.Say("with a tag %sYYYY-MM-DD", r.Date))
	}
	if len(with) == 0 {
		return lang.Say("every medium is")
	}
	return lang.Say("media %s are", joined(lang, "%s, %s", with))
}

// joined joins texts by the format of two.
func joined(lang words.Lang, two string, list []string) string {
	all := list[0]
	for _, one := range list[1:] {
		all = lang.Say(two, all, one)
	}
	return all
}
