package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome                  outcome
		idempotent, post, insist verdict // insist: a POST with RetryInDoubt
	}{
		// No answer.
		{refused, again, again, again},  // nothing left: no doubt
		{broken, again, doubt, doubt},   // insisting is about statuses only
		{timedOut, again, doubt, doubt}, // so too
		{given, unsent, unsent, unsent}, // the run stops
		{cut, unsent, doubt, doubt},     // the run stops, and the request was out
		{noToken, fatal, fatal, fatal},  // no other row would get one

		// An answer that is none.
		{unreadable, again, doubt, doubt}, // a 200 with HTML, cut off, empty
		{oversized, fail, doubt, doubt},   // asking again brings the same

		// Not now.
		{429, hold, hold, hold},
		{425, again, again, again},
		{503, again, again, again},
		{408, again, doubt, doubt},

		// Server errors.
		{500, again, doubt, again},
		{501, few, doubt, few},
		{502, again, doubt, again},
		{504, again, doubt, again},
		{505, again, doubt, again}, // any other
		{520, again, doubt, again}, // of a gateway
		{599, again, doubt, again},

		// No.
		{400, fail, fail, fail},
		{402, fail, fail, fail},
		{403, fail, fail, fail}, // every row of it: the caller's to judge
		{404, fail, fail, fail},
		{409, fail, fail, fail},
		{410, fail, fail, fail},
		{413, fail, fail, fail},
		{422, fail, fail, fail},
		{451, fail, fail, fail},
		{301, fail, fail, fail}, // a redirect is not followed
		{304, fail, fail, fail},
		{307, fail, fail, fail},
		{101, fail, fail, fail}, // another protocol

		// For everybody.
		{401, fatal, fatal, fatal},
		{expired, renew, renew, renew},
		{noCredit, fatal, fatal, fatal},

		// Happy.
		{200, done, done, done},
		{201, done, done, done},
		{204, done, done, done},
	} {
		assert.Equal(t, c.idempotent, classify(true, false, c.outcome), "idempotent, %d", c.outcome)
		assert.Equal(t, c.idempotent, classify(true, true, c.outcome), "idempotent, insisting, %d", c.outcome)
		assert.Equal(t, c.post, classify(false, false, c.outcome), "not idempotent, %d", c.outcome)
		assert.Equal(t, c.insist, classify(false, true, c.outcome), "not idempotent, insisting, %d", c.outcome)
	}
}
