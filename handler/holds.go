package handler

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mediasweep/mediasweep/internal/state"
	"github.com/mediasweep/mediasweep/internal/text"
	"github.com/mediasweep/mediasweep/internal/trigger"
)

func (f *Function) getHolds(w http.ResponseWriter, r *http.Request) {
	holds, skipped, err := f.Holds(r.Context(), CallOf(r))
	writeList(w, "hold", holds, skipped, err)
}

// postHold places a hold. notesHeader says what the caller may not expect.
func (f *Function) postHold(w http.ResponseWriter, r *http.Request) {
	body, err := trigger.Read(r.Body)
	var request trigger.HoldRequest
	if err == nil {
		request, err = trigger.ParseHold(body)
	}
	if err != nil {
		writeFailure(w, http.StatusBadRequest, err.Error())
		return
	}
	hold, err := f.Hold(r.Context(), CallOf(r), request)
	if err != nil {
		writeError(w, "hold", "", err)
		return
	}
	noteSkipped(w, f.HoldNotes(r.Context(), CallOf(r), hold))
	writeJSON(w, http.StatusCreated, hold)
}

func (f *Function) deleteHold(w http.ResponseWriter, r *http.Request) {
	hold, err := f.Release(r.Context(), CallOf(r), r.PathValue("id"))
	if errors.Is(err, state.ErrNotFound) {
		writeFailure(w, http.StatusNotFound, fmt.Sprintf("hold %s is not in force: GET /v1/holds lists those that are", text.Quote(r.PathValue("id"))))
		return
	}
	if err != nil {
		writeError(w, "hold", r.PathValue("id"), err)
		return
	}
	writeJSON(w, http.StatusOK, hold)
}
