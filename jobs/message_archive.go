package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
)

// MessageArchive is the kind message_archive: it keeps the messages of an app
// in the messages dataset, incrementally, each once. The first run goes back as
// far as `since`, later runs go on from where the last ended, so it is made for
// cron. Both modes of apps are read, CONVERSATION and DISPATCH, as far as the
// server keeps their messages: by windows of time where it can, else by
// conversation.
type MessageArchive struct {
	Since    Duration `yaml:"since" doc:"How far back the first run reads; later runs go on from where the last ended." default:"180d"`
	Settle   Duration `yaml:"settle" doc:"Messages younger than this are left to the next run." default:"30s"`
	Lookback Duration `yaml:"lookback" doc:"How much before the end of the last run is read again, for messages that appeared late." default:"1h"`
}

// Check looks for what can not be right.
func (a *MessageArchive) Check(c *Checker) {
	checkApp(c, "the app whose messages it keeps")
	for _, other := range c.Earlier() {
		if _, archive := other.Spec.(*MessageArchive); archive && other.App == c.App() && other.App != "" {
			c.Problem("app", "is archived by the job "+other.Name+" already: two that run side by side would keep messages twice")
		}
	}
}

// archiveSpan is what one run of an archive covers. It is kept with the run:
// the next one goes on from To, which therefore never moves back.
type archiveSpan struct {
	Project string    `json:"project"`
	App     string    `json:"app"`
	Sources []string  `json:"sources"` // that were read
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Known   time.Time `json:"known"` // messages accepted before may be in the store already
}

const (
	conversationSource = "CONVERSATION_SOURCE"
	dispatchSource     = "DISPATCH_SOURCE"
)

// ErrNothingStored is returned by Begin for an app whose messages the server
// does not keep, so that an empty archive is not taken for a success.
var ErrNothingStored = errors.New("the app stores no messages")

// Digest changes with the app, whose archive an unfinished run belongs to.
func (a *MessageArchive) Digest(env Env) string { return env.Project + "/" + env.App }

// Begin finds out what the server can do and cuts the time since the last run
// into windows.
func (a *MessageArchive) Begin(ctx context.Context, env Env, last json.RawMessage) (Beginning, error) {
	app, err := env.Client.GetApp(ctx, env.App)
	if err != nil {
		return Beginning{}, err
	}
	before, err := lastSpan(env, last)
	if err != nil {
		return Beginning{}, err
	}
	span, err := a.span(ctx, env, before)
	if err != nil {
		return Beginning{}, err
	}
	pruned, err := env.Pruned()
	if err != nil {
		return Beginning{}, fmt.Errorf("look up since when the archive is kept: %w", err)
	}
	span.From = earlier(later(span.From, pruned), span.To)
	span.Sources = archivedSources(app)
	toRead := union(span.Sources, before)
	if len(toRead) == 0 {
		return Beginning{}, fmt.Errorf("archive app %s: %w: it is in DISPATCH mode with a dispatch_retention_policy of 0 days; "+
			"set ttl_days (1 to 7) or switch the app to CONVERSATION mode, then run again", app.ID, ErrNothingStored)
	}
	var b Beginning
	for _, source := range toRead {
		byTime, err := canFilterByTime(ctx, env.Client, env.App, source)
		if err != nil {
			return Beginning{}, err
		}
		if !byTime && !slices.Contains(span.Sources, source) {
			continue // the app no longer has it, and the server may refuse to list it
		}
		for _, w := range firstWindows(source, span, byTime) {
			if err := b.add(w); err != nil {
				return Beginning{}, err
			}
		}
	}
	b.Data, err = json.Marshal(span)
	return b, err
}

// lastSpan is what the last run covered; nil when there was none, or when it
// archived another app.
func lastSpan(env Env, last json.RawMessage) (*archiveSpan, error) {
	if last == nil {
		return nil, nil
	}
	var before archiveSpan
	if err := json.Unmarshal(last, &before); err != nil {
		return nil, fmt.Errorf("read where the last archive ended: %w", err)
	}
	if before.App != env.App || before.Project != env.Project {
		return nil, nil
	}
	return &before, nil
}

