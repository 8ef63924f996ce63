package jobs

import (
	"errors"

	"convbatch/pipeline"
	"convbatch/sources"
)

// Unsent is the error of a row for which no call is made, though nothing is
// wrong with the row itself.
type Unsent struct {
	State  pipeline.State // Skipped or Suppressed, or Failed where it is known that a call would be in vain
	Reason string
}

// Error is the reason.
func (u *Unsent) Error() string { return u.Reason }

// unsent is the outcome of a row whose call can not be made, or need not be.
// What may have been sent before is neither invalid nor suppressed.
func unsent(item pipeline.Item, row sources.Row, err error) pipeline.Outcome {
	var u *Unsent
	switch {
	case item.Doubt != nil:
		return held(*item.Doubt, errors.New("it was not repeated, and now it would not be sent: "+err.Error()))
	case errors.As(err, &u):
		return pipeline.Outcome{State: u.State, Error: u.Reason}
	}
	return pipeline.Outcome{State: pipeline.Invalid, Error: at(row, err.Error())}
}
