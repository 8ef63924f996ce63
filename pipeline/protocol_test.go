package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheProtocolKeepsItsPromises walks everything that can happen to three
// rows with three calls that bring nothing and three ends of the process, in
// any mixture and order.
func TestTheProtocolKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for name, reconcile := range map[string]bool{"reconcile": true, "hold": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := model{reconcile: reconcile, losses: 3, ends: 3}.walk(nil)
			for _, l := range append(slices.Clone(laws), neverLost) {
				at, broken := k.breaks(l)
				assert.False(t, broken, "it is not true that %s:\n%s", l.says, k.trace(at))
			}

			want := slices.Clone(steps)
			if reconcile {
				want = append(want, "Deferred", "found", "absent")
			} else {
				want = append(want, "hold")
			}
			for _, name := range want {
				assert.NotZero(t, k.taken[name], "the walk never came to %q", name)
			}
			assert.Len(t, k.taken, len(want))
			t.Logf("%d states, %d transitions; every law holds in each, and from each the run can be completed", len(k.worlds), len(k.to))
		})
	}
}

// steps are those that the walk has to come to in either mode.
var steps = []string{
	"Start", "Claim", "Sending", "Call", "Commit", "Release", "releaseJournal", "death", "power cut",
	"request is accepted", "request is accepted late", "request vanishes", "message is listed",
	"answer: done", "answer: failed", "answer: not processed", "answer is lost",
}

// TestThePromiseNeedsEveryRule leaves one rule out at a time. The walk has to
// find what goes wrong then: so each rule is needed, and the walk can fail.
func TestThePromiseNeedsEveryRule(t *testing.T) {
	t.Parallel()
	for without, broken := range map[rule]*law{
		claimFirst:  neverTwice,
		noteFirst:   neverTwice,
		answerFirst: truthful,
		markLast:    markBehind,
		neverBlind:  neverTwice,
		patience:    neverTwice,
		keepDoubt:   neverTwice,
		oneProcess:  neverTwice,
		sameBoot:    neverTwice,
		carryClaims: neverTwice,
		honestNo:    neverTwice,
		promptCalls: neverTwice,
		promptLists: neverTwice,
		wholeLists:  neverTwice,
		takeUp:      neverLost,
	} {
		t.Run(string(without), func(t *testing.T) {
			t.Parallel()
			k := model{reconcile: true, without: without, losses: 1, ends: 2}.walk(broken)
			at, found := k.breaks(broken)
			require.True(t, found, "nothing goes wrong without the rule, in %d states", len(k.worlds))
			t.Logf("without it, it is not true that %s:\n%s", broken.says, k.trace(at))
		})
	}
}

// TestTheLawsCanBeBroken has a world for each law that breaks this law alone.
func TestTheLawsCanBeBroken(t *testing.T) {
	t.Parallel()
	sent := disk{claimed: seq(0), journal: seq(0)}
	for broken, w := range map[*law]world{
		neverTwice:    {disk: sent, api: api{accepted: seq(0), twice: seq(0)}},
		oneOutcome:    {disk: disk{outcome: [modelRows]state{inDoubt}, again: seq(0), mark: 1}},
		markBehind:    {disk: disk{mark: 1}},
		truthful:      {disk: disk{outcome: [modelRows]state{done}, mark: 1}},
		claimedBefore: {disk: disk{journal: seq(0)}, api: api{accepted: seq(0)}},
		notedBefore:   {disk: disk{claimed: seq(0)}, api: api{underway: [modelRows]uint8{1}}},
		noDoubtLeft:   {disk: disk{outcome: [modelRows]state{inDoubt, failed, failed}, mark: 3}},
	} {
		for _, l := range laws {
			assert.Equal(t, l != broken, l.holds(model{reconcile: true}, &w), "%q in the world that breaks %q", l.says, broken.says)
		}
	}
}

// walked is every world that can be reached, those first that take the fewest
// steps.
type walked struct {
	model
	worlds []world
	from   []int32 // the world that each was first reached from
	to     []int32 // the worlds that follow each, one after the other
	end    []int   // where in to those of each end
	taken  map[string]int
	broken map[*law]int32 // the first world in which it does not hold
}

// walk goes through everything that can happen, or until a law is broken.
func (m model) walk(until *law) *walked {
	k := &walked{model: m, taken: map[string]int{}, broken: map[*law]int32{}}
	number := map[world]int32{}
	reach := func(w world, from int32) int32 {
		n, known := number[w]
		if !known {
			n = int32(len(k.worlds))
			number[w] = n
			k.worlds, k.from = append(k.worlds, w), append(k.from, from)
		}
		return n
	}
	reach(world{}, 0)
	for at := int32(0); int(at) < len(k.worlds); at++ {
		w := k.worlds[at]
		for _, l := range laws {
			if _, already := k.broken[l]; !already && !l.holds(m, &w) {
				k.broken[l] = at
				if l == until {
					return k
				}
			}
		}
		m.next(w, func(s step, next world) {
			k.taken[s.name]++
			k.to = append(k.to, reach(next, at))
		})
		k.end = append(k.end, len(k.to))
	}
	return k
}

// breaks returns the first world in which a law does not hold.
func (k *walked) breaks(l *law) (at int32, broken bool) {
	if l != neverLost {
		at, broken = k.broken[l]
		return at, broken
	}
	completes := make([]bool, len(k.worlds))
	for more := true; more; {
		more = false
		for n := len(k.worlds) - 1; n >= 0; n-- {
			begin := 0
			if n > 0 {
				begin = k.end[n-1]
			}
			onwards := func(next int32) bool { return completes[next] }
			if !completes[n] && (k.worlds[n].completed() || slices.ContainsFunc(k.to[begin:k.end[n]], onwards)) {
				completes[n], more = true, true
			}
		}
	}
	n := slices.Index(completes, false)
	return int32(n), n >= 0
}

// trace is the shortest way to a world.
func (k *walked) trace(to int32) string {
	var lines []string
	for ; to > 0; to = k.from[to] {
		taken := false
		k.next(k.worlds[k.from[to]], func(s step, next world) {
			if !taken && next == k.worlds[to] {
				taken = true
				lines = append(lines, s.String())
			}
		})
	}
	slices.Reverse(lines)
	for n := range lines {
		lines[n] = fmt.Sprintf("%4d  %s", n+1, lines[n])
	}
	return strings.Join(lines, "\n")
}