// span is what a run covers that begins now.
func (a *MessageArchive) span(ctx context.Context, env Env, before *archiveSpan) (archiveSpan, error) {
	now := env.Now().UTC()
	span := archiveSpan{Project: env.Project, App: env.App, To: now.Add(-a.Settle.Duration()).Truncate(time.Microsecond)}
	// Another job, or this one before its folder was lost, may have archived
	// the app into the same dataset.
	newest, err := env.Newest(ctx)
	if err != nil {
		return span, fmt.Errorf("look up what was archived before: %w", err)
	}
	span.Known = newest
	if before == nil {
		span.From = now.Add(-a.Since.Duration()).Truncate(time.Microsecond)
		return span, nil
	}
	if span.To.Before(before.To) {
		// A raised settle, or a clock that was set back a little: nothing may
		// be read twice, so the end stays. A clock that was far ahead left a
		// hole that only a person can judge.
		if before.To.After(now.Add(a.Lookback.Duration())) {
			return span, fmt.Errorf("the last archive read until %s, and now it is %s: the clock was or is wrong. "+
				"Set it right; if it was ahead then, give the job another name: as a new job it reads everything since its `since` and adds what is missing",
				before.To.Format(time.RFC3339), now.Format(time.RFC3339))
		}
		span.To = before.To
	}
	span.Known = later(span.Known, before.To)
	span.From = before.To.Add(-a.Lookback.Duration()).Truncate(time.Microsecond)
	return span, nil
}

// archivedSources says where the server keeps messages of the app: those of
// CONVERSATION mode for the retention of the app, those of DISPATCH mode for
// 0 to 7 days.
func archivedSources(app client.App) []string {
	var sources []string
	if app.ProcessingMode == "CONVERSATION" {
		sources = append(sources, conversationSource)
	}
	if app.DispatchRetentionDays != nil && *app.DispatchRetentionDays > 0 {
		sources = append(sources, dispatchSource)
	}
	return sources
}

// union adds to the sources those of the run before, for one more time: the app
// may have changed its mode since, with messages left where they were.
func union(sources []string, before *archiveSpan) []string {
	all := slices.Clone(sources)
	if before != nil {
		for _, s := range before.Sources {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// canFilterByTime asks for messages of 1970. A server that knows start_time
// and end_time answers none; an older one refuses the request, or takes no
// notice and answers messages of today.
func canFilterByTime(ctx context.Context, api *client.Client, app, source string) (bool, error) {
	epoch := time.Unix(0, 0).UTC()
	page, err := api.ListMessages(ctx, client.MessageQuery{
		AppID: app, Source: source, Start: epoch, End: epoch.Add(24 * time.Hour), PageSize: 1,
	})
	var e *client.Error
	switch {
	case err == nil:
		return len(page.Items) == 0, nil
	case errors.As(err, &e) && (e.Status == 400 || e.Status == 404):
		return false, nil
	}
	return false, fmt.Errorf("ask the server for a window of messages: %w", err)
}

// longLookback is beyond what late messages need: so far back reads only a
// first run over a dataset that another job has filled.
const longLookback = 48 * time.Hour

// firstWindows cuts a span at every midnight (UTC), which is where partitions
// are cut, and the part that an earlier run may have read into hours, so that
// what is known of it stays small. A server without time filters gets
// one window for everything.
func firstWindows(source string, span archiveSpan, byTime bool) []window {
	if !byTime {
		w := window{Source: source, From: span.From, To: span.To, KnownUntil: span.Known}
		if source == dispatchSource {
			return []window{w}
		}
		return []window{w.listing(true)}
	}
	step := time.Hour
	if span.Known.Sub(span.From) > longLookback {
		step = 24 * time.Hour // each part costs a look into the store
	}
	var ws []window
	for from := span.From; from.Before(span.To); {
		to := from.Truncate(24 * time.Hour).Add(24 * time.Hour)
		if from.Before(span.Known) {
			to = earlier(to, earlier(span.Known, from.Add(step)))
		}
		to = earlier(to, span.To)
		ws = append(ws, window{Source: source, ByTime: true, From: from, To: to, KnownUntil: span.Known})
		from = to
	}
	return ws
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Open returns the worker of a run that Begin began.
func (a *MessageArchive) Open(ctx context.Context, env Env, stored []pipeline.Item) (pipeline.Worker, error) {
	pruned, err := env.Pruned() // since the run began, perhaps
	if err != nil {
		return nil, fmt.Errorf("look up since when the archive is kept: %w", err)
	}
	r := &archiveReader{env: env, pruned: pruned, listed: new(seen)}
	if len(stored) > 0 { // resumed: another job may have gone on meanwhile
		newest, err := env.Newest(ctx)
		if err != nil {
			return nil, fmt.Errorf("look up what was archived before: %w", err)
		}
		r.newest = newest
	}
	return r, r.remember(stored)
}
