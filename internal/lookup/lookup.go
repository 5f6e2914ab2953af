// Package lookup looks candidates up in the media library, ten a call. It splits rejected batches,
// and returns the objects that must be looked up again with escaped slashes.
package lookup

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/mps"
)

// Library grants permits for calls at the account's pace.
type Library interface {
	Permit(ctx context.Context, op mps.Operation) (mps.Permit, error)
}

// Batch holds the candidates of one call: at most mps.MaxBatch media IDs, or as many objects whose
// URLs have one form of slash.
type Batch struct {
	Candidates []inventory.Candidate
	Region     string // of the objects
	Slash      media.Slash
}

func (b Batch) byID() bool { return len(b.Candidates) > 0 && b.Candidates[0].MediaID != "" }

// Batches groups candidates into batches of the largest size. It yields errors unchanged.
func Batches(candidates iter.Seq2[inventory.Candidate, error], region string, slash media.Slash) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		next, length := Batch{Region: region, Slash: slash}, 0
		flush := func() bool {
			full := next
			next.Candidates, length = nil, 0
			return len(full.Candidates) == 0 || yield(full, nil)
		}
		for c, err := range candidates {
			if err != nil {
				if !yield(Batch{}, err) {
					return
				}
				continue
			}
			size := 0
			if c.MediaID == "" {
				size = len(c.Object.URL(region, slash)) + len(",")
			}
			full := len(next.Candidates) == mps.MaxBatch || length+size > media.MaxURLBytes+len(",") || next.byID() != (c.MediaID != "")
			if full && !flush() {
				return
			}
			next.Candidates = append(next.Candidates, c)
			length += size
		}
		flush()
	}
}

// Found is a medium with its candidate.
type Found struct {
	Candidate inventory.Candidate
	Medium    media.Medium
}

// Answer is the answer of the library for some candidates.
type Answer struct {
	Found []Found
	// Absent are media IDs without a medium. Vacant are objects without a medium.
	Absent, Vacant []inventory.Candidate
	// Again are objects that were not found with plain slashes. The caller must look them up with
	// escaped slashes: MPS does not document which form it matches.
	Again []inventory.Candidate
	// Strays are media of other objects than those of the batch. One may belong to a vacant
	// object.
	Strays []media.Medium
	// Unasked are media with other IDs than those of the batch.
	Unasked []media.Medium
}

// ErrUnanswered is the error of candidates that no answer mentions.
var ErrUnanswered = errors.New("MPS neither returned a medium nor said that there is none")

// Result is the answer for some candidates, or their common error.
type Result struct {
	Candidates []inventory.Candidate
	Answer     Answer
	Err        error
}

// Run looks a batch up. It splits a rejected batch until the rejected candidate is alone, and looks
// unanswered candidates up once more. It starts no call after admit has ended, and finishes calls
// under ctx. Candidates whose call was not started have the error of admit.
func Run(ctx, admit context.Context, library Library, batch Batch) []Result {
	return run(ctx, admit, library, batch, false)
}

func run(ctx, admit context.Context, library Library, batch Batch, repeated bool) []Result {
	answer, rest, err := ask(ctx, admit, library, batch)
	if mps.Is(err, mps.Rejected) && len(batch.Candidates) > 1 {
		half := len(batch.Candidates) / 2
		first, second := batch, batch
		first.Candidates, second.Candidates = batch.Candidates[:half], batch.Candidates[half:]
		return append(run(ctx, admit, library, first, repeated), run(ctx, admit, library, second, repeated)...)
	}
	if err != nil {
		return []Result{{Candidates: batch.Candidates, Err: err}}
	}
	if len(rest) == 0 {
		return []Result{{Candidates: batch.Candidates, Answer: answer}}
	}
	answered := slices.DeleteFunc(slices.Clone(batch.Candidates), func(c inventory.Candidate) bool { return slices.Contains(rest, c) })
	results := []Result{{Candidates: answered, Answer: answer}}
	if repeated {
		return append(results, Result{Candidates: rest, Err: ErrUnanswered})
	}
	batch.Candidates = rest
	return append(results, run(ctx, admit, library, batch, true)...)
}

// ask sends one call. Found has only media of the candidates, each once. rest are candidates that the answer does not mention.
func ask(ctx, admit context.Context, library Library, batch Batch) (answer Answer, rest []inventory.Candidate, err error) {
	op := mps.QueryMediaListByURL
	if batch.byID() {
		op = mps.QueryMediaList
	}
	permit, err := library.Permit(admit, op)
	if err != nil {
		return Answer{}, nil, err
	}
	if batch.byID() {
		return askByID(ctx, permit, batch)
	}
	return askByURL(ctx, permit, batch)
}

func askByID(ctx context.Context, permit mps.Permit, batch Batch) (answer Answer, rest []inventory.Candidate, err error) {
	ids := make([]string, len(batch.Candidates))
	for i, c := range batch.Candidates {
		ids[i] = c.MediaID
	}
	found, err := permit.ByID(ctx, ids)
	if err != nil {
		return Answer{}, nil, err
	}
	returned := make(map[string]media.Medium, len(found.Media))
	for _, m := range found.Media {
		returned[m.ID] = m
		if !slices.Contains(ids, m.ID) && media.CheckID(m.ID) == nil {
			answer.Unasked = append(answer.Unasked, m)
		}
	}
	for _, c := range batch.Candidates {
		m, ok := returned[c.MediaID]
		switch {
		case ok:
			answer.Found = append(answer.Found, Found{c, m})
		case slices.Contains(found.Missing, c.MediaID):
			answer.Absent = append(answer.Absent, c)
		default:
			rest = append(rest, c)
		}
	}
	return answer, rest, nil
}

func askByURL(ctx context.Context, permit mps.Permit, batch Batch) (answer Answer, rest []inventory.Candidate, err error) {
	urls := make([]string, len(batch.Candidates))
	asked := make(map[media.Object]inventory.Candidate, len(batch.Candidates))
	for i, c := range batch.Candidates {
		urls[i] = c.Object.URL(batch.Region, batch.Slash)
		asked[c.Object] = c
	}
	found, err := permit.ByURL(ctx, urls)
	if err != nil {
		return Answer{}, nil, err
	}
	answer.Found = make([]Found, 0, len(found.Media))
	known := make(map[media.Object]bool, len(batch.Candidates))
	for _, m := range found.Media {
		c, ok := asked[m.Object]
		if !ok {
			answer.Strays = append(answer.Strays, m)
			continue
		}
		known[m.Object] = true
		answer.Found = append(answer.Found, Found{c, m})
	}
	missing := make(map[media.Object]bool, len(found.Missing))
	for _, address := range found.Missing {
		if object, err := media.ParseURL(address); err == nil {
			missing[object] = true
		}
	}
	for _, c := range batch.Candidates {
		if !known[c.Object] && !missing[c.Object] {
			rest = append(rest, c)
		}
	}
	if len(rest) <= len(answer.Strays) { // the strays may be their media
		rest = nil
	}
	for _, c := range batch.Candidates {
		switch {
		case known[c.Object], slices.Contains(rest, c):
		case batch.Slash == media.SlashPlain && strings.Contains(c.Object.Key, "/"):
			answer.Again = append(answer.Again, c)
		default:
			answer.Vacant = append(answer.Vacant, c)
		}
	}
	return answer, rest, nil
}
