package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// arrivalsPath is where a stub tells of its arrivals.
const arrivalsPath = "/arrivals"

// arrivals is when each send came to a stub. A nil one keeps nothing.
type arrivals struct {
	mu      sync.Mutex
	times   []time.Time
	refused int // with 429
}

func (a *arrivals) add(at time.Time, refused bool) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times = append(a.times, at)
	if refused {
		a.refused++
	}
}

// arrived is what a stub says of its arrivals, those that were refused among them.
type arrived struct {
	Count   int
	Refused int
	Busiest int           // in any sliding second
	Span    time.Duration // from the first to the last
}

// mean is how many came in a second.
func (a arrived) mean() float64 { return float64(a.Count-1) / a.Span.Seconds() }

func (a *arrivals) counted() arrived {
	if a == nil {
		return arrived{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	all := arrived{Count: len(a.times), Refused: a.refused}
	if all.Count == 0 {
		return all
	}
	slices.SortFunc(a.times, time.Time.Compare)
	all.Span = a.times[all.Count-1].Sub(a.times[0])
	first := 0
	for i, at := range a.times {
		for at.Sub(a.times[first]) >= time.Second {
			first++
		}
		all.Busiest = max(all.Busiest, i-first+1)
	}
	return all
}

// arrived asks a stub.
func (s *server) arrived() (a arrived, err error) {
	resp, err := http.Get(s.URLs.Conversation + arrivalsPath)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	return a, json.NewDecoder(resp.Body).Decode(&a)
}
