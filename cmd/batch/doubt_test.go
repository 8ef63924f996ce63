package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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

// kept is a sink that keeps outcomes and forgets everything else.
type kept map[int64]pipeline.Outcome

func (k kept) Commit(_ context.Context, c pipeline.Commit) error {
	for _, o := range c.Outcomes {
		k[o.Seq] = o
	}
	return nil
}

// count is how many outcomes are in a state.
func (k kept) count(state pipeline.State) (n int) {
	for _, o := range k {
		if o.State == state {
			n++
		}
	}
	return n
}

// bulkSend runs a bulk_send of rows through the kind, the client and the engine
// to an emulator in the same process, on a clock that costs no time. settings
// are further keys of the job.
func bulkSend(t *testing.T, e *emulator.Emulator, rows int, settings string, items func([]pipeline.Item)) kept {
	t.Helper()
	info := e.Info("http://127.0.0.1")
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil,
		"version: 1\napi: {project: %s, region: eu, key_id: k, key_secret: \"${SECRET}\"}\nstore: s\njobs:\n  send:\n    kind: bulk_send\n    app: %s\n"+
			"    from: {csv: r.csv}\n    key: phone\n    request:\n"+
			"      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: \"{{.phone}}\"}]}}\n"+
			"      message: {text_message: {text: hi}}\n%s", info.Project, info.App, settings), 0o600))
	file, err := jobs.Load(path, func(string) (string, bool) { return info.KeySecret, true })
	require.NoError(t, err)
	spec := file.Jobs[0].Spec.(*jobs.BulkSend)
	require.NoError(t, spec.Columns([]sources.Column{{Name: "phone"}}))

	limiter := ratelimit.New(100)
	api, err := client.New(client.Config{
		Project: info.Project, Region: "eu", KeyID: info.KeyID, KeySecret: client.Secret(info.KeySecret),
		URLs:     client.URLs{Conversation: info.URLs.Conversation, Token: info.URLs.Token},
		InFlight: 16, Transport: e.Transport(), Timeout: 5 * time.Second,
		Backoff:         func() client.Backoff { return ratelimit.NewBackoff(500*time.Millisecond, time.Minute) },
		ParseRetryAfter: ratelimit.ParseRetryAfter,
	})
	require.NoError(t, err)
	api = api.For(limiter)
	worker, err := spec.Open(t.Context(), jobs.Env{Client: api, App: info.App, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	all := make([]pipeline.Item, rows)
	for i := range all {
		all[i] = pipeline.Item{Seq: int64(i), Key: number(i), Data: sources.Row{Seq: int64(i), Values: []string{number(i)}}}
	}
	if items != nil {
		items(all)
	}
	sink := kept{}
	engine := pipeline.New(pipeline.Options{
		Source: jobs.ItemSource(all), Sink: sink, Worker: worker, InFlight: 16, Chunk: 20, RunAhead: 100_000, Clock: api.Now,
	})
	require.NoError(t, engine.Run(t.Context(), t.Context()))
	return sink
}

// assertNothingTwice returns how many messages were accepted.
func assertNothingTwice(t *testing.T, e *emulator.Emulator) int {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range e.Accepted() {
		assert.False(t, seen[a.Identity], "%s was sent twice", a.Identity)
		seen[a.Identity] = true
	}
	return len(seen)
}

// A list that is further behind than reconcile_after is noticed by what it does
// not show although it was accepted, and waited for.
func TestAListBehindItsTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, lag := range []time.Duration{0, 9 * time.Second, 11 * time.Second, time.Minute, 4 * time.Minute} {
		t.Run(lag.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rows = 1000
				e := emulator.New(emulator.Options{Faults: lostAnswers(0.05), ListDelay: lag})
				sink := bulkSend(t, e, rows, "", nil)
				assert.Equal(t, rows, assertNothingTwice(t, e))
				assert.Equal(t, rows, sink.count(pipeline.Done))
			})
		})
	}
}

