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

// shownBatch is a batch in a server's list, from a moment on.
type shownBatch struct {
	rows, status string
	shows        time.Time
}

// batchList is a server's list of batches, by their tokens.
type batchList map[string]shownBatch

func (l batchList) ask(_ context.Context, token string) (client.Page, error) {
	b, there := l[token]
	if !there || time.Now().Before(b.shows) {
		return client.Page{}, nil
	}
	item := fmt.Sprintf(`{"batch_id":"ID-%s","status":%q,"meta_data":{"batch_key":%q,"batch_rows":%q}}`, token, b.status, token, b.rows)
	other := `{"batch_id":"OTHER","status":"PROCESSED","meta_data":{"batch_key":"other","batch_rows":"20:4A"}}`
	return client.Page{Items: [][]byte{[]byte(other), []byte(item)}}, nil
}

// inDoubt are the rows of the group in doubt; 20:0A is without the second.
var inDoubt = batchRows{20, 21, 22}

// untilTold asks until it is not too early any more, and returns how long that took.
func untilTold(s *sentBatches, token string, d pipeline.Doubt) (found *sentBatch, took time.Duration, err error) {
	began := time.Now()
	for {
		found, err = s.find(context.Background(), token, inDoubt, d)
		var early *notYet
		if !errors.As(err, &early) {
			return found, time.Since(began), err
		}
		time.Sleep(early.wait)
	}
}

const settleTime = 10 * time.Second

// batchDoubts are what a list may show of the batch "a", which is in doubt.
var batchDoubts = map[string]struct {
	list    func(now time.Time) batchList
	witness bool // "w" was accepted since
	unknown bool // when the claim was made
	ref     string
	after   time.Duration
	reason  string // of not knowing; "" for certain
}{
	"it is there": {
		list: func(now time.Time) batchList { return batchList{"a": {"20:4A", "PROCESSED", now}} },
		ref:  "ID-a:2", after: settleTime,
	},
	"it is scheduled": {
		list: func(now time.Time) batchList { return batchList{"a": {"20:4A", "SCHEDULED", now}} },
		ref:  "ID-a:2", after: settleTime,
	},
	"it is there without one of the rows": {
		list: func(now time.Time) batchList { return batchList{"a": {"20:oA", "PROCESSED", now}} },
		ref:  "ID-a:1", after: settleTime,
	},
	"it was cancelled": {
		list:    func(now time.Time) batchList { return batchList{"a": {"20:4A", "CANCELLED", now}} },
		witness: true, after: settleTime, reason: "was cancelled",
	},
	"it does not say which rows it had": {
		list:    func(now time.Time) batchList { return batchList{"a": {"", "PROCESSED", now}} },
		witness: true, after: settleTime, reason: "not which rows it had",
	},
	"one of other rows is there": {
		list: func(now time.Time) batchList {
			return batchList{"a": {"30:4A", "PROCESSED", now}, "w": {"40:gA", "PROCESSED", now}}
		},
		witness: true, after: settleTime,
	},
	"nothing is there": {
		list:  func(time.Time) batchList { return nil },
		after: patience * settleTime, reason: "none was accepted later",
	},
	"it is not there, and a later one is": {
		list:    func(now time.Time) batchList { return batchList{"w": {"40:gA", "PROCESSED", now}} },
		witness: true, after: settleTime,
	},
	"the list is late, and shows both at once": {
		list: func(now time.Time) batchList {
			late := now.Add(5 * settleTime)
			return batchList{"a": {"20:4A", "PROCESSED", late}, "w": {"40:gA", "PROCESSED", late}}
		},
		witness: true, ref: "ID-a:2", after: 5 * settleTime,
	},
	"the list never shows the later one": {
		list:    func(time.Time) batchList { return nil },
		witness: true, after: mostPatience*settleTime + settleTime, reason: "has not shown a batch that it accepted",
	},
	"a claim of another request": {
		list:    func(now time.Time) batchList { return batchList{"a": {"20:4A", "PROCESSED", now}} },
		witness: true, unknown: true, reason: "not known when",
	},
}

func TestWhatIsSaidOfABatchInDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range batchDoubts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &sentBatches{ask: c.list(time.Now()).ask, settle: settleTime, began: time.Now()}
				s.calls.add(0)
				if c.witness {
					s.accepted("w", "ID-w", time.Now().Add(time.Millisecond))
				}
				d := pipeline.Doubt{Since: time.Now()}
				if c.unknown {
					d.Since = time.Time{}
				}
				found, took, err := untilTold(s, "a", d)
				assert.Equal(t, c.ref, found.ref(22))
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

// A batch says in few characters which rows it has, whatever they are.
func TestTheRowsOfABatchComeBackFromItsMetadata(t *testing.T) {
	t.Parallel()
	var all, odd batchRows
	for seq := range int64(1000) {
		all = append(all, 7_000_000+seq)
		if seq%2 == 1 {
			odd = append(odd, 1_999_999_000+seq)
		}
	}
	for _, rows := range []batchRows{{0}, {5, 1004}, inDoubt, all, odd} {
		text := rows.String()
		assert.LessOrEqual(t, len(text), 190)
		assert.Equal(t, rows, parseBatchRows(text))
	}
	b := &sentBatch{"ID", odd}
	assert.Equal(t, "ID:499", b.ref(1_999_999_999))
	assert.Empty(t, b.ref(1_999_999_998))
	for _, text := range []string{"", "20", "20:", "20:AA", "x:4A", ":4A", "20:4A=", "20:~~"} {
		assert.Nil(t, parseBatchRows(text), text)
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
