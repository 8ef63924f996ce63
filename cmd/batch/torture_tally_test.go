package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"convbatch/internal/faultproxy"
)

// tally counts what the suite did and what came of it. Rounds that run side by
// side share it.
type tally struct {
	mu    sync.Mutex
	began time.Time

	Seconds   int                     `json:"seconds"`
	Rounds    map[string]int          `json:"rounds"`
	Kills     map[string]int          `json:"kills"`
	Harm      map[string]int          `json:"harm"` // signals, full disks, damaged files, …
	Faults    map[faultproxy.Kind]int `json:"faults"`
	Requests  int                     `json:"requests"`
	Rows      int                     `json:"rows"`
	Messages  int                     `json:"messages_archived"`
	Settled   int                     `json:"in_doubt_settled"` // by looking for them
	Listed    int                     `json:"in_doubt_listed"`
	Lost      int                     `json:"lost"`
	Twice     int                     `json:"twice"`
	Shortfall []string                `json:"shortfall,omitempty"` // what this machine does not permit
}

func newTally() *tally {
	return &tally{
		began:  time.Now(),
		Rounds: make(map[string]int), Kills: make(map[string]int), Harm: make(map[string]int), Faults: make(map[faultproxy.Kind]int),
	}
}

func (c *tally) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *tally) round(scenario string, requests map[faultproxy.Kind]int) {
	c.change(func() {
		c.Rounds[scenario]++
		for kind, n := range requests {
			c.Requests += n
			if kind != faultproxy.Pass {
				c.Faults[kind] += n
			}
		}
	})
}

func (c *tally) kill(moment string) { c.change(func() { c.Kills[moment]++ }) }
func (c *tally) harm(what string)   { c.change(func() { c.Harm[what]++ }) }
func (c *tally) archived(n int)     { c.change(func() { c.Messages += n }) }
func (c *tally) lost()              { c.change(func() { c.Lost++ }) }
func (c *tally) twice()             { c.change(func() { c.Twice++ }) }
func (c *tally) shortfall(why string) {
	c.change(func() {
		if !slices.Contains(c.Shortfall, why) {
			c.Shortfall = append(c.Shortfall, why)
		}
	})
}

func (c *tally) settled(rows, listed, found int) {
	c.change(func() { c.Rows, c.Listed, c.Settled = c.Rows+rows, c.Listed+listed, c.Settled+found })
}

func (c *tally) json() []byte {
	c.Seconds = int(time.Since(c.began).Seconds())
	text, _ := json.MarshalIndent(c, "", "  ") // of numbers and names: no error
	return append(text, '\n')
}

// String is the counts as a table.
func (c *tally) String() string {
	var b strings.Builder
	line := func(what string, n int) { fmt.Fprintf(&b, "%10s  %s\n", count(int64(n)), what) }
	breakdown(line, "rounds", c.Rounds)
	breakdown(line, "kills (SIGKILL)", c.Kills)
	breakdown(line, "other harm", c.Harm)
	breakdown(line, "answers spoiled", c.Faults)
	line("requests", c.Requests)
	line("rows sent", c.Rows)
	line("messages archived", c.Messages)
	line("in doubt, settled by looking for them", c.Settled)
	line("in doubt, listed", c.Listed)
	line("lost", c.Lost)
	line("twice", c.Twice)
	for _, why := range c.Shortfall {
		fmt.Fprintf(&b, "not as it should be: %s\n", why)
	}
	fmt.Fprintf(&b, "in %s\n", time.Since(c.began).Round(time.Second))
	return b.String()
}

func breakdown[K ~string](line func(string, int), what string, of map[K]int) {
	sum := 0
	for _, n := range of {
		sum += n
	}
	line(what, sum)
	for _, key := range slices.Sorted(maps.Keys(of)) {
		line("  "+string(key), of[key])
	}
}
