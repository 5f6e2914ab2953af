package cli

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// store is one deployment of several, by its state store.
type store struct {
	// place names the store for people. It is empty for the only one.
	place string
	// command has the environment of the deployment.
	command *Command
}

// of says which store notes are about, if there are several.
func (s store) of(notes ...string) []string {
	for i, note := range notes {
		if s.place != "" {
			notes[i] = text.Line(s.place) + ": " + note
		}
	}
	return notes
}

// regional is the value of --state with a region.
var regional = regexp.MustCompile(`^([^=:/]*)=((?:oss|file)://.*)$`)

// addStates replaces the flag --state of every command by one that can be repeated.
func addStates(cmd *cobra.Command) *[]string {
	return cmd.Flags().StringArray("state", nil, "where the state is: oss://bucket/prefix/ or file:///folder, after REGION= if it is in another region; can be repeated ($MEDIASWEEP_STATE)")
}

// stores returns the deployments that --state names, or that of the environment. policies has the values
// of --policy: none, or one for each.
func (c *Command) stores(places, policies []string) ([]store, error) {
	if len(places) == 0 {
		places = []string{""}
	}
	var list []store
	seen := map[string]bool{}
	for i, place := range places {
		given := map[string]string{}
		if len(policies) > 0 {
			given["MEDIASWEEP_POLICY"] = policies[i]
		}
		one := store{}
		if place != "" {
			name := "--state"
			if len(places) > 1 {
				name = fmt.Sprintf("--state %d", i+1)
			}
			location, err := placeOf(place, given, c.Getenv)
			if err != nil {
				return nil, exitError{exitUsage, fmt.Errorf("%s: %w", name, err)}
			}
			if seen[location] {
				return nil, exitError{exitUsage, fmt.Errorf("--state names %s twice", text.Line(location))}
			}
			seen[location] = true
			if len(places) > 1 {
				one.place = location
			}
		}
		own := *c
		own.Getenv = overlay(c.Getenv, given)
		one.command = &own
		list = append(list, one)
	}
	return list, nil
}

// placeOf sets the variables that a value of --state stands for, and returns the place of the state. Its
// errors do not quote the value, which may be a misplaced secret.
func placeOf(place string, given map[string]string, getenv func(string) string) (string, error) {
	if found := regional.FindStringSubmatch(place); found != nil {
		if !account.IsRegion(found[1]) {
			return "", errors.New("what stands before = is not a region ID such as cn-shanghai")
		}
		given["MEDIASWEEP_REGION"], place = found[1], found[2]
	}
	given["MEDIASWEEP_STATE"] = place
	location, err := state.ParseLocation(place, getenv)
	return location.String(), err
}
