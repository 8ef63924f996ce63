package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
)

// MessageArchive is the kind message_archive: it keeps the messages of an app
// in the messages dataset, incrementally, each once.
type MessageArchive struct {
	Since    Duration `yaml:"since" doc:"How far back the first run reads; later runs go on from where the last ended." default:"180d"`
	Settle   Duration `yaml:"settle" doc:"Messages younger than this are left to the next run." default:"30s"`
	Lookback Duration `yaml:"lookback" doc:"How much before the end of the last run is read again, for messages that appeared late." default:"1h"`
}

// Check looks for what can not be right.
func (a *MessageArchive) Check(c *Checker) {
	checkApp(c, "the app whose messages it keeps")
}

// archiveSpan is what one run of an archive covers. It is kept with the run:
// the next one goes on from To.
type archiveSpan struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Known    time.Time `json:"known"`    // messages before it may have been archived by an earlier run
	ByWindow bool      `json:"bywindow"` // the server can be asked for a window of time
}

const (
	conversationSource = "CONVERSATION_SOURCE"
	dispatchSource     = "DISPATCH_SOURCE"
)

// ErrNothingStored is returned by Begin for an app whose messages the server
// does not keep, so that an empty archive is not taken for a success.
var ErrNothingStored = errors.New("the app stores no messages")

// Begin finds out what the server can do and cuts the time since the last run
// into windows.
func (a *MessageArchive) Begin(ctx context.Context, env Env, last json.RawMessage) (Beginning, error) {
	app, err := env.Client.GetApp(ctx, env.App)
	if err != nil {
		return Beginning{}, err
	}
	sources, err := archivedSources(app)
	if err != nil {
		return Beginning{}, err
	}
	now := env.Now().UTC()
	span := archiveSpan{From: now.Add(-a.Since.Duration()), To: now.Add(-a.Settle.Duration()).Truncate(time.Microsecond)}
	if last != nil {
		var before archiveSpan
		if err := json.Unmarshal(last, &before); err != nil {
			return Beginning{}, fmt.Errorf("read where the last archive ended: %w", err)
		}
		span.Known = before.To
		span.From = before.To.Add(-a.Lookback.Duration())
		if span.From.Before(before.From) {
			span.From = before.From
		}
	}
	span.From = span.From.Truncate(time.Microsecond)
	var b Beginning
	for _, source := range sources {
		byWindow, err := canFilterByTime(ctx, env, source)
		if err != nil {
			return Beginning{}, err
		}
		span.ByWindow = byWindow
		for _, w := range firstWindows(source, span) {
			if err := b.add(w); err != nil {
				return Beginning{}, err
			}
		}
	}
	b.Data, err = json.Marshal(span)
	return b, err
}

// archivedSources says where the server keeps messages of the app: those of
// CONVERSATION mode for the retention of the app, those of DISPATCH mode for
// 0 to 7 days.
func archivedSources(app client.App) ([]string, error) {
	dispatchDays := 0
	if app.DispatchRetentionDays != nil {
		dispatchDays = *app.DispatchRetentionDays
	}
	var sources []string
	if app.ProcessingMode == "CONVERSATION" {
		sources = append(sources, conversationSource)
	}
	if dispatchDays > 0 {
		sources = append(sources, dispatchSource)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("archive app %s: %w: it is in DISPATCH mode with a dispatch_retention_policy of 0 days; "+
			"set ttl_days (1 to 7) or switch the app to CONVERSATION mode, then run again", app.ID, ErrNothingStored)
	}
	return sources, nil
}

// canFilterByTime asks for messages of 1970. A server that knows start_time
// and end_time answers none; an older one refuses the request, or takes no
// notice and answers messages of today.
func canFilterByTime(ctx context.Context, env Env, source string) (bool, error) {
	epoch := time.Unix(0, 0).UTC()
	page, err := env.Client.ListMessages(ctx, client.MessageQuery{
		AppID: env.App, Source: source, Start: epoch, End: epoch.Add(24 * time.Hour), PageSize: 1,
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

// firstWindows cuts a span at every midnight (UTC), which is where partitions
// are cut, and the part that an earlier run may have read into minutes, so
// that what is known of it stays small. A server without time filters gets
// one window for everything.
func firstWindows(source string, span archiveSpan) []window {
	if !span.ByWindow {
		w := window{Source: source, From: span.From, To: span.To, KnownUntil: span.Known}
		if source == dispatchSource {
			return []window{w}
		}
		return []window{w.listing(true)}
	}
	var ws []window
	for from := span.From; from.Before(span.To); {
		to := from.Truncate(24 * time.Hour).Add(24 * time.Hour)
		if from.Before(span.Known) {
			to = earlier(to, earlier(span.Known, from.Add(10*time.Minute)))
		}
		to = earlier(to, span.To)
		ws = append(ws, window{Source: source, ByTime: true, From: from, To: to, KnownUntil: span.Known})
		from = to
	}
	return ws
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Open returns the worker of a run that Begin began.
func (a *MessageArchive) Open(_ context.Context, env Env, stored []pipeline.Item) (pipeline.Worker, error) {
	r := &archiveReader{env: env, listed: newConversationSet()}
	return r, r.remember(stored)
}
