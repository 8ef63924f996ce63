package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/jsonscan"
)

// take has c read a page as the client does.
func take(c *collected, page [][]byte) error {
	for i, body := range page {
		scan := jsonscan.New(body)
		c.page.read(i, &scan)
	}
	return c.take(page)
}

// Pages are asked for a thousand at a time, and may have few messages.
func TestAFewMessagesDoNotKeepTheRoomOfManyEither(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := &collected{env: &Env{Now: time.Now}, w: window{From: at, To: at.Add(time.Minute)}, seen: map[string]struct{}{}}
	got.page.size = windowPage
	for _, n := range []int{3, windowPage, 1, 2 * windowPage} {
		var page [][]byte
		for i := range n {
			page = append(page, fmt.Appendf(nil, `{"id":"%d-%d","accept_time":%q}`, n, i, at.Format(time.RFC3339)))
		}
		before := len(got.messages)
		require.NoError(t, take(got, page))
		require.LessOrEqual(t, cap(got.page.messages), 2*n)
		require.Len(t, got.messages, before+n)
		require.Same(t, &got.page.messages[0], got.messages[before], "it is not copied")
	}
}

// A message that is kept must not keep its page, unless most of that is kept.
func TestFewMessagesOfAPageDoNotKeepIt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		belong int  // of ten
		shares bool // the memory of the page
	}{{1, false}, {4, false}, {5, true}, {10, true}} {
		var page [][]byte
		for i := range 10 {
			when := at.Add(time.Hour)
			if i < c.belong {
				when = at
			}
			page = append(page, fmt.Appendf(nil, `{"id":"m%d","accept_time":%q,"metadata":"words"}`, i, when.Format(time.RFC3339)))
		}
		got := &collected{env: &Env{Now: time.Now, RunID: "R"}, w: window{From: at, To: at.Add(time.Minute)}, seen: map[string]struct{}{}}
		require.NoError(t, take(got, page))
		require.Len(t, got.messages, c.belong)
		for _, body := range page {
			for i := range body {
				body[i] = 'x'
			}
		}
		for i, m := range got.messages {
			assert.Equal(t, c.shares, m.Metadata == "xxxxx", "%d of ten", c.belong)
			if !c.shares {
				assert.Equal(t, fmt.Sprint("m", i), m.ID)
				assert.Equal(t, "R", m.RunID)
				assert.Contains(t, got.seen, m.ID)
			}
		}
	}
}

func TestRecordsComeTheOldestFirstEachInTheFolderOfItsDay(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	got := &collected{env: &Env{Now: time.Now}, w: window{From: time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), To: midnight.Add(time.Hour)}, seen: map[string]struct{}{}}
	var page [][]byte
	for i, at := range []time.Time{midnight, midnight.Add(-time.Nanosecond), midnight.AddDate(0, 0, -1), time.Unix(1, 0).UTC(), time.Unix(-1, 0).UTC()} {
		page = append(page, fmt.Appendf(nil, `{"id":"m%d","accept_time":%q}`, i, at.Format(time.RFC3339Nano)))
	}
	require.NoError(t, take(got, page))
	out, err := got.outcome(nil)
	require.NoError(t, err)
	var folders []string
	for _, r := range out.Records {
		folders = append(folders, r.Partition)
	}
	assert.Equal(t, []string{"date=1969-12-31", "date=1970-01-01", "date=2026-02-28", "date=2026-02-28", "date=2026-03-01"}, folders)
}
