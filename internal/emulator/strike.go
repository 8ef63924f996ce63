package emulator

import (
	"net/http"
	"time"
)

// serveFault answers a request that a fault acts on.
func (e *Emulator) serveFault(w http.ResponseWriter, c *call, f *Fault, do func(*call) reply) int {
	switch f.Kind {
	case FaultResetBefore:
		reset(w)
		return 0
	case FaultDelay:
		if !wait(c.Context(), time.Duration(f.Delay)) {
			return 0
		}
		return e.deliver(w, c, do(c))
	}
	if answer, replaces := f.answer(or(c.shape, f.Shape)); replaces {
		if f.Accepted || answer.status < 300 {
			proper := do(c)
			proper.release()
		}
		return e.deliver(w, c, answer)
	}
	return e.spoil(w, c, f, do(c))
}

// spoil does a fault's harm to an answer whose request took effect.
func (e *Emulator) spoil(w http.ResponseWriter, c *call, f *Fault, answer reply) int {
	defer answer.release()
	switch f.Kind {
	case FaultResetAfter:
		reset(w)
		return 0
	case FaultDelayAfter:
		if !wait(c.Context(), time.Duration(f.Delay)) {
			return 0
		}
		answer.send(w)
	case FaultTruncate:
		answer.announce(w)
		_, _ = w.Write(answer.body[:len(answer.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case FaultSlowBody:
		answer.announce(w)
		trickle(w, c, answer.body, time.Duration(f.Delay))
	}
	return answer.status
}

// trickle writes a body in parts, spread over d.
func trickle(w http.ResponseWriter, c *call, body []byte, d time.Duration) {
	const parts = 16
	for i := range parts {
		if !wait(c.Context(), d/parts) {
			return
		}
		_, _ = w.Write(body[len(body)*i/parts : len(body)*(i+1)/parts])
		_ = http.NewResponseController(w).Flush()
	}
}
