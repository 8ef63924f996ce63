package emulator

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Call is one request to the API, as the server saw it.
type Call struct {
	Time      time.Time // of arrival
	Operation string    // as the specification names it; empty for a path that is none
	Status    int       // answered; 0 where the connection was broken off
}

// Requests are the calls to the API in the order in which they arrived. Those
// still being answered are not among them, nor are calls for a token.
type Requests []Call

// MaxInWindow is the greatest number of calls that arrived within any span of
// length d; spans are open at one end, so calls d apart do not share one.
func (r Requests) MaxInWindow(d time.Duration) int {
	most, oldest := 0, 0
	for i := range r {
		for r[i].Time.Sub(r[oldest].Time) >= d {
			oldest++
		}
		most = max(most, i-oldest+1)
	}
	return most
}

// Mean is how many calls a second arrived from the first to the last.
func (r Requests) Mean() float64 {
	if len(r) < 2 {
		return 0
	}
	span := r[len(r)-1].Time.Sub(r[0].Time).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(len(r)-1) / span
}

// Count is how many calls of an operation were answered with a status; an
// empty operation or a status of -1 stands for any.
func (r Requests) Count(operation string, status int) int {
	n := 0
	for _, c := range r {
		if (operation == "" || c.Operation == operation) && (status < 0 || c.Status == status) {
			n++
		}
	}
	return n
}

// visit is a Call as it is kept: there are millions of them.
type visit struct {
	at     int64
	op     *operation
	status int
}

type visits struct {
	mu     sync.Mutex
	list   []visit
	tokens int
}

func (v *visits) add(x visit) {
	v.mu.Lock()
	v.list = append(v.list, x)
	v.mu.Unlock()
}

func (v *visits) addToken() {
	v.mu.Lock()
	v.tokens++
	v.mu.Unlock()
}

func (v *visits) reset() {
	v.mu.Lock()
	v.list, v.tokens = nil, 0
	v.mu.Unlock()
}

// Requests lists the calls so far.
func (e *Emulator) Requests() Requests {
	e.visits.mu.Lock()
	list := slices.Clone(e.visits.list)
	e.visits.mu.Unlock()
	slices.SortStableFunc(list, func(a, b visit) int { return cmp.Compare(a.at, b.at) })
	calls := make(Requests, len(list))
	for i, x := range list {
		calls[i] = Call{Time: time.Unix(0, x.at).UTC(), Status: x.status}
		if x.op != nil {
			calls[i].Operation = x.op.id
		}
	}
	return calls
}

// TokenRequests is how often a token was asked for.
func (e *Emulator) TokenRequests() int {
	e.visits.mu.Lock()
	defer e.visits.mu.Unlock()
	return e.visits.tokens
}

// ResetCounters forgets the requests so far. What was accepted is kept.
func (e *Emulator) ResetCounters() { e.visits.reset() }
