package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// What a stop cuts off looks like an outage: it must not be reported as one.
func TestTheGuardHasNoSayInAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newMemory()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		asked := 0
		e := pipeline.New(pipeline.Options{
			Source: snapshotRows(100, sink), Sink: sink, InFlight: 8,
			Worker: pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
				if item.Seq < 4 {
					return pipeline.Outcome{State: pipeline.Done}, nil
				}
				<-ctx.Done()
				return pipeline.Outcome{State: pipeline.InDoubt}, nil
			}),
			Guard: func(o pipeline.Outcome) error {
				asked++
				if o.State == pipeline.InDoubt {
					return errors.New("the API does not answer")
				}
				return nil
			},
		})
		time.AfterFunc(time.Second, cancel)
		require.ErrorIs(t, e.Run(ctx, t.Context()), pipeline.ErrStopped)
		assert.Equal(t, 4, asked)
		assert.EqualValues(t, 8, e.Counts().States[pipeline.InDoubt], "they are kept all the same")
	})
}
