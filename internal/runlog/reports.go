// Package runlog stores what runs report to people. It has their reports, and the log by which they are listed and
// totalled; failures for which a report has no room, and results of restores. It knows which digests were sent. Nothing is deleted because of it: a lost or damaged record is listed as skipped.
package runlog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mediasweep/mediasweep/internal/report"
	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
)

// reportFolder holds the reports of runs: one for each time that a run's request came.
const reportFolder = "runs/"

const reportSuffix = ".json"

func reportName(run string, number int) string {
	return fmt.Sprintf("%s%s/%06d%s", reportFolder, state.SafeName(run), number, reportSuffix)
}

// reportRecord is a saved report. The answer of a run lacks its ledger and its request's digest.
type reportRecord struct {
	Format int            `json:"format"`
	Report *report.Report `json:"report"`
	Ledger string         `json:"ledger,omitempty"`
	Asked  string         `json:"asked,omitempty"`
}

// reportFormat is the version of reportRecord. A reader refuses others.
const reportFormat = 1

// maxReport bounds the record of a report in bytes. A report has at most a hundred failures of
// some two kilobytes each.
const maxReport = 4 << 20

// Save saves a report after the earlier ones of its run.
func Save(ctx context.Context, store state.Store, r *report.Report) error {
	return saveReport(ctx, store, r, func(number int) string { return reportName(r.Run, number) })
}

// SaveFirst saves the report of a run that looked at nothing, unless the run has another one.
func SaveFirst(ctx context.Context, store state.Store, r *report.Report) error {
	if err := saveReport(ctx, store, r, func(int) string { return reportName(r.Run, 1) }); !errors.Is(err, state.ErrExists) {
		return err
	}
	return nil
}

// Log adds a report to the log, from which runs are listed and deletions are totalled.
func Log(ctx context.Context, store state.Store, r *report.Report) error {
	return saveReport(ctx, store, r, func(number int) string { return logName(r, number) })
}

// saveReport creates a record under the first name that is free. It ends when a name repeats.
func saveReport(ctx context.Context, store state.Store, r *report.Report, nameOf func(number int) string) error {
	record, err := json.Marshal(reportRecord{reportFormat, r, r.Ledger, r.Asked})
	if err == nil && len(record) > maxReport {
		err = fmt.Errorf("it has %d bytes, and the limit is %d", len(record), maxReport)
	}
	if err == nil {
		err = state.ErrExists
	}
	last := ""
	for number := 1; errors.Is(err, state.ErrExists) && nameOf(number) != last; number++ {
		last = nameOf(number)
		err = store.Create(ctx, last, record)
	}
	if err != nil {
		return fmt.Errorf("save the report of run %s: %w", text.Quote(r.Run), err)
	}
	return nil
}

// Read returns the latest report of a run, or an error with state.ErrNotFound.
func Read(ctx context.Context, store state.Store, run string) (*report.Report, error) {
	var latest []byte
	for number := 1; ; number++ {
		data, err := store.Read(ctx, reportName(run, number))
		if errors.Is(err, state.ErrNotFound) && latest != nil {
			return decodeReport(run, latest)
		}
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", text.Quote(run), err)
		}
		latest = data
	}
}

func decodeReport(run string, data []byte) (*report.Report, error) {
	var record reportRecord
	err := state.Decode(data, maxReport, &record)
	switch {
	case err != nil:
	case record.Format != reportFormat:
		err = text.OtherFormat(record.Format, reportFormat)
	case record.Report == nil:
		err = errors.New("it has no report")
	}
	if err != nil {
		return nil, fmt.Errorf("report of run %s: %w: %w", text.Quote(run), state.ErrDamaged, err)
	}
	r := record.Report
	r.Ledger, r.Asked = record.Ledger, record.Asked
	if r.Sources == nil { // as earlier versions wrote it
		r.Sources = []report.Source{}
	}
	if r.Notes == nil {
		r.Notes = []string{}
	}
	return r, nil
}

// ClaimDigest records that the digest about a status of a run is about to be sent. It returns false if
// an earlier call did so: that one may have sent the digest. Each claim is unique, because two records
// of the same content would count as one.
func ClaimDigest(ctx context.Context, store state.Store, run string, status report.Status) (bool, error) {
	err := state.CreateJSON(ctx, store, fmt.Sprintf("digests/%s/%s.json", state.SafeName(run), state.SafeName(string(status))), struct {
		Format int    `json:"format"`
		Claim  string `json:"claim"`
	}{1, rand.Text()})
	if errors.Is(err, state.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record the digest of run %s: %w", text.Quote(run), err)
	}
	return true, nil
}
