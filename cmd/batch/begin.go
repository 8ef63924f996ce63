package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

// manyRows is from where on the taking down of an input takes much memory.
const manyRows = 100_000

// begin begins a new run.
func (j *jobRun) begin() error {
	j.run = sinks.Run{
		Job: j.job.Name, ID: ulid.Make().String(), Kind: j.job.Kind,
		State: sinks.Running, StartedAt: j.p.now().UTC(),
	}
	j.env.RunID = j.run.ID
	// A key is only known to be done by results that are in their place.
	err := j.ledger.PutAway(j.stops.hard)
	var items []pipeline.Item
	if err == nil {
		items, err = j.cover()
	}
	if err == nil {
		err = j.keepAsBefore()
	}
	if err == nil {
		err = j.ledger.Begin(j.stops.hard, j.run, items)
	}
	if err != nil {
		if now, errLast := j.ledger.Last(j.stops.hard); errLast == nil && (now == nil || now.ID != j.run.ID) {
			j.dropInputs(func(name string) bool { return strings.HasPrefix(name, j.run.ID) }) // no run needs it
		}
		return err
	}
	if j.run.Rows > manyRows {
		debug.FreeOSMemory() // what the taking down took is not needed again
	}
	// Those of runs before were needed until this one began.
	j.dropInputs(func(name string) bool { return !strings.HasPrefix(name, j.run.ID) })
	j.position = sinks.Position{Items: items, NextSeq: max(j.run.Rows, int64(len(items)))}
	return j.ready()
}

// cover finds out what the new run covers: the rows of an input, which it takes
// down, or the windows of a listing, which it returns. The run that the new one
// takes the place of is given up once nothing can be wrong with that any more.
func (j *jobRun) cover() ([]pipeline.Item, error) {
	switch spec := j.job.Spec.(type) {
	case jobs.Pusher:
		return nil, j.takeDown(spec)
	case jobs.Puller:
		runs, err := j.ledger.Runs(j.stops.hard)
		if err != nil {
			return nil, err
		}
		b, err := spec.Begin(j.stops.soft, j.env, lastCompleted(runs, j.job.Kind))
		if err != nil {
			return nil, err
		}
		j.run.Data, j.run.Rows, j.run.Request = b.Data, int64(len(b.Items)), spec.Digest(j.env)
		return b.Items, j.giveUp()
	}
	return nil, fmt.Errorf("kind %s neither pushes nor pulls", j.job.Kind)
}

// lastCompleted is what the last completed run of a kind left to the next.
func lastCompleted(runs []sinks.Run, kind string) json.RawMessage {
	for _, run := range slices.Backward(runs) {
		if run.State == sinks.Completed && run.Kind == kind {
			return run.Data
		}
	}
	return nil
}

// takeDown copies the input into the store and decides what can be decided
// before anything is sent.
func (j *jobRun) takeDown(spec jobs.Pusher) error {
	dir := filepath.Join(j.store.JobDir(j.job.Name), "input")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make room for the input: %w", err)
	}
	o := takeDownOptions{
		spec: spec, env: j.env, dir: j.file.Dir, store: j.store, job: j.job.Name, into: dir, name: j.run.ID, part: j.asks.part,
	}
	if j.again != nil {
		j.ofRetry(&o)
	}
	taken, err := copyRows(j.stops.soft, o)
	if err == nil {
		err = j.giveUp()
	}
	if err == nil {
		err = taken.decide(j.stops.soft)
	}
	if err != nil {
		return err
	}
	j.run.Input = filepath.Join("input", filepath.Base(taken.input))
	j.run.Fates = filepath.Join("input", filepath.Base(taken.fates))
	j.run.Fingerprint, j.run.Rows, j.run.Request = taken.intake.Fingerprint, taken.intake.Rows, spec.Digest()
	return nil
}

// dropInputs removes inputs that were taken down; they are people's data. What
// can not be removed now is removed when the next run begins.
func (j *jobRun) dropInputs(drop func(name string) bool) {
	dir := filepath.Join(j.store.JobDir(j.job.Name), "input")
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if drop(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		j.log.Warn("inputs that are not needed can not be removed", "job", j.job.Name, "error", err)
	}
}
