package service

import (
	"context"

	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Run returns the latest report of a run, or an error with state.ErrNotFound.
func (s *Service) Run(ctx context.Context, call Call, id string) (*report.Report, error) {
	if s.broken != nil {
		return nil, refusedError{s.broken}
	}
	return journal.ReadReport(ctx, s.store(call), id)
}

// Runs returns the reports of the latest runs, newest first, and the records that it skipped.
func (s *Service) Runs(ctx context.Context, call Call) (list []*report.Report, skipped []string, err error) {
	if s.broken != nil {
		return nil, nil, refusedError{s.broken}
	}
	list, unread, err := journal.LatestReports(ctx, s.store(call))
	return list, s.noteSkipped(unread), err
}

// noteSkipped logs the records that a list lacks, and returns its notes.
func (s *Service) noteSkipped(records []journal.Skipped) []string {
	var notes []string
	for _, one := range records {
		s.log.Warn("record skipped", "record", one.Record, "error", one.Problem)
		notes = append(notes, one.String())
	}
	return text.First(notes, "records skipped")
}
