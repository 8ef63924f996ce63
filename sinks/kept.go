package sinks

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
)

// keptFile says what the latest run of a job keeps of the columns of datasets.
const keptFile = "kept.json"

// KeptColumns is what a job keeps of the columns of its datasets. Secret tells the keys
// of hashes apart; it is no key.
type KeptColumns struct {
	Without []string `json:"without,omitempty"` // columns that are not written
	Hashed  []string `json:"hashed,omitempty"`  // columns whose texts are replaced by their hash
	Secret  string   `json:"secret_check,omitempty"`
}

// Equal says that both keep the same.
func (k KeptColumns) Equal(other KeptColumns) bool {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return same(k.Without, other.Without) && same(k.Hashed, other.Hashed) && k.Secret == other.Secret
}

// KeptColumns returns what the latest run of a job keeps: everything, as it comes, where
// nothing else was said.
func (s *Store) KeptColumns(job string) (kept KeptColumns, err error) {
	err = readJSON(filepath.Join(s.JobDir(job), keptFile), &kept)
	return kept, err
}

// SetKeptColumns says what a run of a job keeps, on disk when it returns.
func (s *Store) SetKeptColumns(job string, kept KeptColumns) error {
	if before, err := s.KeptColumns(job); err != nil || before.Equal(kept) {
		return err
	}
	data, err := json.MarshalIndent(kept, "", "  ")
	if err == nil {
		err = writeFileSynced(filepath.Join(s.JobDir(job), keptFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep what job %s leaves out: %w", job, withAdvice(err))
	}
	return nil
}
