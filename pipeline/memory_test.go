package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"convbatch/pipeline"
)

// memory is a sink that keeps what a disk would keep, and can fail.
type memory struct {
	mu        sync.Mutex
	outcomes  map[int64]pipeline.Outcome
	claims    []pipeline.Claim
	inherited []pipeline.Claim // of the processes before
	items     []pipeline.Item
	mark      int64
	commits   int
	latency   func() time.Duration
	fail      func(n int) error
}

func newMemory() *memory { return &memory{outcomes: map[int64]pipeline.Outcome{}} }

func (m *memory) Commit(_ context.Context, c pipeline.Commit) error {
	if m.latency != nil {
		time.Sleep(m.latency())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	if m.fail != nil {
		if err := m.fail(m.commits); err != nil {
			return err
		}
	}
	for _, o := range c.Outcomes {
		if _, twice := m.outcomes[o.Seq]; twice {
			return fmt.Errorf("outcome of item %d committed twice", o.Seq)
		}
		m.outcomes[o.Seq] = o
	}
	for seq := m.mark; seq < c.Mark; seq++ {
		if _, ok := m.outcomes[seq]; !ok {
			return fmt.Errorf("mark %d passes the unsettled item %d", c.Mark, seq)
		}
	}
	m.mark = c.Mark
	if c.Claim != nil {
		m.claims = append(m.claims, *c.Claim)
	}
	if c.Release {
		m.claims = append(slices.Clone(m.inherited), c.InDoubt...)
	}
	m.items = append(m.items, c.Items...)
	return nil
}

func (m *memory) claimed(seq int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.claims {
		if c.Contains(seq) {
			return true
		}
	}
	return false
}

// doubt is what an item is handed out with that was claimed.
func (m *memory) doubt(seq int64) *pipeline.Doubt {
	if !m.claimed(seq) {
		return nil
	}
	return &pipeline.Doubt{}
}

// settledBeyond is what a resumed run is told.
func (m *memory) settledBeyond() []pipeline.Range {
	var rs []pipeline.Range
	for seq := range m.outcomes {
		if seq >= m.mark {
			rs = append(rs, pipeline.Range{From: seq, To: seq + 1})
		}
	}
	return rs
}

// rows yields n items, without those that an earlier process settled, and
// marks those that it had claimed.
type rows struct {
	n, at int64
	sink  *memory
}

func (r *rows) Next(context.Context) (pipeline.Item, error) {
	for ; r.at < r.n; r.at++ {
		if _, settled := r.sink.outcomes[r.at]; settled {
			continue
		}
		item := pipeline.Item{Seq: r.at, Key: fmt.Sprint(r.at), Doubt: r.sink.doubt(r.at)}
		r.at++
		return item, nil
	}
	return pipeline.Item{}, io.EOF
}

// snapshotRows is rows with the settled set taken before the run, as a ledger gives it.
func snapshotRows(n int64, sink *memory) *list {
	sink.inherited = slices.Clone(sink.claims)
	r := &rows{n: n, sink: sink}
	var l list
	for {
		item, err := r.Next(context.Background())
		if err != nil {
			return &l
		}
		l = append(l, item)
	}
}

type list []pipeline.Item

func (l *list) Next(context.Context) (pipeline.Item, error) {
	if len(*l) == 0 {
		return pipeline.Item{}, io.EOF
	}
	item := (*l)[0]
	*l = (*l)[1:]
	return item, nil
}
