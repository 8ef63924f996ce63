package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"convbatch/pipeline"
)

// However a span is cut, its windows cover each instant once.
func TestWindowsCoverASpanWithoutGapOrOverlap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		at := func(name string, from, to time.Duration) time.Time {
			return base.Add(time.Duration(rapid.Int64Range(int64(from), int64(to)).Draw(t, name))).Truncate(time.Microsecond)
		}
		span := archiveSpan{From: at("from", 0, 72*time.Hour), To: at("to", 72*time.Hour, 240*time.Hour)}
		if rapid.Bool().Draw(t, "ran before") {
			span.Known = at("known", 0, 240*time.Hour)
		}
		next := span.From
		for _, w := range firstWindows(conversationSource, span, true) {
			parts := []window{w}
			if n := rapid.IntRange(1, 16).Draw(t, "parts"); n > 1 {
				parts = w.split(n)
			}
			for _, p := range parts {
				require.True(t, p.From.Equal(next), "%s begins where the last ended", p)
				require.True(t, p.From.Before(p.To))
				next = p.To
			}
			last := w.To.Add(-time.Nanosecond)
			require.Equal(t, w.From.Format(time.DateOnly), last.Format(time.DateOnly), "a window lies in one partition")
			if w.From.Before(span.Known) && span.Known.Sub(span.From) <= longLookback {
				require.LessOrEqual(t, w.To.Sub(w.From), time.Hour, "what may be known is looked up in small parts")
			}
		}
		require.True(t, next.Equal(span.To))
	})
}

func TestAWindowIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	active := true
	w := window{
		Source: dispatchSource, From: time.Unix(1, 5).UTC(), To: time.Unix(9, 7).UTC(), KnownUntil: time.Unix(3, 0).UTC(),
		List: &active, Conversations: []string{"a", "b"}, Token: "t", Brought: []string{"m"},
	}
	item, err := w.item()
	require.NoError(t, err)
	back, err := windowOf(item)
	require.NoError(t, err)
	assert.Equal(t, w, back)
	_, err = windowOf(pipeline.Item{Data: 7})
	assert.ErrorContains(t, err, "not a window")
}
