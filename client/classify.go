package client

// outcome is how one attempt ended: the status of the answer, or one of the
// negative values below when there was none that could be used.
type outcome int

const (
	refused    outcome = -1 - iota // no connection: the request never left
	broken                         // the connection broke after the request may have left
	timedOut                       // no answer in time after the request may have left
	unreadable                     // a 2xx that does not hold what it should
	oversized                      // a 2xx with more than fits
	expired                        // a 401 of a token whose time is over
	noCredit                       // a 403 that says so
	noToken                        // the token endpoint gave none
	given                          // given up before the request left, for a stop
	cut                            // cut off after the request may have left, for a stop
)

// verdict is what to do next.
type verdict int

const (
	fail   verdict = iota // settled: this call will not succeed
	done                  // settled: it succeeded
	again                 // try again; costs an attempt
	few                   // try again, a few times at most
	hold                  // quiet everybody, then try again; costs nothing
	renew                 // get another token, once, then try again; costs nothing
	doubt                 // settled: it may have happened
	fatal                 // nothing will succeed: end the run
	unsent                // nothing happened, and nothing will: the run is stopping
)

// fewAttempts is how often a method that the server says it does not have is
// asked for: the vendor says try again, others that it will never exist.
const fewAttempts = 3

// verdicts is the whole of what this client knows about repeating a call: the
// first column for operations that are idempotent, the second for those that
// are not (invariant 5). Statuses that are not here: see classify.
var verdicts = map[outcome]struct{ idempotent, other verdict }{
	refused:    {again, again},
	broken:     {again, doubt},
	timedOut:   {again, doubt},
	unreadable: {again, doubt},
	oversized:  {fail, doubt},
	expired:    {renew, renew},
	noCredit:   {fatal, fatal},
	noToken:    {fatal, fatal},
	given:      {unsent, unsent},
	cut:        {unsent, doubt},

	401: {fatal, fatal},
	408: {again, doubt},
	425: {again, again}, // the server would not risk a replay: not processed
	429: {hold, hold},
	501: {few, doubt},
	503: {again, again}, // as the vendor documents it: not processed
}

// classify says what to do about the outcome of one attempt. insist is the
// user's wish to repeat on a 5xx what may have happened.
func classify(idempotent, insist bool, o outcome) verdict {
	row, known := verdicts[o]
	if !known {
		switch {
		case o >= 200 && o < 300:
			return done
		case o >= 500:
			row.idempotent, row.other = again, doubt
		default: // another 4xx is the row's fault; a redirect is never followed
			return fail
		}
	}
	if idempotent || insist && o >= 500 {
		return row.idempotent
	}
	return row.other
}
