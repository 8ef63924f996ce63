package sinks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is what a ledger has to know, kept in the plainest way.
type model struct {
	next    int64
	mark    int64
	settled map[int64]bool
	claimed map[int64]bool
	sent    map[int64]bool      // noted before the call went out
	at      map[int64]time.Time // of the claim

	inherited map[int64]bool // claimed by a process that died, and maybe sent
	items     map[int64]string
	counts    Counts
}

// TestResumeKnowsExactlyWhatIsSettledClaimedAndLeft drives a ledger and a
// model through commits, interruptions in order and deaths, moves to results
// among them, and compares where the run goes on.
func TestResumeKnowsExactlyWhatIsSettledClaimedAndLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "sinks-model-*")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		s, err := OpenStore(dir)
		require.NoError(t, err)
		m := &model{settled: map[int64]bool{}, claimed: map[int64]bool{}, sent: map[int64]bool{}, at: map[int64]time.Time{}, items: map[int64]string{}}

		l, err := s.Ledger(t.Context(), "model")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		first := m.drawItems(t)
		require.NoError(t, l.Begin(t.Context(), Run{ID: "R1", Kind: "model", StartedAt: noon}, first))
		l.rows = 10
		sink := l.Sink("R1", nil)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"commit", "commit", "commit", "commit", "finish", "die"}).Draw(t, "step") {
			case "commit":
				require.NoError(t, sink.Commit(t.Context(), m.drawCommit(t)))
				require.Equal(t, m.counts, l.Counts())
				m.drawSending(t, l)
				continue
			case "finish":
				run, err := l.Finish(t.Context(), Run{ID: "R1", State: Interrupted, StartedAt: noon})
				require.NoError(t, err)
				require.Equal(t, m.counts, run.Counts)
			}
			require.NoError(t, l.Close())
			if rapid.Bool().Draw(t, "machine dies too") { // what was not synced is lost
				require.NoError(t, os.Remove(filepath.Join(s.JobDir("model"), journalFile)))
				maps.Copy(m.sent, m.claimed)
			}
			l, err = reopened(t.Context(), s, "model")
			require.NoError(t, err)
			l.rows = 10
			p, err := l.Resume(t.Context(), "R1")
			require.NoError(t, err)
			m.requirePosition(t, p)
			m.inherited = map[int64]bool{}
			for seq := range m.claimed {
				m.inherited[seq] = m.sent[seq]
			}
			require.Equal(t, m.counts, l.Counts())
			sink = l.Sink("R1", nil)
		}
	})
}

func (m *model) drawItems(t *rapid.T) []pipeline.Item {
	var items []pipeline.Item
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		data := fmt.Sprintf(`{"n":%d}`, m.next)
		items = append(items, pipeline.Item{Seq: m.next, Key: fmt.Sprint("i", m.next), Data: json.RawMessage(data)})
		m.items[m.next] = data
		m.next++
	}
	return items
}

func (m *model) drawCommit(t *rapid.T) pipeline.Commit {
	var c pipeline.Commit
	var open []int64
	for seq := m.mark; seq < m.next; seq++ {
		if !m.settled[seq] {
			open = append(open, seq)
		}
	}
	for _, seq := range open {
		if !rapid.Bool().Draw(t, "settle") {
			continue
		}
		state := rapid.SampledFrom(pipeline.States()).Draw(t, "state")
		c.Outcomes = append(c.Outcomes, pipeline.Outcome{Seq: seq, State: state, FinishedAt: noon})
		m.settled[seq] = true
		*m.counts.of(state)++
	}
	c.Outcomes = rapid.Permutation(c.Outcomes).Draw(t, "order")
	for m.settled[m.mark] {
		m.mark++
	}
	c.Mark = m.mark
	c.Items = m.drawItems(t)
	if rapid.Bool().Draw(t, "release") {
		c.Release = true
		for _, seq := range slices.Sorted(maps.Keys(m.claimed)) {
			if m.sent[seq] && !m.settled[seq] && rapid.Bool().Draw(t, "in doubt") { // its answer was lost
				c.InDoubt = append(c.InDoubt, pipeline.Claim{Range: pipeline.Range{From: seq, To: seq + 1}, At: m.at[seq]})
			} else if !m.inherited[seq] { // what a process that died may have sent stays claimed
				delete(m.claimed, seq)
				delete(m.sent, seq)
				delete(m.at, seq)
			}
		}
	} else if n := int64(rapid.IntRange(0, 6).Draw(t, "claim")); n > 0 {
		c.Claim = &pipeline.Claim{Range: pipeline.Range{From: m.next, To: m.next + n}, At: noon.Add(time.Duration(m.next) * time.Second)}
		if rapid.Bool().Draw(t, "undated") {
			c.Claim.At = time.Time{}
		}
		for seq := m.next; seq < m.next+n; seq++ {
			m.claimed[seq], m.at[seq] = true, c.Claim.At
		}
		m.next += n
	}
	return c
}

// drawSending notes that some of what is claimed goes out.
func (m *model) drawSending(t *rapid.T, l *Ledger) {
	for _, seq := range slices.Sorted(maps.Keys(m.claimed)) {
		if rapid.Bool().Draw(t, "send") {
			require.NoError(t, l.Sending(seq))
			m.sent[seq] = true
		}
	}
}

func (m *model) requirePosition(t *rapid.T, p *Position) {
	require.Equal(t, m.mark, p.Mark)
	for seq := m.mark; seq < m.next+2; seq++ {
		has := func(r pipeline.Range) bool { return r.Contains(seq) }
		require.Equal(t, m.settled[seq], slices.ContainsFunc(p.Settled, has), "item %d settled", seq)
		claim := slices.IndexFunc(p.Claims, func(c pipeline.Claim) bool { return c.Contains(seq) })
		require.Equal(t, m.claimed[seq] && m.sent[seq], claim >= 0, "item %d claimed", seq)
		if claim >= 0 {
			require.True(t, m.at[seq].Equal(p.Claims[claim].At), "item %d was claimed at %s, not %s", seq, m.at[seq], p.Claims[claim].At)
		}
		i := slices.IndexFunc(p.Items, func(item pipeline.Item) bool { return item.Seq == seq })
		data, stored := m.items[seq]
		require.Equal(t, stored && !m.settled[seq], i >= 0, "item %d left", seq)
		if i >= 0 {
			require.Equal(t, json.RawMessage(data), p.Items[i].Data)
		}
	}
	require.True(t, slices.IsSortedFunc(p.Items, func(a, b pipeline.Item) int { return int(a.Seq - b.Seq) }))
	// What was claimed, released and never settled leaves no trace, and its numbers no gap.
	require.LessOrEqual(t, p.NextSeq, m.next)
	for seq := range m.items {
		require.Less(t, seq, p.NextSeq)
	}
	for seq := range m.claimed {
		require.True(t, seq < p.NextSeq)
	}
}
