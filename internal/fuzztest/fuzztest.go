// Package fuzztest checks fuzz targets with many more inputs a second than go test -fuzz.
package fuzztest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// Fuzz is f.Fuzz. With MEDIASWEEP_INPUTS=n it also checks n mutations of each seed, in this process. They do not
// follow the coverage, so that they cost little more than the check itself. The same seeds give the same mutations.
// The check must not skip.
func Fuzz(f *testing.F, check any) {
	f.Helper()
	if n, _ := strconv.Atoi(os.Getenv("MEDIASWEEP_INPUTS")); n > 0 {
		check = mutated(check, n)
	}
	f.Fuzz(check)
}

// mutated returns a check of each seed and of n mutations of it.
func mutated(check any, n int) any {
	m := &mutator{random: rand.New(rand.NewPCG(1, 2))}
	call := reflect.ValueOf(check)
	return reflect.MakeFunc(call.Type(), func(args []reflect.Value) []reflect.Value {
		t := args[0].Interface().(*testing.T)
		m.learn(args[1:])
		call.Call(args)
		input, passed := slices.Clone(args), false
		defer func() { // after a panic too
			if !passed {
				for _, of := range input[1:] {
					fmt.Fprintf(os.Stderr, "%s: input %#v\n", t.Name(), of)
				}
			}
		}()
		for range n {
			for i := 1; i < len(args); i++ {
				input[i] = m.mutate(args[i])
			}
			if call.Call(input); t.Failed() {
				return nil
			}
		}
		passed = true
		return nil
	}).Interface()
}

// mutator makes inputs of seeds.
type mutator struct {
	random *rand.Rand
	pieces [][]byte // of all seeds so far
}

// tokens mean something in most formats.
var tokens = []string{
	"", "\n", "\r\n", "\x00", "\xff", "\ufeff", "\u202e", "😀", " ", `"`, `""`, `\`, `\u0000`, `\ud800`, "'", ",", ":", ";", "/", "%", "%2F", "+", "-", ".", "*", "**", "~", "#", "&",
	"{", "}", "{}", "[", "]", "[]", "null", "true", "0", "-1", "1e9", "9223372036854775807", "18446744073709551616", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
}

// mostBytes bounds a mutation, in bytes beyond twice its seed.
const mostBytes = 1 << 10

func (m *mutator) learn(seeds []reflect.Value) {
	for _, seed := range seeds {
		if seed.Kind() == reflect.String {
			m.pieces = append(m.pieces, []byte(seed.String()))
		} else if seed.Kind() == reflect.Slice {
			m.pieces = append(m.pieces, slices.Clone(seed.Bytes()))
		}
	}
}

func (m *mutator) mutate(seed reflect.Value) reflect.Value {
	mutation := reflect.New(seed.Type()).Elem()
	switch {
	case seed.Kind() == reflect.String:
		mutation.SetString(string(m.mutateBytes([]byte(seed.String()))))
	case seed.Kind() == reflect.Slice:
		mutation.SetBytes(m.mutateBytes(seed.Bytes()))
	case seed.Kind() == reflect.Bool:
		mutation.SetBool(m.random.IntN(2) == 0)
	case seed.CanUint():
		mutation.SetUint(m.random.Uint64() >> m.random.IntN(64))
	case seed.CanInt():
		mutation.SetInt(int64(m.random.Uint64()) >> m.random.IntN(64)) //nolint:gosec // any number will do
	default:
		panic("no mutation of " + seed.Type().String())
	}
	return mutation
}

// mutateBytes makes some changes. One is the most frequent.
func (m *mutator) mutateBytes(seed []byte) []byte {
	b := slices.Clone(seed)
	for more := true; more; more = m.random.IntN(2) == 0 {
		if b = m.change(b); len(b) > 2*len(seed)+mostBytes {
			b = b[:len(seed)]
		}
	}
	return b
}

func (m *mutator) change(b []byte) []byte {
	from, to := m.stretch(b)
	switch m.random.IntN(6) {
	case 0: // flip a bit
		if len(b) > 0 {
			b[m.random.IntN(len(b))] ^= 1 << m.random.IntN(8)
		}
		return b
	case 1: // delete
		return slices.Delete(b, from, to)
	case 2: // cut off
		return b[:from]
	case 3: // repeat
		return slices.Insert(b, to, slices.Clone(b[from:to])...)
	case 4: // replace
		return slices.Replace(b, from, to, []byte(tokens[m.random.IntN(len(tokens))])...)
	default: // splice
		if len(m.pieces) == 0 {
			return b
		}
		piece := m.pieces[m.random.IntN(len(m.pieces))]
		start, end := m.stretch(piece)
		return slices.Replace(b, from, to, piece[start:end]...)
	}
}

// stretch returns a random part of b. Short ones are the most frequent.
func (m *mutator) stretch(b []byte) (from, to int) {
	from = m.random.IntN(len(b) + 1)
	return from, from + m.random.IntN(len(b)-from+1)>>m.random.IntN(8)
}
