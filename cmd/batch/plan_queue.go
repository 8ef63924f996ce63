package main

import (
	"context"
	"fmt"
	"time"

	"convbatch/jobs"
)

// queueWait is how long a plan waits for the app to be read: it is worth having
// without it.
const queueWait = 10 * time.Second

// plannedQueue is the queue in which the app's messages wait for their channel.
type plannedQueue struct {
	Size    int64   `json:"size"`
	Limit   int64   `json:"limit,omitempty"`
	Rate    float64 `json:"rate,omitempty"`     // messages a second that leave it
	DrainsS float64 `json:"drains_s,omitempty"` // seconds until it has let out what is in it and what is planned
	Error   string  `json:"error,omitempty"`    // why it is not known
}

// planQueue reads how full the app's queue is, for a job that sends.
func (r *runner) planQueue(ctx context.Context, job jobs.Job, made *plan) {
	if _, sends := job.Spec.(*jobs.BulkSend); !sends || made.Send == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queueWait)
	defer cancel()
	app, err := r.api.GetApp(ctx, job.App)
	switch {
	case err != nil:
		made.Queue = &plannedQueue{Error: err.Error()}
	case app.QueueLimit > 0: // else it is an older server, which does not say
		made.Queue = &plannedQueue{Size: app.QueueSize, Limit: app.QueueLimit, Rate: app.OutboundRate}
		if app.OutboundRate > 0 {
			made.Queue.DrainsS = float64(app.QueueSize+made.Send) / app.OutboundRate
		}
	}
}

// words is what a person is told of the queue.
func (q *plannedQueue) words() string {
	if q.Error != "" {
		return fmt.Sprintf("  the app's queue is not known: %s\n", q.Error)
	}
	text := fmt.Sprintf("  the app's queue: %s of %s places are taken", count(q.Size), count(q.Limit))
	if q.DrainsS >= 1 {
		drained := time.Duration(q.DrainsS * float64(time.Second)).Round(time.Second)
		text += fmt.Sprintf("; it lets out %g/s, so the last of these messages leaves in %s at the soonest", q.Rate, drained)
	}
	return text + "\n"
}
