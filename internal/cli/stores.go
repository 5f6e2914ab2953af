package cli

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

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
var regional = regexp.MustCompile(`^([a-z0-9-]+)=((?:oss|file)://.*)$`)

// addStates replaces the flag --state of every command by one that can be repeated.
func addStates(cmd *cobra.Command) *[]string {
	return cmd.Flags().StringArray("state", nil, "where the state is: oss://bucket/prefix/ or file:///folder, after REGION= if it is in another region; can be repeated ($MEDIASWEEP_STATE)")
}

// stores returns the deployments that --state names, or that of the environment. policies has the values
// of --policy: none, one for all, or one for each.
func (c *Command) stores(places, policies []string) ([]store, error) {
	if len(policies) > 1 && len(policies) != len(places) {
		return nil, exitError{exitUsage, fmt.Errorf("%d times --policy and %d times --state: give one policy for all, or one for each in the same order", len(policies), len(places))}
	}
	for _, s := range settings {
		if slices.Contains(map[string][]string{"state": places, "policy": policies}[s.flag], "") {
			return nil, exitError{exitUsage, fmt.Errorf("--%s is empty: name %s", s.flag, s.usage)}
		}
	}
	if len(places) == 0 {
		places = []string{""}
	}
	var list []store
	seen := map[string]bool{}
	for i, place := range places {
		given := map[string]string{}
		if len(policies) > 0 {
			given["MEDIASWEEP_POLICY"] = policies[min(i, len(policies)-1)]
		}
		if place != "" {
			given["MEDIASWEEP_STATE"] = place
			if found := regional.FindStringSubmatch(place); found != nil {
				given["MEDIASWEEP_REGION"], given["MEDIASWEEP_STATE"] = found[1], found[2]
			}
		}
		own := *c
		own.Getenv = overlay(c.Getenv, given)
		one := store{command: &own}
		if len(places) > 1 {
			location, err := state.ParseLocation(given["MEDIASWEEP_STATE"], c.Getenv)
			if err != nil {
				return nil, exitError{exitUsage, fmt.Errorf("--state %d: %w", i+1, err)}
			}
			one.place = location.String()
			if seen[one.place] {
				return nil, exitError{exitUsage, fmt.Errorf("--state names %s twice", text.Line(one.place))}
			}
			seen[one.place] = true
		}
		list = append(list, one)
	}
	return list, nil
}
