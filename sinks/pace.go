package sinks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const paceDir = "pace"

// Samples are taken every second at first. Whenever there are paceSamples more,
// the time between two doubles: an hour has some 1,400 of them, a month 4,000.
const (
	paceFirst   = time.Second
	paceSamples = 300
)

// Pace is how a run went between two samples of the same process: what was
// counted in that time, and how it stood at its end.
type Pace struct {
	At      time.Time `json:"at"`      // the end, UTC
	Seconds float64   `json:"seconds"` // how long it was

	Rows      int64   `json:"rows"` // settled, in any state
	Records   int64   `json:"records"`
	Requests  int64   `json:"requests"`
	Retries   int64   `json:"retries"`
	Throttled int64   `json:"throttled"`
	Calls     int64   `json:"calls"`      // that ended, with an answer or without
	LatencyMS float64 `json:"latency_ms"` // their mean, in milliseconds; 0 when there were none

	InFlight int64   `json:"in_flight"` // calls on the wire at its end
	Limit    float64 `json:"limit"`     // requests a second that are allowed; 0 is unlimited
}

// PaceLog is the file that the samples of one run are appended to, one JSON
// object a line. A sample waits for no disk: it outlives the process, and not
// always the machine, for it says how the run went and not what became of it.
type PaceLog struct {
	file    *os.File
	samples int
}

// Pace opens the samples of a run to add to them. A run that is resumed goes on
// in its file.
func (l *Ledger) Pace(run string) (*PaceLog, error) {
	p, err := l.openPace(run)
	if err != nil {
		return nil, fmt.Errorf("keep the pace of run %s: %w", run, withAdvice(err))
	}
	return p, nil
}

func (l *Ledger) openPace(run string) (*PaceLog, error) {
	if err := checkName("the run's id", run); err != nil {
		return nil, err
	}
	path := l.store.pacePath(l.job, run)
	if err := mkdirSynced(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	before, err := io.ReadAll(f)
	if err == nil && len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		_, err = f.WriteString("\n") // a process died while it wrote: what it began stays a line of its own
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &PaceLog{file: f, samples: bytes.Count(before, []byte("\n"))}, nil
}

// Every is how long to wait between the sample before and the next.
func (p *PaceLog) Every() time.Duration { return paceFirst << min(p.samples/paceSamples, 20) }

// Add appends a sample.
func (p *PaceLog) Add(sample Pace) error {
	line, err := json.Marshal(sample)
	if err == nil {
		_, err = p.file.Write(append(line, '\n')) // whole, in one call
	}
	if err != nil {
		return fmt.Errorf("keep the pace: %w", withAdvice(err))
	}
	p.samples++
	return nil
}

// Close puts the samples on disk.
func (p *PaceLog) Close() error {
	if err := errors.Join(p.file.Sync(), p.file.Close()); err != nil {
		return fmt.Errorf("keep the pace: %w", withAdvice(err))
	}
	return nil
}

// Pace returns the samples of a run, the oldest first; none of a run that has
// kept none. What is left of a line that was not written to its end is passed over.
func (s *Store) Pace(job, run string) ([]Pace, error) {
	text, err := os.ReadFile(s.pacePath(job, run))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pace of run %s: %w", run, err)
	}
	var samples []Pace
	for line := range bytes.Lines(text) {
		var sample Pace
		if json.Unmarshal(line, &sample) == nil {
			samples = append(samples, sample)
		}
	}
	return samples, nil
}

func (s *Store) pacePath(job, run string) string {
	return filepath.Join(s.JobDir(job), paceDir, run+".jsonl")
}
