package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/jobs"
	"convbatch/pipeline"
)

// segments counts the commits that bring records, each of which makes a file.
type segments struct{ files, records int }

func (s *segments) Commit(_ context.Context, c pipeline.Commit) error {
	n := 0
	for _, o := range c.Outcomes {
		n += len(o.Records)
	}
	if s.records += n; n > 0 {
		s.files++
	}
	return nil
}

// pusher is a kind that pushes and brings a record of each row.
type pusher struct{ jobs.Pusher }

func (pusher) Datasets() []jobs.Dataset { return []jobs.Dataset{{Name: "consents"}} }

// pushed works through a minute of rows at 800/s, each bringing a record.
func pushed(t *testing.T, repeat bool) segments {
	t.Helper()
	items := make([]pipeline.Item, 48_000)
	for i := range items {
		items[i].Seq = int64(i)
	}
	var s segments
	engine := pipeline.New(pipeline.Options{
		Source: jobs.ItemSource(items), Sink: &s, InFlight: 64, Chunk: 100, RunAhead: runAhead, Idempotent: repeat,
		CommitEvery: commitEvery(jobs.Job{Spec: pusher{}}, repeat),
		Worker: pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) {
			time.Sleep(80 * time.Millisecond)
			return pipeline.Outcome{State: pipeline.Done, Records: []pipeline.Record{{Dataset: "consents", Size: 100}}}, nil
		}),
	})
	require.NoError(t, engine.Run(t.Context(), t.Context()))
	assert.Equal(t, len(items), s.records)
	return s
}

func TestRowsThatMayBeRepeatedFillSegments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		assert.LessOrEqual(t, pushed(t, true).files, 60/5+1)
	})
}

func TestRowsThatMustNotBeRepeatedAreCommittedWithTheNextClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := pushed(t, false).files
		assert.GreaterOrEqual(t, files, 48_000/100-10, "they wait for no larger segment")
		assert.LessOrEqual(t, files, 2*48_000/100, "and lie in few more than there are claims")
	})
}

func TestWindowsWaitLongestForTheirCommit(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 30*time.Second, commitEvery(jobs.Job{Spec: &jobs.MessageArchive{}}, true))
	assert.Zero(t, commitEvery(jobs.Job{Spec: &jobs.BulkSend{}}, false))
	assert.Zero(t, commitEvery(jobs.Job{Spec: &jobs.BulkSend{}}, true), "without records there is nothing to gain")
}
