package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/ratelimit"
)

// How long telling may take, and how often it is tried. Who was told to stop is
// waited for: an orchestrator gives a process a minute, of which calls in flight
// may take half.
const (
	tellTries       = 3
	tellAttempt     = 8 * time.Second
	tellWithin      = 30 * time.Second
	tellWhenStopped = 10 * time.Second
)

// tellFlags say who is told how a run ended. They are no keys of the job file:
// such a URL is a secret, and it belongs to the machine that runs the job.
func tellFlags() []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "notify", Value: &keys{}, Usage: "post what --json prints to this `URL` at the end; may be given several times", EnvVars: []string{"BATCH_NOTIFY"}},
		&cli.StringFlag{Name: "heartbeat", Usage: "at the end call this `URL` when the exit code is 0, else URL/fail", EnvVars: []string{"BATCH_HEARTBEAT"}},
	}
}

// teller tells others how a run ended. That they can not be told is a warning:
// it changes nothing about the run.
type teller struct {
	notify    []*url.URL
	heartbeat *url.URL // nil for none
	http      *http.Client
	log       *slog.Logger
}

// newTeller reads the flags.
func newTeller(c *cli.Context, log *slog.Logger) (*teller, error) {
	t := &teller{log: log, http: &http.Client{
		Timeout: tellAttempt,
		// Where a redirect leads is not where the user wanted this to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, text := range *c.Generic("notify").(*keys) {
		if text == "" {
			continue // a variable that is set to nothing
		}
		u, err := tellable("notify", text)
		if err != nil {
			return nil, err
		}
		t.notify = append(t.notify, u)
	}
	if text := c.String("heartbeat"); text != "" {
		u, err := tellable("heartbeat", text)
		if err != nil {
			return nil, err
		}
		t.heartbeat = u
	}
	return t, nil
}

// tellable reads the URL of a flag, which an error does not show: it may hold a
// token.
func tellable(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, usageError("--%s: what it is set to is no URL; want https://HOST/PATH (it is not shown here, for it may hold a token)", flag)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, usageError("--%s: %s is not https: what is sent there could be read on the way; only a loopback address may do without", flag, placeOf(u))
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// placeOf is what may be said of such a URL: path, query and user may be tokens.
func placeOf(u *url.URL) string { return u.Scheme + "://" + u.Host + "/…" }

// end tells everybody at once how the run ended: of jobs that began, with their
// summaries, and by the exit code in any case.
func (t *teller) end(ctx context.Context, within time.Duration, summaries []summary, code int) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var wg sync.WaitGroup
	tell := func(flag string, u *url.URL, contentType string, body []byte) {
		wg.Go(func() {
			if err := t.post(ctx, u, contentType, body); err != nil {
				t.log.Warn("--"+flag+": it could not be told how the run ended", "to", placeOf(u), "error", err)
			}
		})
	}
	if len(summaries) > 0 {
		var body bytes.Buffer
		if err := writeJSON(&body, summaryReport{summaries}); err != nil {
			t.log.Warn("--notify: the summary can not be written", "error", err)
		}
		for _, u := range t.notify {
			tell("notify", u, "application/json", body.Bytes())
		}
	}
	if t.heartbeat != nil {
		u := t.heartbeat
		if code != exitDone {
			u = u.JoinPath("fail")
		}
		tell("heartbeat", u, "text/plain; charset=utf-8", []byte(beat(summaries, code)))
	}
	wg.Wait()
}

// beat is what a heartbeat says: the exit code, and the state of each job.
func beat(summaries []summary, code int) string {
	text := fmt.Sprintf("exit %d\n", code)
	for _, s := range summaries {
		text += fmt.Sprintf("%s: %s\n", s.Job, s.State)
	}
	return text
}

// post sends a body until it is taken, a few times at most.
func (t *teller) post(ctx context.Context, to *url.URL, contentType string, body []byte) error {
	pauses := ratelimit.NewBackoff(2*time.Second, 8*time.Second)
	for try := 1; ; try++ {
		again, err := t.try(ctx, to, contentType, body)
		if err == nil || !again || try == tellTries {
			return err
		}
		select {
		case <-time.After(pauses.NextBackOff()):
		case <-ctx.Done():
			return err
		}
	}
}

// try sends once. again says that another try may go better.
func (t *teller) try(ctx context.Context, to *url.URL, contentType string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return false, withoutURL(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "batch/"+version)
	resp, err := t.http.Do(req)
	if err != nil {
		return true, withoutURL(err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.log.Debug("the answer could not be read to its end", "to", placeOf(to), "error", withoutURL(err))
	}
	switch {
	case resp.StatusCode < 300:
		return false, nil
	case resp.StatusCode < 400:
		return false, fmt.Errorf("it answered %s, and redirects are not followed: name the URL that it leads to", resp.Status)
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("it answered %s", resp.Status)
}

// withoutURL takes the URL out of an error of net/http.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// summaryReport is what `batch run --json` prints.
type summaryReport struct {
	Jobs []summary `json:"jobs"`
}
