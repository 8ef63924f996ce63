package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
	"convbatch/sources"
)

// bubble is a bulk_send of a job file on its way through worker, client,
// limiter and engine to an emulator in the same process, on a clock that costs
// no time.
type bubble struct {
	api     *emulator.Emulator
	client  *client.Client
	limiter *ratelimit.Limiter
	engine  *pipeline.Engine
	log     bytes.Buffer
}

// newBubble makes a job of n rows, with settings beside what every job has.
func newBubble(t *testing.T, e *emulator.Emulator, rate float64, n int, settings string) *bubble {
	t.Helper()
	b := &bubble{api: e, limiter: ratelimit.New(rate)}
	info := b.api.Info("http://127.0.0.1")
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `version: 1
api: {project: %q, region: eu, key_id: %q, key_secret: "${TEST_SECRET}", urls: {conversation: %q, token: %q}}
jobs:
%s`, info.Project, info.KeyID, info.URLs.Conversation, info.URLs.Token,
		indent(strings.ReplaceAll(sendJob+settings, "APP", info.App))), 0o600))
	file, err := jobs.Load(path, func(string) (string, bool) { return info.KeySecret, true })
	require.NoError(t, err)
	job, _ := file.Job("send")
	spec := job.Spec.(*jobs.BulkSend)
	require.NoError(t, spec.Columns([]sources.Column{{Name: "phone"}, {Name: "name"}}))

	log := slog.New(slog.NewTextHandler(&b.log, nil))
	api, err := client.New(client.Config{
		Project: info.Project, Region: "eu", KeyID: info.KeyID, KeySecret: client.Secret(info.KeySecret),
		URLs: client.URLs{Conversation: info.URLs.Conversation, Token: info.URLs.Token}, Transport: b.api.Transport(), Log: log,
		Backoff:         func() client.Backoff { return ratelimit.NewBackoff(500*time.Millisecond, time.Minute) },
		ParseRetryAfter: ratelimit.ParseRetryAfter,
	})
	require.NoError(t, err)
	b.client = api.For(b.limiter, job.ClientOptions()...)
	worker, err := spec.Open(t.Context(), jobs.Env{Client: b.client, App: job.App, InFlight: job.Limits.InFlight, Log: log})
	require.NoError(t, err)
	items := make([]pipeline.Item, n)
	for i := range items {
		items[i] = pipeline.Item{Seq: int64(i), Data: sources.Row{Line: int64(i + 2), Values: []string{number(i), "Ada"}}}
	}
	b.engine = pipeline.New(pipeline.Options{
		Source: jobs.ItemSource(items), Worker: worker, Sink: nowhere{}, InFlight: job.Limits.InFlight, Chunk: 100,
		Quiet: b.limiter.Close, Cancel: b.client.CancelCalls,
	})
	return b
}

// sends are the calls that asked for a message to be sent.
func (b *bubble) sends() (calls []emulator.Call) {
	for _, call := range b.api.Requests() {
		if call.Operation == "Messages_SendMessage" {
			calls = append(calls, call)
		}
	}
	return calls
}

// A send that can not be over in a day goes on the next morning, whatever is
// done to the clock in the night, and the night is quiet.
func TestNothingIsSentOutsideOfHours(t *testing.T) {
	t.Parallel()
	sweden, err := time.LoadLocation("Europe/Stockholm")
	require.NoError(t, err)
	for name, evening := range map[string]time.Time{
		"a night of 12 hours": time.Date(2000, 1, 10, 19, 50, 0, 0, sweden),
		"of 11":               time.Date(2000, 3, 25, 19, 50, 0, 0, sweden),
		"of 13":               time.Date(2000, 10, 28, 19, 50, 0, 0, sweden),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(evening))
				const rows, perSecond, today = 2000, 2, 600 * 2
				b := newBubble(t, emulator.New(emulator.Options{Latency: 50 * time.Millisecond}), perSecond, rows,
					`  hours: {from: "08:00", to: "20:00", zone: Europe/Stockholm}`)
				require.NoError(t, b.engine.Run(t.Context(), t.Context()))

				assert.EqualValues(t, rows, b.engine.Counts().States[pipeline.Done])
				days := map[int]int{}
				for _, call := range b.sends() {
					at := call.Time.In(sweden)
					require.True(t, 8 <= at.Hour() && at.Hour() < 20, "sent at %s", at)
					days[at.Day()]++
				}
				assert.InDelta(t, today, days[evening.Day()], 20, "the evening is used to its end")
				assert.Len(t, days, 2)
				first := b.sends()[days[evening.Day()]].Time.In(sweden)
				assert.Equal(t, "08:00", first.Format("15:04"), "the morning from its beginning")
				assert.Equal(t, 1, strings.Count(b.log.String(), `msg="sending waits" job=send why="outside of hours"`), &b.log)
			})
		})
	}
}

func TestAQueueThatWouldBeFullIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows, limit, drain = 2000, 500, 100
		b := newBubble(t, emulator.New(emulator.Options{Latency: 50 * time.Millisecond, QueueLimit: limit, DrainRate: drain}), 800, rows, "")
		began := time.Now()
		require.NoError(t, b.engine.Run(t.Context(), t.Context()))
		assert.EqualValues(t, rows, b.engine.Counts().States[pipeline.Done])
		assert.Zero(t, b.client.Counters().Throttled, "the queue was never found full")
		assert.Equal(t, rows, b.api.AcceptedCount())
		least := (rows - limit) / drain * time.Second
		assert.Less(t, time.Since(began), 2*least, "the channel has something to do most of the time")
		readings := b.api.Requests().Count("App_GetApp", 200)
		assert.Less(t, readings, rows/40, "readings of the app")
		assert.Regexp(t, `msg="sending waits" job=send why="the app's queue has too little room: \d+ of 500 places are taken" until=`, b.log.String())
		t.Logf("%d messages in %s, %d readings; as the queue drains it takes %s", rows, time.Since(began), readings, least)
	})
}

// A reading does not count for long: others may send by the same app.
func TestAQueueThatOthersFillIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const mine, others = 900, 1600
		e := emulator.New(emulator.Options{QueueLimit: 2000, DrainRate: 2})
		b := newBubble(t, e, 5, mine, "")
		other := newBubble(t, e, 100, others, "  app_queue: ignore")
		done := make(chan error)
		time.AfterFunc(30*time.Second, func() { done <- other.engine.Run(t.Context(), t.Context()) })
		require.NoError(t, b.engine.Run(t.Context(), t.Context()))
		require.NoError(t, <-done)
		assert.Equal(t, mine+others, e.AcceptedCount())
		assert.Zero(t, b.client.Counters().Throttled)
		assert.Zero(t, e.Requests().Count("", 429))
	})
}

func TestAStopEndsTheWaitForTheQueue(t *testing.T) {
	t.Parallel()
	for name, hard := range map[string]bool{"the first signal": false, "the second": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const limit = 500
				b := newBubble(t, emulator.New(emulator.Options{QueueLimit: limit, DrainRate: 0.001}), 800, 2000, "")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop, doStop := context.WithCancel(t.Context())
				defer doStop()
				var stopped time.Time
				time.AfterFunc(10*time.Minute, func() {
					pause, waits := b.client.Paused()
					assert.True(t, waits, "it waits")
					assert.Contains(t, pause.Why, "the app's queue")
					stopped = time.Now()
					if hard {
						cancel()
					} else {
						doStop()
					}
				})
				require.ErrorIs(t, b.engine.Run(ctx, stop), pipeline.ErrStopped)
				assert.Less(t, time.Since(stopped), time.Second)
				settled := b.engine.Counts().States
				assert.EqualValues(t, b.api.AcceptedCount(), settled[pipeline.Done])
				assert.Len(t, settled, 1, "the others stay pending: %v", settled)
				assert.InDelta(t, limit-2*64, settled[pipeline.Done], 64, "all but the reserve was used")
				assert.Less(t, b.api.Requests().Count("App_GetApp", 200), 20, "readings in ten minutes")
			})
		})
	}
}

// Where the queue can not be watched sends go on, and a full queue holds them.
func TestSendsGoOnWhereTheQueueCanNotBeRead(t *testing.T) {
	t.Parallel()
	refused := emulator.Fault{Operation: "App_GetApp", Kind: emulator.FaultForbidden}
	for name, c := range map[string]struct {
		options  emulator.Options
		settings string
		log      string
		readings int
	}{
		"an older server":       {emulator.Options{Profile: emulator.ProfileOld}, "", `level=INFO msg="the app's queue is not watched; when it is full, sends wait by its 429" reason="the server does not say how full it is"`, 1},
		"a key that must not":   {emulator.Options{Faults: []emulator.Fault{refused}}, "", `level=WARN msg="the app's queue is not watched; when it is full, sends wait by its 429" reason="App_GetApp: 403 `, 1},
		"a job that ignores it": {emulator.Options{}, "  app_queue: ignore", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.options.QueueLimit, c.options.DrainRate = 100, 50
				b := newBubble(t, emulator.New(c.options), 800, 500, "  in_doubt: hold\n"+c.settings)
				require.NoError(t, b.engine.Run(t.Context(), t.Context()))
				assert.EqualValues(t, 500, b.engine.Counts().States[pipeline.Done])
				assert.NotZero(t, b.client.Counters().Throttled)
				assert.Equal(t, c.readings, b.api.Requests().Count("App_GetApp", -1))
				assert.Contains(t, b.log.String(), c.log)
				assert.LessOrEqual(t, strings.Count(b.log.String(), "\n"), 1, "one line")
			})
		})
	}
}
