package main

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/internal/emulator"
	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/ratelimit"
)

// sending sends n messages through limiter, client and engine to an emulator
// in the same process, on a clock that costs no time.
func sending(t *testing.T, e *emulator.Emulator, n int, limiter *ratelimit.Limiter) {
	t.Helper()
	info := e.Info("http://127.0.0.1")
	api, err := client.New(client.Config{
		Project: info.Project, Region: "eu", KeyID: info.KeyID, KeySecret: client.Secret(info.KeySecret),
		URLs:     client.URLs{Conversation: info.URLs.Conversation, Token: info.URLs.Token},
		InFlight: 64, Transport: e.Transport(),
		Backoff:         func() client.Backoff { return ratelimit.NewBackoff(500*time.Millisecond, time.Minute) },
		ParseRetryAfter: ratelimit.ParseRetryAfter,
	})
	require.NoError(t, err)
	api = api.For(limiter)
	items := make([]pipeline.Item, n)
	for i := range items {
		items[i].Seq = int64(i)
	}
	engine := pipeline.New(pipeline.Options{
		Source: jobs.ItemSource(items), Sink: nowhere{}, InFlight: 64, Chunk: 100,
		Worker: pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
			body := fmt.Sprintf(`{"app_id":%q,"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":%q}]}},"message":{"text_message":{"text":"hi"}}}`,
				info.App, number(int(item.Seq)))
			_, err := api.SendMessage(ctx, []byte(body))
			return pipeline.Outcome{State: pipeline.Done}, err
		}),
	})
	require.NoError(t, engine.Run(t.Context(), t.Context()))
	assert.Equal(t, n, e.AcceptedCount())
}

type nowhere struct{}

func (nowhere) Commit(context.Context, pipeline.Commit) error { return nil }

func TestTheLimitIsUsedWholeAndNoSecondSeesMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := emulator.New(emulator.Options{Latency: 50 * time.Millisecond})
		sending(t, e, 6000, ratelimit.New(200))
		assert.LessOrEqual(t, e.Requests().MaxInWindow(time.Second), 210)
		assert.GreaterOrEqual(t, e.Requests().Mean(), 195.0)
		t.Logf("at 200/s: %.2f/s in the mean, %d in the busiest second", e.Requests().Mean(), e.Requests().MaxInWindow(time.Second))
	})
}

func TestA429QuietsEverybodyForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const latency = 20 * time.Millisecond
		e := emulator.New(emulator.Options{Latency: latency, Faults: []emulator.Fault{
			{Operation: "*", Kind: "429", RetryAfter: "3", After: 400, First: 20},
		}})
		sending(t, e, 2000, ratelimit.New(400))
		var told time.Time // when the first 429 was on its way back
		refused, during := 0, 0
		for _, call := range e.Requests() {
			if call.Status == 429 {
				refused++
				if told.IsZero() {
					told = call.Time.Add(latency)
				}
			}
			if !told.IsZero() && call.Time.After(told) && call.Time.Before(told.Add(3*time.Second)) {
				during++
			}
		}
		assert.NotZero(t, refused)
		assert.Zero(t, during, "nothing arrives during the hold beyond what was in flight")
	})
}
