package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// line is a limiter at which everybody waits in turn, for so long. It can be shut.
type line struct {
	every time.Duration
	turn  chan struct{} // holds an element while it is somebody's
	shut  chan struct{}
}

func (l *line) Wait(ctx context.Context, after time.Duration) error {
	pass := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-l.shut:
			return errShut
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := pass(after); err != nil {
		return err
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-l.shut:
		return errShut
	}
	return pass(l.every)
}
func (*line) Throttled(time.Duration, bool) {}
func (*line) Succeeded()                    {}

// visits is a server in the same process that notes when it was asked for what.
type visits struct {
	mu sync.Mutex
	at map[string][]time.Time // by the last part of the path
}

func (v *visits) RoundTrip(r *http.Request) (*http.Response, error) {
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	v.mu.Lock()
	v.at[name] = append(v.at[name], time.Now())
	v.mu.Unlock()
	body := `{}`
	if name == "token" {
		body = tokenBody
	}
	resp := respond(r, body)
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// hourly is a client that sends in even hours alone, one call a second.
func hourly(t *testing.T) (*Client, *visits, *line, *bytes.Buffer) {
	v, l, log := &visits{at: map[string][]time.Time{}}, &line{every: time.Second, turn: make(chan struct{}, 1), shut: make(chan struct{})}, &bytes.Buffer{}
	cfg := config("http://127.0.0.1:1")
	cfg.Transport = v
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	c, err := New(cfg)
	require.NoError(t, err)
	return c.For(l, LogWith("job", "spring"), Opening(func(now time.Time) time.Time {
		if now.Hour()%2 == 0 {
			return now
		}
		return now.Truncate(time.Hour).Add(time.Hour)
	})), v, l, log
}

func TestCallsKeepToTheirHoursAndReadsAreNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v, _, log := hourly(t)
		time.Sleep(time.Hour - 10*time.Second) // to 00:59:50
		var wg sync.WaitGroup
		for range 30 { // of which ten get a token before 01:00
			wg.Go(func() {
				_, err := c.SendMessage(t.Context(), []byte(`{}`))
				assert.NoError(t, err)
			})
		}
		time.Sleep(time.Minute)
		pause, paused := c.Paused()
		require.True(t, paused)
		assert.Equal(t, "outside of hours", pause.Why)
		assert.Equal(t, 2, pause.Until.Hour())
		_, err := c.GetApp(t.Context(), "app")
		require.NoError(t, err)
		assert.Equal(t, 1, time.Now().Hour(), "a read goes out in between")
		wg.Wait()

		hours := map[int]int{}
		for _, at := range v.at["messages:send"] {
			hours[at.Hour()]++
		}
		assert.Equal(t, map[int]int{0: 9, 2: 21}, hours, "whoever got a token too late waited again")
		assert.Greater(t, len(v.at["token"]), 1, "the access token was over by then")
		_, paused = c.Paused()
		assert.False(t, paused)
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line, whatever the number of those who wait: %s", log)
		assert.Contains(t, log.String(), `level=INFO msg="sending waits" job=spring why="outside of hours" until=2000-01-01T02:00:00.000Z`)
	})
}

func TestAStopEndsEveryWaitAtOnce(t *testing.T) {
	over := errors.New("the grace is over")
	for name, stop := range map[string]func(*Client, *line){
		"the limiter is closed": func(_ *Client, l *line) { close(l.shut) },
		"calls are cancelled":   func(c *Client, _ *line) { c.CancelCalls(over) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, v, l, _ := hourly(t)
				time.Sleep(time.Hour)
				failed := make(chan error)
				go func() {
					_, err := c.SendMessage(t.Context(), []byte(`{}`))
					failed <- err
				}()
				go func() {
					failed <- c.Wait(t.Context(), Pause{Why: "the queue is full", Until: time.Now().Add(90 * time.Minute)})
				}()
				synctest.Wait()
				pause, _ := c.Paused()
				assert.Equal(t, "the queue is full", pause.Why, "what lasts longest is told")
				began := time.Now()
				stop(c, l)
				for range 2 {
					assert.Equal(t, NotSent, mustFail(t, <-failed).Intent)
				}
				assert.Equal(t, began, time.Now())
				assert.Empty(t, v.at["messages:send"])
			})
		})
	}
}

func TestAClockThatIsSetIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _, _ := hourly(t)
		set := time.Now().Add(time.Hour)
		Opening(func(now time.Time) time.Time {
			if now.Before(set) {
				return now.Add(12 * time.Hour)
			}
			return now // the clock was found to be slow by half a day
		})(c)
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		require.NoError(t, err)
		assert.Less(t, time.Since(set), lookAgain+2*time.Second)
	})
}
