package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/text"
)

// decimal is a flag for a plain decimal number: pflag's own take 010 for eight.
type decimal[T int | uint64] struct{ number *T }

func newDecimal[T int | uint64](number *T, byDefault T) decimal[T] {
	*number = byDefault
	return decimal[T]{number}
}

// Set reads the number.
func (d decimal[T]) Set(s string) error {
	number, err := text.Decimal(s)
	if err == nil {
		*d.number = T(number)
	}
	return err
}

// String returns the number as help texts show it.
func (d decimal[T]) String() string { return fmt.Sprint(*d.number) }

// Type names the flag's value in help texts.
func (decimal[T]) Type() string { return "int" }

// duration is a flag for a plain duration: pflag's own takes a negative one.
type duration struct{ *time.Duration }

// Set reads the duration.
func (d duration) Set(s string) (err error) {
	*d.Duration, err = text.Duration(s)
	return err
}

// String returns the duration as help texts show it.
func (d duration) String() string {
	if d.Duration == nil || *d.Duration == 0 {
		return ""
	}
	return d.Duration.String()
}

// Type names the flag's value in help texts.
func (duration) Type() string { return "duration" }

// choice is a flag for one of several texts, or for its default.
type choice[T ~string] struct {
	text    *T
	initial T
	allowed []T
}

func newChoice[T ~string](text *T, allowed ...T) choice[T] { return choice[T]{text, *text, allowed} }

// Set takes an allowed text.
func (c choice[T]) Set(s string) error {
	if T(s) != c.initial && !slices.Contains(c.allowed, T(s)) {
		return fmt.Errorf("it is none of %s", strings.Join(c.texts(), ", "))
	}
	*c.text = T(s)
	return nil
}

// String returns the text as help texts show it.
func (c choice[T]) String() string { return string(*c.text) }

// Type names the flag's value in help texts.
func (choice[T]) Type() string { return "string" }

func (c choice[T]) texts() []string {
	list := make([]string, len(c.allowed))
	for i, one := range c.allowed {
		list[i] = string(one)
	}
	return list
}
