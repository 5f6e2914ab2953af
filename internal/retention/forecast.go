package retention

import (
	"slices"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// MaxForecastDays bounds a forecast: ten years.
const MaxForecastDays = 3660

// UpcomingDays is the number of days for which sweeps count what falls due.
const UpcomingDays = 90

// Forecast counts the media that fall due on each of the coming days, if only time passes: no medium is
// added, changed or deleted. Deleted media are in none of its counts. Days begin in the policy's
// timezone, and the first is today.
type Forecast struct {
	AsOf     time.Time `json:"asOf"`
	Timezone string    `json:"timezone"`
	// Overdue counts the media that a sweep may delete now. Days has the others. A medium that must be
	// announced first counts on the day on which its notice ends.
	Overdue Tally `json:"overdue"`
	Days    []Day `json:"days"`
	// Total is the sum of Overdue and Days.
	Total Tally `json:"total"`
	// Later counts the media that fall due after the last day. Never counts those that do not fall due.
	Later int `json:"later"`
	Never int `json:"never"`

	policy     *policy.Policy
	forecaster *Forecaster
	today      time.Time // the calendar day of AsOf, as DateOf has it
}

// Day is one day of a forecast.
type Day struct {
	Date string `json:"date"` // YYYY-MM-DD
	Tally
}

// Tally counts media by the rule that expires them, in the policy's order.
type Tally struct {
	Sum
	Rules []RuleSum `json:"rules"`
}

// Sum counts media. Bytes are of their inputs and Seconds of their video, where
// the record has them.
type Sum struct {
	Media   int     `json:"media"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"videoSeconds"`
}

// RuleSum is the sum of one rule.
type RuleSum struct {
	Name string `json:"name"`
	Sum
}

// NewForecast starts a forecast of 1 to MaxForecastDays days.
func NewForecast(p *policy.Policy, asOf time.Time, days int, mark func(*media.Medium) Mark) *Forecast {
	f := &Forecast{AsOf: asOf, Timezone: p.Timezone.String(), Days: make([]Day, days), policy: p, forecaster: NewForecaster(p, asOf, mark), today: DateOf(asOf, p.Timezone)}
	f.Overdue.Rules, f.Total.Rules = []RuleSum{}, []RuleSum{}
	for i := range f.Days {
		f.Days[i] = Day{Date: f.today.AddDate(0, 0, i).Format(time.DateOnly), Tally: Tally{Rules: []RuleSum{}}}
	}
	return f
}

// Rank takes each medium once, before the first Add.
func (f *Forecast) Rank(m media.Medium) { f.forecaster.Rank(&m) }

// Add counts a medium that has been announced since a time; zero for none.
func (f *Forecast) Add(m media.Medium, announced time.Time) {
	c := NewCase(f.policy, &m)
	facts := f.forecaster.factsOf(c)
	facts.Announced = announced
	d := c.Decide(facts)
	if d.Verdict == Absent {
		return
	}
	due, then, ok := c.Due(facts)
	if !ok {
		f.Never++
		return
	}
	tally := &f.Overdue
	if goes := Goes(f.policy, facts, due); d.Verdict != Expired || goes.After(f.AsOf) {
		day := DaysAfter(f.today, goes, f.policy.Timezone)
		if day >= len(f.Days) {
			f.Later++
			return
		}
		tally = &f.Days[day].Tally
	}
	for _, t := range []*Tally{tally, &f.Total} {
		t.add(&m, then.RuleName())
	}
}

// Finish ends the forecast after the last medium.
func (f *Forecast) Finish() {
	place := func(r RuleSum) int {
		return slices.IndexFunc(f.policy.Expire, func(rule policy.Rule) bool { return rule.Name == r.Name })
	}
	inOrder := func(a, b RuleSum) int { return place(a) - place(b) }
	slices.SortFunc(f.Overdue.Rules, inOrder)
	slices.SortFunc(f.Total.Rules, inOrder)
	for i := range f.Days {
		slices.SortFunc(f.Days[i].Rules, inOrder)
	}
}

// DaysAfter returns how many calendar days after today, as DateOf has it, an instant lies.
func DaysAfter(today, instant time.Time, zone *time.Location) int {
	return int(DateOf(instant, zone).Sub(today) / (24 * time.Hour))
}

// DateOf returns an instant's calendar day in a zone, as its midnight in UTC: clocks
// of the zone may skip theirs.
func DateOf(instant time.Time, zone *time.Location) time.Time {
	year, month, day := instant.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// StartOf returns the first instant of a calendar day in a zone, whose clocks may skip midnight or show it twice.
func StartOf(day time.Time, zone *time.Location) time.Time {
	const change = 3 * time.Hour // clocks change by less, at quarters of an hour
	at := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone).Add(-change)
	for DateOf(at, zone).Before(day) {
		at = at.Add(15 * time.Minute)
	}
	return at
}

func (t *Tally) add(m *media.Medium, rule string) {
	t.Sum.add(m)
	at := slices.IndexFunc(t.Rules, func(r RuleSum) bool { return r.Name == rule })
	if at < 0 {
		at = len(t.Rules)
		t.Rules = append(t.Rules, RuleSum{Name: rule})
	}
	t.Rules[at].add(m)
}

func (s *Sum) add(m *media.Medium) {
	s.Media++
	s.Bytes += m.Size.Value
	s.Seconds += m.Duration.Value.Seconds()
}
