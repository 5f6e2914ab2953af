package cli

import (
	"fmt"

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
