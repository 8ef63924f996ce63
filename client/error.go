package client

import (
	"fmt"
	"strings"
)

// Intent says what an error means for the row.
type Intent int

// The intents of an error.
const (
	// Failed: the API said no, or the attempts ran out. It certainly had no
	// effect, unless it is a write that can be repeated without harm (an
	// Operation that is Idempotent): then its message says that it may have.
	Failed Intent = iota
	// InDoubt: it may have had an effect and must not be repeated blindly.
	InDoubt
	// Fatal: no other call would fare better; end the run. The row itself had
	// no effect and may be tried by the next run.
	Fatal
	// NotSent: the run is stopping. The call was not sent, or was one that may
	// be repeated without harm; the row is not settled.
	NotSent
)

// String is the name of the intent.
func (i Intent) String() string {
	switch i {
	case Failed:
		return "failed"
	case InDoubt:
		return "in doubt"
	case Fatal:
		return "fatal"
	case NotSent:
		return "not sent"
	}
	return fmt.Sprintf("intent %d", int(i))
}

// Error is the only kind of error that calls return. Its text is one line for
// a person, without secrets and without numbers that could be a phone's.
type Error struct {
	Operation  string   // the operationId
	Status     int      // of the last answer; 0 when there was none
	Code       string   // the API's word for it, for example INVALID_ARGUMENT
	Message    string   // the API's message, or what went wrong on the way
	Violations []string // "field: what is wrong with it"
	Attempts   int      // calls that cost an attempt
	Intent     Intent
	Unsure     bool  // an attempt got no answer, or none that says whether it had its effect
	Err        error // the cause, where it was not an answer
}

// Error is the operation, what was answered, and how often it was tried.
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.Operation)
	if e.Status != 0 {
		fmt.Fprintf(&s, ": %d", e.Status)
	}
	if e.Code != "" {
		s.WriteString(" " + e.Code)
	}
	s.WriteString(": " + e.Message)
	if len(e.Violations) > 0 {
		fmt.Fprintf(&s, " (%s)", strings.Join(e.Violations, "; "))
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&s, ", after %d attempts", e.Attempts)
	}
	return s.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
