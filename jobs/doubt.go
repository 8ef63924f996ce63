package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
)

// What becomes of a row that may have taken effect already.
const (
	inDoubtReconcile = "reconcile" // look for it, then decide
	inDoubtHold      = "hold"      // leave it in doubt
	inDoubtResend    = "resend"    // call again: a double rather than a gap
)

const (
	// mostCalls bounds how often a row is called whose answer is lost each time.
	mostCalls = 10
	// mostResends is that where it is called again without being looked for.
	mostResends = 3
	// mostLooks bounds how often the look itself gets no answer before the run ends.
	mostLooks = 5
)

// finder finds what calls whose answer was lost have brought about.
type finder interface {
	// find returns the API's id of what the body of a call brought about; ""
	// when there is certainly nothing. The error is *notYet when it is too
	// early to tell, errUnknowable when it will never be known, or the client's.
	find(ctx context.Context, body []byte, token string, d pipeline.Doubt) (id string, err error)
}

// notYet is the error of a look that came too early.
type notYet struct{ wait time.Duration }

func (e *notYet) Error() string { return fmt.Sprintf("it can be told in %s", e.wait) }

// errUnknowable is wrapped by errors that say why it can not be found out
// whether a call took effect.
var errUnknowable = errors.New("it can not be found out whether it arrived")

func unknowable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errUnknowable, fmt.Errorf(format, args...))
}

// careful makes calls that are not idempotent, and settles those whose answer
// was lost as the job wants it: invariant 5.
type careful struct {
	mode    string
	after   time.Duration // a look any earlier proves nothing
	finder  finder        // for inDoubtReconcile
	now     func() time.Time
	call    func(ctx context.Context, body []byte) (client.Response, error)
	id      func(client.Response) string // what the API calls what the call brought about; nil where it says nothing
	witness func(id string, body []byte) // told of calls that succeeded; may be nil
}

// do settles an item with the call that body describes.
func (c *careful) do(ctx context.Context, item pipeline.Item, body []byte, token string) (pipeline.Outcome, error) {
	if item.Doubt == nil || c.mode == inDoubtResend {
		return c.send(ctx, body, item.Doubt)
	}
	d := *item.Doubt
	if c.mode == inDoubtHold {
		return held(d, errors.New("it was not repeated")), nil
	}
	id, err := c.finder.find(ctx, body, token, d)
	switch {
	case err != nil:
		return c.unseen(err, d)
	case id != "":
		return pipeline.Outcome{State: pipeline.Done, Attempts: d.Attempts, Ref: id}, nil
	}
	return c.send(ctx, body, &d)
}

// unseen is what becomes of an item in doubt when the look for what it brought
// about found nothing out.
func (c *careful) unseen(err error, d pipeline.Doubt) (pipeline.Outcome, error) {
	var early *notYet
	var e *client.Error
	switch {
	case errors.As(err, &early):
		return pipeline.Outcome{}, &pipeline.Deferred{For: early.wait, Doubt: d}
	case errors.Is(err, errUnknowable):
		return held(d, err), nil
	case !errors.As(err, &e) || e.Intent != client.Failed:
		return pipeline.Outcome{}, unsettled(err)
	case refused(e):
		return held(d, unknowable("%w", err)), nil
	case d.Looks >= mostLooks: // an outage: the row stays in doubt for the next run
		return pipeline.Outcome{}, fmt.Errorf("look for a row in doubt: %w", err)
	}
	d.Looks++
	return pipeline.Outcome{}, &pipeline.Deferred{For: c.after, Doubt: d}
}

// refused says that the API said no, and would say it again.
func refused(e *client.Error) bool {
	return e.Intent == client.Failed && e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError
}

// send makes the call. before is not nil when an earlier one was in doubt; for
// the engine it stays so when this call is not made after all.
func (c *careful) send(ctx context.Context, body []byte, before *pipeline.Doubt) (pipeline.Outcome, error) {
	d := pipeline.Doubt{Since: c.now()}
	if before != nil {
		d = *before
	}
	resp, err := c.call(ctx, body)
	out, err := settle(resp, err)
	if err == nil && out.State == pipeline.Done {
		out.Ref = c.idOf(resp)
	}
	if err == nil && out.State == pipeline.Done && out.Ref == "" && c.id != nil {
		out.State, out.Error = pipeline.InDoubt, fmt.Sprintf("the server answered %d without the id of what it did: is the URL a gateway's?", resp.Status)
	}
	attempts := out.Attempts
	d.Attempts += attempts
	out.Attempts = d.Attempts
	switch {
	case err != nil:
		return out, err
	case out.State == pipeline.Done:
		if c.witness != nil {
			c.witness(out.Ref, body)
		}
		return out, nil
	case out.State == pipeline.Failed && before != nil && c.mode == inDoubtResend:
		out.State = pipeline.InDoubt // the call before may have arrived
		return out, nil
	case out.State != pipeline.InDoubt || c.mode == inDoubtHold:
		return out, nil
	}
	lost := out
	lost.Attempts = attempts
	d.Ended, d.Error = time.Now(), out.Error
	d.Calls++
	switch {
	case c.mode == inDoubtResend && d.Calls <= mostResends:
		return pipeline.Outcome{}, &pipeline.Deferred{Doubt: d, Lost: &lost}
	case c.mode == inDoubtReconcile && d.Calls < mostCalls:
		return pipeline.Outcome{}, &pipeline.Deferred{For: c.after, Doubt: d, Lost: &lost}
	}
	return out, nil
}

func (c *careful) idOf(r client.Response) string {
	if c.id == nil {
		return ""
	}
	return c.id(r)
}

// held leaves an item in doubt.
func held(d pipeline.Doubt, why error) pipeline.Outcome {
	what := d.Error
	if what == "" {
		what = "an earlier process ended without an answer for this row: it may have arrived"
	}
	return pipeline.Outcome{State: pipeline.InDoubt, Attempts: d.Attempts, Error: fmt.Sprintf("%s; %s", what, why)}
}
