package sinks

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// cancelledFile holds the batches of a job that were taken back.
const cancelledFile = "cancelled.json"

// CancelledBatch is a batch that the API took and that was cancelled before it
// was sent: rows that it had were not sent, whatever their results say.
type CancelledBatch struct {
	ID  string    `json:"batch_id"`
	Run string    `json:"run_id"`
	At  time.Time `json:"cancelled_at"`
}

// Cancelled returns the batches of a job that were cancelled, the oldest first.
func (s *Store) Cancelled(job string) ([]CancelledBatch, error) {
	var batches []CancelledBatch
	err := readJSON(filepath.Join(s.JobDir(job), cancelledFile), &batches)
	return batches, err
}

// AddCancelled keeps that a batch was cancelled. It is on disk when this
// returns; a batch that is known already is not added again.
func (s *Store) AddCancelled(job string, batch CancelledBatch) error {
	batches, err := s.Cancelled(job)
	if err != nil || slices.ContainsFunc(batches, func(b CancelledBatch) bool { return b.ID == batch.ID }) {
		return err
	}
	data, err := json.MarshalIndent(append(batches, batch), "", "  ")
	if err == nil {
		err = writeFileSynced(filepath.Join(s.JobDir(job), cancelledFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep that batch %s was cancelled: %w", batch.ID, withAdvice(err))
	}
	return nil
}
