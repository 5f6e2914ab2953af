package report

import "github.com/mediasweep/mediasweep/internal/retention"

// Forecast is a forecast with how far the look went that it rests on: a part of the
// inventory gives a part of a forecast.
type Forecast struct {
	*retention.Forecast
	Status   Status    `json:"status"`
	Error    string    `json:"error,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
	Failures []Failure `json:"failures,omitempty"`
}

// NewForecast returns a forecast that rests on a report's look.
func NewForecast(f *retention.Forecast, r *Report) Forecast {
	return Forecast{f, r.Status, r.Error, r.Notes, r.Failures}
}
