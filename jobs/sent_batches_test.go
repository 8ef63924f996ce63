package jobs

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/pipeline"
)

// batchList is a server's list of batches: the status of each token, from the
// moment at which the list shows it.
type batchList map[string]struct {
	digest, status string
	shows          time.Time
}

func (l batchList) ask(_ context.Context, token string) (client.Page, error) {
	b, there := l[token]
	if !there || time.Now().Before(b.shows) {
		return client.Page{}, nil
	}
	item := fmt.Sprintf(`{"batch_id":"ID-%s","status":%q,"meta_data":{"batch_key":%q,"batch_digest":%q}}`, token, b.status, token, b.digest)
	other := `{"batch_id":"OTHER","status":"PROCESSED","meta_data":{"batch_key":"other","batch_digest":"d"}}`
	return client.Page{Items: [][]byte{[]byte(other), []byte(item)}}, nil
}

// untilTold asks until it is not too early any more, and returns how long that took.
func untilTold(s *sentBatches, token string, d pipeline.Doubt) (id string, took time.Duration, err error) {
	began := time.Now()
	for {
		id, err = s.find(context.Background(), []byte(`{"batch_metadata":{"batch_digest":"d"}}`), token, d)
		var early *notYet
		if !errors.As(err, &early) {
			return id, time.Since(began), err
		}
		time.Sleep(early.wait)
	}
}

func TestWhatIsSaidOfABatchInDoubt(t *testing.T) {
	t.Parallel()
	const settle = 10 * time.Second
	type shown = struct {
		digest, status string
		shows          time.Time
	}
	for name, c := range map[string]struct {
		list    func(now time.Time) batchList
		witness bool // one was accepted since
		unknown bool // when the claim was made
		id      string
		after   time.Duration
		reason  string // of not knowing; "" for certain
	}{
		"it is there":     {func(now time.Time) batchList { return batchList{"a": shown{"d", "PROCESSED", now}} }, false, false, "ID-a", settle, ""},
		"it is scheduled": {func(now time.Time) batchList { return batchList{"a": shown{"d", "SCHEDULED", now}} }, false, false, "ID-a", settle, ""},
		"it was cancelled": {
			func(now time.Time) batchList { return batchList{"a": shown{"d", "CANCELLED", now}} }, true, false, "", settle, "was cancelled",
		},
		"another is there": {
			func(now time.Time) batchList { return batchList{"a": shown{"e", "PROCESSED", now}} }, true, false, "", settle, "which had other rows",
		},
		"nothing is there": {func(time.Time) batchList { return batchList{} }, false, false, "", patience * settle, "none was accepted later"},
		"it is not there, and a later one is": {
			func(now time.Time) batchList { return batchList{"w": shown{"d", "PROCESSED", now}} }, true, false, "", settle, "",
		},
		"the list is late, and shows both at once": {
			func(now time.Time) batchList {
				late := now.Add(5 * settle)
				return batchList{"a": shown{"d", "PROCESSED", late}, "w": shown{"d", "PROCESSED", late}}
			}, true, false, "ID-a", 5 * settle, "",
		},
		"the list never shows the later one": {
			func(time.Time) batchList { return batchList{} }, true, false, "", mostPatience*settle + settle, "has not shown a batch that it accepted",
		},
		"a claim of another request": {
			func(now time.Time) batchList { return batchList{"a": shown{"d", "PROCESSED", now}} }, true, true, "", 0, "not known when",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &sentBatches{ask: c.list(time.Now()).ask, settle: settle, began: time.Now()}
				s.calls.add(0)
				if c.witness {
					s.accepted("w", time.Now().Add(time.Millisecond))
				}
				d := pipeline.Doubt{Since: time.Now()}
				if c.unknown {
					d.Since = time.Time{}
				}
				id, took, err := untilTold(s, "a", d)
				assert.Equal(t, c.id, id)
				assert.Equal(t, c.after, took)
				if c.reason == "" {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errUnknowable)
					assert.ErrorContains(t, err, c.reason)
				}
			})
		})
	}
}

// While calls go on there may be a witness yet.
func TestAWitnessIsWaitedForWhileCallsGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sentBatches{ask: batchList{}.ask, settle: time.Second, began: time.Now()}
		s.calling(1)
		go func() {
			time.Sleep(time.Hour)
			s.calling(-1)
		}()
		_, took, err := untilTold(s, "a", pipeline.Doubt{Since: time.Now()})
		require.ErrorIs(t, err, errUnknowable)
		assert.Equal(t, time.Hour+patience*time.Second, took)
	})
}
