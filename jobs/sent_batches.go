package jobs

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
)

// sentBatches finds batches that the server took, by their token.
//
// The server is asked for the batches whose metadata has the token. How such a
// question is written is not documented, and a list may lag. So that a batch is
// not there only counts when the same question, asked before, shows a batch
// that was accepted after the call in doubt had ended: a witness. The groups
// that are sent meanwhile are that. When there are none, the rows are held.
type sentBatches struct {
	ask    func(ctx context.Context, token string) (client.Page, error)
	settle time.Duration // reconcile_after
	began  time.Time     // the processes before this one died earlier
	calls  counter       // that may bring a witness

	mu      sync.Mutex
	witness batchWitness // the latest
}

// batchWitness is a batch that was certainly accepted, not before at.
type batchWitness struct {
	token, id string
	at        time.Time
}

// patience is for how many times reconcile_after no call may have gone on
// before a witness is not waited for any more.
const patience = 3

func newSentBatches(api *client.Client, settle time.Duration) *sentBatches {
	s := &sentBatches{
		ask: func(ctx context.Context, token string) (client.Page, error) {
			return api.FindBatches(ctx, batchKey, token)
		},
		settle: settle, began: time.Now(),
	}
	s.calls.add(0)
	return s
}

// calling says that calls began, or that they ended (n < 0).
func (s *sentBatches) calling(n int64) { s.calls.add(n) }

// accepted takes note of a batch whose call began at a time and succeeded.
func (s *sentBatches) accepted(token, id string, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if began.After(s.witness.at) {
		s.witness = batchWitness{token, id, began}
	}
}

func (s *sentBatches) latest() batchWitness {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.witness
}

// find returns the batch that the server took of a group, given the group's
// token and rows; nil when there is certainly none. Its errors are those of
// finder.
func (s *sentBatches) find(ctx context.Context, token string, rows batchRows, d pipeline.Doubt) (*sentBatch, error) {
	if d.Since.IsZero() {
		return nil, unknowable("it is not known when it was sent")
	}
	ended := later(d.Ended, s.began)
	if wait := time.Until(ended.Add(s.settle)); wait > 0 {
		return nil, &notYet{wait}
	}
	if found, err := s.look(ctx, token, rows); found != nil || err != nil {
		return found, err
	}
	w := s.latest()
	if !w.at.After(ended) {
		if s.calls.quiet() < patience*s.settle {
			return nil, &notYet{s.settle}
		}
		return nil, unknowable("the server shows no batch %q, and none was accepted later that would prove that it shows all", token)
	}
	page, err := s.ask(ctx, w.token)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(tokened(page, w.token), func(b gjson.Result) bool { return b.Get("batch_id").String() == w.id }) {
		if time.Since(w.at) > mostPatience*s.settle {
			return nil, unknowable("for %s the server has not shown a batch that it accepted after this call", time.Since(w.at).Round(time.Second))
		}
		return nil, &notYet{s.settle}
	}
	return s.look(ctx, token, rows) // the list is as late as the witness now
}

// look asks for the batch of a group; nil when the server does not show it. A
// batch with the token that has none of the rows is of a group that had this
// token when batch_size was another.
func (s *sentBatches) look(ctx context.Context, token string, rows batchRows) (*sentBatch, error) {
	page, err := s.ask(ctx, token)
	if err != nil {
		return nil, err
	}
	for _, b := range tokened(page, token) {
		found := &sentBatch{b.Get("batch_id").String(), parseBatchRows(b.Get("meta_data." + rowsKey).String())}
		switch {
		case found.id == "" || found.rows == nil:
			return nil, unknowable("the server shows a batch %q, and not its id or not which rows it had", token)
		case !found.rows.hasAny(rows):
			continue
		case b.Get("status").String() == client.BatchCancelled:
			return nil, unknowable("batch %s arrived and was cancelled: batch retry --in-doubt resend sends it again", found.id)
		}
		return found, nil
	}
	return nil, nil
}

// tokened are the batches of an answer that have the token: a server may not
// know the question, and answer all that it has.
func tokened(page client.Page, token string) []gjson.Result {
	var found []gjson.Result
	for _, item := range page.Items {
		if b := gjson.ParseBytes(item); b.Get("meta_data."+batchKey).String() == token {
			found = append(found, b)
		}
	}
	return found
}

// counter counts what goes on, and knows when that last changed.
type counter struct {
	n    atomic.Int64
	last atomic.Int64 // in nanoseconds
}

func (c *counter) add(n int64) {
	c.last.Store(time.Now().UnixNano())
	c.n.Add(n)
}

// quiet is for how long nothing has gone on.
func (c *counter) quiet() time.Duration {
	if c.n.Load() > 0 {
		return 0
	}
	return time.Since(time.Unix(0, c.last.Load()))
}