func TestAListThatNeverCatchesUpLeavesRowsInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows = 2000
		e := emulator.New(emulator.Options{ListDelay: 24 * time.Hour, Faults: []emulator.Fault{
			{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 40, First: 1500},
		}})
		sink := bulkSend(t, e, rows, "", nil)
		assert.Equal(t, rows, assertNothingTwice(t, e))
		lost := sink.count(pipeline.InDoubt)
		assert.NotZero(t, lost)
		assert.Equal(t, rows-lost, sink.count(pipeline.Done))
		for _, o := range sink {
			if o.State == pipeline.InDoubt {
				assert.Contains(t, o.Error, "has not shown what was accepted after this call")
			}
		}
	})
}

// The clock that counts is the API's: with one that differs from this machine's
// by hours the same rows are found.
func TestRowsAreLookedForByTheClockOfTheAPI(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-3 * time.Hour, -time.Minute, time.Minute, 3 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rows = 1000
				e := emulator.New(emulator.Options{Faults: lostAnswers(0.1), Now: func() time.Time { return time.Now().Add(skew) }})
				sink := bulkSend(t, e, rows, "", nil)
				assert.Equal(t, rows, assertNothingTwice(t, e))
				assert.Equal(t, rows, sink.count(pipeline.Done))
			})
		})
	}
}

// Rows that a process left behind when it died, by what is known of them.
func TestRowsOfAProcessThatDiedAreLookedForWhereThatCanTell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since func() time.Time
		want  pipeline.State
		words string
	}{
		"claimed a minute ago":                {func() time.Time { return time.Now().Add(-time.Minute) }, pipeline.Done, ""},
		"claimed longer ago than is kept":     {func() time.Time { return time.Now().AddDate(0, 0, -181) }, pipeline.InDoubt, "stores messages for 180 days"},
		"claimed in the future":               {func() time.Time { return time.Now().Add(time.Hour) }, pipeline.InDoubt, "a clock was set back"},
		"when it was claimed is not known":    {func() time.Time { return time.Time{} }, pipeline.InDoubt, "not known when it was sent"},
		"claimed a minute ago, resend":        {func() time.Time { return time.Now().Add(-time.Minute) }, pipeline.Done, "resend"},
		"claimed a minute ago, to be held so": {func() time.Time { return time.Now().Add(-time.Minute) }, pipeline.InDoubt, "hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, settings := emulator.New(emulator.Options{}), ""
				if c.words == "resend" || c.words == "hold" {
					settings = "    in_doubt: " + c.words + "\n"
				}
				began := time.Now()
				sink := bulkSend(t, e, 10, settings, func(items []pipeline.Item) {
					items[3].Doubt = &pipeline.Doubt{Since: c.since()}
				})
				assert.Equal(t, c.want, sink[3].State)
				assert.Equal(t, 9, sink.count(pipeline.Done)-map[bool]int{true: 1}[c.want == pipeline.Done])
				switch {
				case c.want == pipeline.InDoubt:
					assert.Equal(t, 9, assertNothingTwice(t, e))
					assert.Contains(t, sink[3].Error, "an earlier process ended without an answer for this row")
				case c.words == "":
					assert.GreaterOrEqual(t, time.Since(began), 10*time.Second, "it may have been on its way still")
				}
				if c.words != "resend" && c.words != "hold" {
					assert.Contains(t, sink[3].Error, c.words)
				}
			})
		})
	}
}

// A look that gets no answer is tried again; one that is refused never will be
// answered.
func TestALookThatFailsNeverLeadsToADouble(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]pipeline.State{"500": pipeline.Done, "404": pipeline.InDoubt, "403": pipeline.InDoubt} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rows = 300
				looks := emulator.Fault{Operation: "Messages_ListMessages", Kind: kind, First: 12}
				if want == pipeline.InDoubt {
					looks.First = 0
				}
				e := emulator.New(emulator.Options{Faults: []emulator.Fault{
					{Operation: "Messages_SendMessage", Kind: emulator.FaultResetAfter, Every: 30}, looks,
				}})
				sink := bulkSend(t, e, rows, "", nil)
				assert.Equal(t, rows, assertNothingTwice(t, e))
				assert.Equal(t, rows/30, rows-sink.count(pipeline.Done)+rows/30*map[bool]int{true: 1}[want == pipeline.Done])
				for seq, o := range sink {
					if o.State != pipeline.Done {
						assert.Equal(t, want, o.State, "row %d: %s", seq, o.Error)
						assert.Contains(t, o.Error, "it can not be found out whether it arrived")
					}
				}
			})
		})
	}
}
