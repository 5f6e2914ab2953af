package policy

import (
	"fmt"
	"strings"

	"github.com/mediasweep/mediasweep/internal/text"
)

// Error is a mistake with its place.
type Error struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1
	Message string `json:"message"`
}

func (e Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Errors are all mistakes of a policy, in the order of their places.
type Errors []Error

func (e Errors) Error() string {
	var lines []string
	for _, mistake := range e[:min(len(e), text.MaxListed)] {
		lines = append(lines, mistake.Error())
	}
	if more := len(e) - text.MaxListed; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d more mistakes", e[0].File, more))
	}
	return strings.Join(lines, "\n")
}

// TooLarge returns the error of a policy of some length, in bytes.
func TooLarge(file string, bytes int64) Errors {
	return Errors{{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("the policy has %d bytes, the limit is %d: shorten its lists", bytes, MaxBytes)}}
}
