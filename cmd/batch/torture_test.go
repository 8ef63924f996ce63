package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The torture suite tries to break promises 1 and 2 of the README, never twice
// and never lost, with the real program, the emulator, and a proxy in a process
// of its own that spoils answers. It consists of rounds. The seed of a round
// decides its scenario and all that is drawn in it; the rounds of one call have
// seeds that follow on each other, so that every scenario has its turn.
//
//	go test -run TestTorture ./cmd/batch     a short round of each scenario; part of make test
//	make torture                             for half an hour, with bin/batch
//	make torture TORTURE=1x SEED=1234        round 1234 again, alone
//
// A round that fails says how to have it again. A seed repeats what is done to the program and after how long, not how the
// machine schedules it: where a round does not fail again, repeat it some times.
var (
	tortureFor    = flag.String("torture", "", "how long the torture suite goes on: a time such as 30m or a number of rounds such as 100x; default: one round of each scenario")
	tortureSeed   = flag.Uint64("seed", 0, "the seed of the torture suite's first round; default: the time")
	tortureReport = flag.String("torture-json", "", "a file for the torture suite's counts")
)

// mostBroken is how many rounds may fail before the suite gives up.
const mostBroken = 10

func TestTorture(t *testing.T) {
	t.Parallel()
	goesOn, err := patience(*tortureFor)
	require.NoError(t, err)
	seed := *tortureSeed
	if seed == 0 {
		seed = uint64(time.Now().Unix())
	}
	t.Logf("seeds from %d", seed)
	counts := newTally()
	var next, broken atomic.Uint64
	var wg sync.WaitGroup
	for range min(2, runtime.NumCPU()) {
		wg.Go(func() {
			for i := next.Add(1) - 1; goesOn(i) && broken.Load() < mostBroken; i = next.Add(1) - 1 {
				if !tortureRound(t, seed+i, counts) {
					broken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("\n%s", counts)
	if *tortureReport != "" {
		require.NoError(t, os.WriteFile(*tortureReport, counts.json(), 0o600))
	}
	if rounds := next.Load(); rounds > 20*uint64(len(scenarios)) {
		for _, m := range moments {
			require.NotZero(t, counts.Kills[m.name], "no process was killed at this moment in %d rounds: %s", rounds, m.name)
		}
	}
}

// patience reads -torture, and returns whether round i may begin.
func patience(text string) (goesOn func(i uint64) bool, err error) {
	if text == "" {
		text = fmt.Sprintf("%dx", len(scenarios))
	}
	if number, ok := strings.CutSuffix(text, "x"); ok {
		n, err := strconv.ParseUint(number, 10, 32)
		return func(i uint64) bool { return i < n }, err
	}
	d, err := time.ParseDuration(text)
	end := time.Now().Add(d)
	return func(uint64) bool { return time.Now().Before(end) }, err
}

// tortureRound does the round of a seed and says whether the promises held.
func tortureRound(t *testing.T, seed uint64, counts *tally) bool {
	s := scenarios[seed%uint64(len(scenarios))]
	name := fmt.Sprintf("%s-%d", s.name, seed)
	ok := t.Run(name, func(t *testing.T) {
		r := &round{test: t, seed: seed, random: rand.New(rand.NewPCG(seed, 3)), tally: counts, short: *tortureFor == ""}
		defer r.over(s.name)
		s.play(r)
	})
	switch {
	case ok:
	case *tortureFor == "":
		t.Errorf("again: go test -race -run TestTorture/%s ./cmd/batch -args -seed %d", name, seed)
	default:
		t.Errorf("again: make torture TORTURE=1x SEED=%d", seed)
	}
	return ok
}
