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

func (d decimal[T]) Set(s string) error {
	number, err := text.Decimal(s)
	if err == nil {
		*d.number = T(number)
	}
	return err
}

func (d decimal[T]) String() string { return fmt.Sprint(*d.number) }

func (decimal[T]) Type() string { return "int" }

// duration is a flag for a plain duration: pflag's own takes a negative one.
type duration struct{ *time.Duration }

func (d duration) Set(s string) (err error) {
	*d.Duration, err = text.Duration(s)
	return err
}

func (d duration) String() string {
	if d.Duration == nil || *d.Duration == 0 {
		return ""
	}
	return d.Duration.String()
}

func (duration) Type() string { return "duration" }

// choice is a flag for one of several texts, or for its default.
type choice[T ~string] struct {
	text    *T
	initial T
	allowed []T
}

func newChoice[T ~string](text *T, allowed ...T) choice[T] { return choice[T]{text, *text, allowed} }

func (c choice[T]) Set(s string) error {
	if T(s) != c.initial && !slices.Contains(c.allowed, T(s)) {
		return fmt.Errorf("it is none of %s", strings.Join(c.texts(), ", "))
	}
	*c.text = T(s)
	return nil
}

func (c choice[T]) String() string { return string(*c.text) }

func (choice[T]) Type() string { return "string" }

func (c choice[T]) texts() []string { return text.Strings(c.allowed) }
