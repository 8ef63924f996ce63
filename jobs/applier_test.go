package jobs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// patient is a limiter that lets everything through in its time.
type patient struct{ unlimited }

func (patient) Wait(ctx context.Context, after time.Duration) error {
	time.Sleep(after)
	return ctx.Err()
}

// lateThings are things of which each row wants the same. What is created loses
// its answer, and is there a while later.
type lateThings struct {
	late    time.Duration
	created []time.Time // when each is there
}

func (l *lateThings) want(sources.Row) (wanted, error) { return wanted{}, nil }
func (l *lateThings) lock(wanted) (unlock func())      { return func() {} }
func (l *lateThings) applied(wanted, string)           {}

func (l *lateThings) find(context.Context, wanted) (there []thing, err error) {
	for _, at := range l.created {
		if !time.Now().Before(at) {
			there = append(there, thing{id: "T"})
		}
	}
	return there, nil
}

func (l *lateThings) decide(_ wanted, there []thing) (change, error) {
	if len(there) == 0 {
		return change{}, nil
	}
	return change{id: there[0].id}, nil
}

func (l *lateThings) apply(context.Context, change) (client.Response, error) {
	l.created = append(l.created, time.Now().Add(l.late))
	return client.Response{}, &client.Error{Message: "no answer", Intent: client.InDoubt, Attempts: 1}
}

// A call without an answer may have created what the next row wants, too.
func TestARowWaitsForWhatAnotherMayHaveCreated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &lateThings{late: 3 * time.Second}
		api := envOf(t, onLists{}).Client.For(patient{})
		a, err := newApplier(t.Context(), Env{Client: api}, to, 10*time.Second)
		require.NoError(t, err)
		first := pipeline.Item{Seq: 0, Data: sources.Row{}}
		_, err = a.Do(t.Context(), first)
		var deferred *pipeline.Deferred
		require.ErrorAs(t, err, &deferred)
		first.Doubt = &deferred.Doubt

		out, err := a.Do(t.Context(), pipeline.Item{Seq: 1, Data: sources.Row{}})
		require.NoError(t, err)
		assert.Equal(t, pipeline.Outcome{State: pipeline.Skipped, Error: "unchanged", Ref: "T"}, out)
		out, err = a.Do(t.Context(), first)
		require.NoError(t, err)
		assert.Equal(t, pipeline.Outcome{State: pipeline.Done, Attempts: 1, Ref: "T"}, out)
		assert.Len(t, to.created, 1, "none is there twice")
	})
}
