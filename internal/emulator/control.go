package emulator

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Summary is what GET /_emulator/requests answers.
type Summary struct {
	Count       int                       `json:"count"`         // calls to the API, without those for a token
	Tokens      int                       `json:"tokens"`        // calls for a token
	Connections int                       `json:"connections"`   // opened since the start
	Answered    map[string]map[string]int `json:"answered"`      // operation → status → calls
	MaxInSecond int                       `json:"max_in_second"` // in any sliding second
	Mean        float64                   `json:"mean"`          // calls a second from the first to the last
	First       *time.Time                `json:"first,omitempty"`
	Last        *time.Time                `json:"last,omitempty"`
	Accepted    int                       `json:"accepted"`  // lines in the ledger
	Callbacks   map[string]int            `json:"callbacks"` // requests whose outcome comes as a callback, by trigger
}

// controlRoutes are what tests of another process ask: not part of the API,
// without a key, and out of reach of faults, limits and counters.
func (e *Emulator) controlRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_emulator/info", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, e.Info("http://"+r.Host))
	})
	mux.HandleFunc("GET /_emulator/accepted", e.controlAccepted)
	mux.HandleFunc("GET /_emulator/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, e.Summary()) })
	mux.HandleFunc("GET /_emulator/messages", e.controlMessages)
	mux.HandleFunc("POST /_emulator/messages", e.controlArrive)
	mux.HandleFunc("GET /_emulator/callbacks", e.controlCallbacks)
	mux.HandleFunc("PUT /_emulator/faults", e.controlFaults)
	mux.HandleFunc("POST /_emulator/reset-counters", func(w http.ResponseWriter, _ *http.Request) {
		e.ResetCounters()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// Summary counts the requests so far.
func (e *Emulator) Summary() Summary {
	calls := e.Requests()
	s := Summary{
		Count: len(calls), Tokens: e.TokenRequests(), Connections: e.Connections(), Accepted: e.AcceptedCount(),
		Callbacks:   e.Callbacks(),
		Answered:    make(map[string]map[string]int),
		MaxInSecond: calls.MaxInWindow(time.Second), Mean: calls.Mean(),
	}
	for _, c := range calls {
		if s.Answered[c.Operation] == nil {
			s.Answered[c.Operation] = make(map[string]int)
		}
		s.Answered[c.Operation][strconv.Itoa(c.Status)]++
	}
	if len(calls) > 0 {
		s.First, s.Last = &calls[0].Time, &calls[len(calls)-1].Time
	}
	return s
}

// controlAccepted answers the ledger, a line of JSON for each call.
func (e *Emulator) controlAccepted(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(w)
	for x := range e.accepted().from(0) {
		if lines.Encode(e.readEntry(x)) != nil {
			return // the reader is gone
		}
	}
}

// controlMessages answers what is stored: a line of JSON for each message
// with the SHA-256 of its bytes. With raw=1 the bytes themselves, each message
// with its length before it, since messages have line breaks of their own.
func (e *Emulator) controlMessages(w http.ResponseWriter, r *http.Request) {
	out := bufio.NewWriterSize(w, 1<<16)
	defer func() { _ = out.Flush() }()
	raw := r.URL.Query().Get("raw") == "1"
	for m := range e.Messages() {
		var line []byte
		if raw {
			line = append(strconv.AppendInt(nil, int64(len(m.Body)), 10), '\n')
			line = append(append(line, m.Body...), '\n')
		} else {
			sum := sha256.Sum256(m.Body)
			line = append(line, `{"id":"`+m.ID+`","sha256":"`+hex.EncodeToString(sum[:])+`","bytes":`...)
			line = append(strconv.AppendInt(line, int64(len(m.Body)), 10), `,"source":"`+m.Source+`","accept_time":"`...)
			line = append(m.AcceptTime.AppendFormat(line, time.RFC3339Nano), "\"}\n"...)
		}
		if _, err := out.Write(line); err != nil {
			return // the reader is gone
		}
	}
}

// controlArrive lets n messages arrive, now or at the time given as at.
func (e *Emulator) controlArrive(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 1 {
		http.Error(w, "n must be a number of messages", http.StatusBadRequest)
		return
	}
	at := e.options.Now()
	if given := r.URL.Query().Get("at"); given != "" {
		if at, err = time.Parse(time.RFC3339Nano, given); err != nil {
			http.Error(w, "at must be a time such as 2006-01-02T15:04:05Z", http.StatusBadRequest)
			return
		}
	}
	e.AddMessages(n, at)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Emulator) controlFaults(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	if err == nil {
		var faults []Fault
		if faults, err = ParseFaults(text); err == nil {
			err = e.SetFaults(faults)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader may be gone
}
