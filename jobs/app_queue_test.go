package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"convbatch/client"
)

func TestHowManyMayBeSentAndHowLongToWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		size, limit int64
		rate        float64
		inFlight    int
		budget      int64
		wait        time.Duration
	}{
		{"an empty queue: half of it", 0, 500_000, 25, 64, 247_500, 0},
		{"half full: half of the rest", 250_000, 500_000, 25, 64, 122_500, 0},
		{"little is left: as much as may be on the wire", 494_900, 500_000, 25, 64, 64, 0},
		{"less than that is not worth a reading", 494_937, 500_000, 200, 64, 0, 24685 * time.Millisecond},
		{"down to the reserve, of a hundredth", 495_000, 500_000, 25, 64, 0, time.Minute},
		{"full", 500_000, 500_000, 25, 64, 0, time.Minute},
		{"a quick channel", 495_000, 500_000, 200, 64, 0, 25 * time.Second},
		{"a very quick one", 495_000, 500_000, 5000, 64, 0, 5 * time.Second},
		{"a rate that is not said", 500_000, 500_000, 0, 64, 0, time.Minute},
		{"a small queue: twice what may be on the wire is kept free", 308, 500, 100, 64, 64, 0},
		{"which is used up", 309, 500, 100, 64, 0, 5 * time.Second},
		{"a queue that is smaller than that: half of it", 0, 100, 100, 64, 25, 0},
		{"a queue for one", 0, 1, 1, 64, 1, 0},
		{"and it is there", 1, 1, 1, 64, 0, 5 * time.Second},
		{"more than fits, as after a change of the limit", 900, 500, 10, 1, 0, 41 * time.Second},
	} {
		q := &appQueue{inFlight: c.inFlight}
		budget, wait := q.plan(client.App{QueueSize: c.size, QueueLimit: c.limit, OutboundRate: c.rate})
		assert.Equal(t, c.budget, budget, c.name)
		assert.Equal(t, c.wait, wait, c.name)
	}
}
