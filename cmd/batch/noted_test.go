package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/internal/emulator"
	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/ratelimit"
	"convbatch/sinks"
)

// grouping is a kind whose calls take three rows at once.
type grouping struct{ jobs.Spec }

func (grouping) Group() int { return 3 }

// groupSender is its worker. It makes a call for the items of a group, but for
// that of item 3, and then the process dies.
type groupSender struct {
	pipeline.Worker
	api  *client.Client
	body string
}

var errDied = errors.New("the process died")

func (g groupSender) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	if items[0].Seq == 3 {
		return nil, errDied
	}
	_, err := g.api.SendMessage(ctx, []byte(g.body))
	return nil, errors.Join(err, errDied)
}

// Of a group whose call went out, every item may have been sent when the
// process dies; of one whose call did not, none.
func TestAllItemsOfAGroupAreNotedBeforeItsCall(t *testing.T) {
	e := emulator.New(emulator.Options{})
	store, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	ledger, err := store.Ledger(t.Context(), "offer")
	require.NoError(t, err)
	require.NoError(t, ledger.Begin(t.Context(), sinks.Run{ID: "R1", Kind: "test", StartedAt: time.Now()}, nil))

	run := &jobRun{job: jobs.Job{Spec: grouping{}}, ledger: ledger}
	run.worker = groupSender{
		api:  newAPI(t, e),
		body: fmt.Sprintf(`{"app_id":%q,"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"+46700000001"}]}},"message":{"text_message":{"text":"hi"}}}`, e.Info("").App),
	}
	worker := run.notedWorker().(pipeline.GroupWorker)
	require.NoError(t, ledger.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{Claim: &pipeline.Claim{Range: pipeline.Range{To: 9}}}))
	for _, seqs := range [][]int64{{0, 2}, {3, 4, 5}, {6, 7, 8}} {
		var items []pipeline.Item
		for _, seq := range seqs {
			items = append(items, pipeline.Item{Seq: seq})
		}
		_, err := worker.DoGroup(t.Context(), items)
		require.ErrorIs(t, err, errDied)
	}
	require.NoError(t, ledger.Close())

	ledger, err = store.Ledger(t.Context(), "offer")
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	position, err := ledger.Resume(t.Context(), "R1")
	require.NoError(t, err)
	var inDoubt []pipeline.Range
	for _, c := range position.Claims {
		inDoubt = append(inDoubt, c.Range)
	}
	assert.Equal(t, []pipeline.Range{{From: 0, To: 1}, {From: 2, To: 3}, {From: 6, To: 9}}, inDoubt)
	assert.Equal(t, 2, e.AcceptedCount())
}

// plain is a kind that says nothing of groups.
type plain struct{ jobs.Spec }

func TestAKindSaysHowManyRowsItSettlesAtOnce(t *testing.T) {
	file := &jobs.File{Limits: jobs.Limits{Requests: 80}}
	slow, fast := jobs.Limits{Requests: 8}, jobs.Limits{Requests: 800}
	single := jobs.Job{Spec: plain{}, Common: jobs.Common{Limits: slow}}
	assert.Equal(t, 1, groupSize(single))
	_, takesGroups := (&jobRun{job: single}).notedWorker().(pipeline.GroupWorker)
	assert.False(t, takesGroups)
	assert.Equal(t, 16, claimSize(single, file))

	many := jobs.Job{Spec: thousand{}, Common: jobs.Common{Limits: fast}}
	assert.Equal(t, 1000, groupSize(many))
	assert.Equal(t, 2000*jobs.GroupsInFlight, claimSize(many, file), "a claim covers the groups that are worked on at once, and the next")
}

// thousand is a kind whose calls take more rows than are sent in a second.
type thousand struct{ jobs.Spec }

func (thousand) Group() int { return 1000 }

// opening is a kind whose worker is there already.
type opening struct {
	jobs.Pusher
	worker pipeline.Worker
	group  int
}

func (o opening) Group() int { return o.group }

func (o opening) Open(context.Context, jobs.Env) (pipeline.Worker, error) { return o.worker, nil }

func TestAKindThatAsksForGroupsHasToTakeThem(t *testing.T) {
	single := pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) { return pipeline.Outcome{}, nil })
	for _, c := range []struct {
		kind opening
		says string
	}{
		{opening{worker: groupSender{}, group: 1000}, ""},
		{opening{worker: groupSender{}, group: 1}, ""},
		{opening{worker: single, group: 0}, ""},
		{opening{worker: single, group: 2}, "asks for groups of 2 rows"},
	} {
		run := &jobRun{
			runner: &runner{stops: &stops{soft: t.Context(), hard: t.Context()}}, limiter: ratelimit.New(1),
			job: jobs.Job{Spec: c.kind, Common: jobs.Common{Kind: "test"}},
		}
		if err := run.openWorker(); c.says == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.says)
		}
	}
}
