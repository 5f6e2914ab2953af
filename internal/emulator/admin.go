package emulator

import (
	"encoding/json"
	"net/http"
)

// adminPath is where the emulator shows itself. No bucket can have the name,
// which has an underscore.
const adminPath = "/_emulator/"

// admin answers GET requests with JSON. It needs no signature, since it changes
// nothing and only this machine can ask.
func (e *Emulator) admin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	var answer any
	switch r.URL.Path {
	case adminPath:
		answer = e.summary()
	case adminPath + "library":
		answer = e.Media()
	case adminPath + "calls":
		answer = e.Calls()
	case adminPath + "digests":
		answer = e.Digests()
	case adminPath + "violations":
		answer = append([]string{}, e.Violations()...)
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer) // a client that went away
}

// summary counts what the other pages list.
func (e *Emulator) summary() any {
	calls := e.Count()
	e.mu.Lock()
	defer e.mu.Unlock()
	s := struct {
		Region        string
		Media         int
		Deleted       int
		Objects       map[string]int // by bucket
		Calls         map[string]int // by operation
		Violations    int
		Faults        []string
		Library       string
		CallRecord    string
		ViolationList string
	}{
		Region: e.region, Media: len(e.library.media), Objects: map[string]int{}, Calls: calls, Violations: len(e.violations),
		Faults: []string{}, Library: adminPath + "library", CallRecord: adminPath + "calls", ViolationList: adminPath + "violations",
	}
	for _, m := range e.library.media {
		if m.Deleted {
			s.Deleted++
		}
	}
	for name, b := range e.store {
		s.Objects[name] = len(b.objects)
	}
	if u := e.library.madeUp; u != nil {
		s.Media, s.Objects[InputBucket] = u.Objects, u.Objects
	}
	for _, f := range e.faults {
		s.Faults = append(s.Faults, f.String())
	}
	return s
}
