package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// BulkSend is the kind bulk_send: it sends one message for each row. A key is
// sent once by a job, for ever: append rows and run it again, and only these are
// sent. Every message carries the key of its row, by which it is looked for when
// an answer is lost.
type BulkSend struct {
	From    sources.Spec `yaml:"from" doc:"Where the rows come from." required:"true"`
	Key     string       `yaml:"key" doc:"The column that names a row; it is sent once by this job, for ever." required:"true" example:"id"`
	Request RequestNode  `yaml:"request" doc:"The body of messages:send; strings are templates over the row's columns." required:"true"`
	Mode    string       `yaml:"mode" doc:"single: one call a row; batch: one call of the Batch API for as many as 1,000 rows." enum:"single,batch" default:"single"`
	InDoubt string       `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: reconcile looks for it among the app's messages and then decides, hold leaves it in doubt, resend sends it again." enum:"reconcile,hold,resend" default:"reconcile"`
	After   Duration     `yaml:"reconcile_after" doc:"How long the server's lists have to catch up before a row in doubt is looked for." default:"10s"`
	On5xx   string       `yaml:"on_5xx" doc:"doubt: a 5xx leaves the row in doubt; retry: try again, at the risk of a double." enum:"doubt,retry" default:"doubt"`

	Hours    *Hours   `yaml:"hours" doc:"Sends in these hours of the day alone."`
	Suppress Suppress `yaml:"suppress" doc:"true: who is opted out by the consents of the store gets nothing; false: nobody is looked up; or a query of the store, whose rows are an identity and, if it has two columns, its channel: these get nothing." default:"true"`
	AppQueue string   `yaml:"app_queue" doc:"wait: while the app's queue of outgoing messages has little room, sends wait; ignore: they do not." enum:"wait,ignore" default:"wait"`

	Size      int     `yaml:"batch_size" doc:"mode: batch: the rows of a call, 1000 at most." min:"1" max:"1000" default:"1000"`
	SendAfter Instant `yaml:"send_after" doc:"mode: batch: when the API sends the messages, at most 7 days ahead; it rounds up to five minutes. Until then batch cancel takes them back."`

	app         string
	job         string
	request     *Request
	bound       *Bound
	key         int // the column of the keys
	columns     []sources.Column
	ownMetadata bool // the request has message_metadata
	older       bool // the server does not know correlation_id
	place       jobPlace
	contacts    bool // recipients are contacts
	out         optedOut
	batch       *batchRequest // of mode: batch
}

// modeBatch is the mode that sends groups of rows.
const modeBatch = "batch"

// Check compiles the request and looks for what can not be right.
func (b *BulkSend) Check(c *Checker) {
	b.app, b.job, b.place = c.App(), c.Job(), c.place
	checkApp(c, "the app that sends")
	c.Source("from", b.From)
	b.Hours.check(c, "hours")
	b.ownMetadata = c.Has("request.message_metadata")
	b.contacts = c.Has("request.recipient.contact_id")
	b.request = c.Request("request", b.Request.with("app_id", b.app))
	b.checkBatch(c)
}

// Input returns the rows to send.
func (b *BulkSend) Input() (sources.Spec, string) { return b.From, b.Key }

// Once is true: who got the message does not get it again.
func (b *BulkSend) Once() bool { return true }

// Idempotent is false: a message sent twice arrives twice.
func (b *BulkSend) Idempotent() bool { return false }

func (b *BulkSend) clientOptions() []client.Option {
	options := b.Hours.clientOptions()
	if b.On5xx == "retry" {
		options = append(options, client.RetryInDoubt())
	}
	return options
}

// Digest changes with the request, the app or the key; in mode: batch also with
// what else makes a call.
func (b *BulkSend) Digest() string {
	request := b.request.Digest()
	if b.batch != nil {
		request = shortDigest(request, modeBatch, strconv.Itoa(b.Size), time.Time(b.SendAfter).UTC().String())
	}
	return digest(request, b.app, b.Key)
}

// Ready refuses a time that the API would refuse, and finds out who gets nothing.
func (b *BulkSend) Ready(ctx context.Context, env Env) error {
	if err := b.checkSendAfter(env.Now()); err != nil {
		return err
	}
	return b.learnOptedOut(ctx, env)
}

// Columns binds the request to the columns of the input.
func (b *BulkSend) Columns(columns []sources.Column) (err error) {
	b.columns = columns
	b.key = slices.IndexFunc(columns, func(c sources.Column) bool { return c.Name == b.Key })
	b.bound, err = b.request.Bind(columns)
	if err == nil && b.batch != nil {
		b.batch.bound, err = b.batch.row.Bind(columns)
	}
	return err
}

// Prepare returns the body of messages:send for a row; in mode: batch, which
// sends nothing that mode: single would not, what the call has for the row. It
// carries the row's token wherever there is room, whatever becomes of rows in
// doubt: the job may change its mind when it is resumed.
func (b *BulkSend) Prepare(row sources.Row) ([]byte, error) {
	body, _, err := b.prepare(row)
	return body, err
}

// prepare is Prepare; it also returns the token.
func (b *BulkSend) prepare(row sources.Row) (body []byte, token string, err error) {
	if body, err = b.bound.Render(nil, row); err != nil {
		return nil, "", err
	}
	s := readSend(body)
	if err := s.check(); err != nil {
		return nil, "", err
	}
	if err := b.out.refuse(&s); err != nil {
		return nil, "", err
	}
	if token, err = b.token(row); err != nil {
		return nil, "", err
	}
	if b.batch != nil {
		body, err = b.batch.part(row, body, token)
		return body, token, err
	}
	body, _, err = s.addToken(token, !b.older)
	return body, token, err
}

// Findable is false where message_metadata and correlation_id have no room for
// the row's token. A batch has metadata of its own.
func (b *BulkSend) Findable(request []byte) bool {
	if b.batch != nil {
		return true
	}
	f := gjson.GetManyBytes(request, "message_metadata", "correlation_id")
	return strings.HasPrefix(f[1].String(), tokenPrefix(b.job)) ||
		strings.HasPrefix(metadataToken(f[0].String()), tokenPrefix(b.job))
}

func (b *BulkSend) token(row sources.Row) (string, error) {
	if b.key < 0 {
		return "", fmt.Errorf("the input has no column %q", b.Key)
	}
	key, err := row.Text(b.key, b.columns[b.key])
	return rowToken(b.job, key), err
}

// Open returns the worker that sends.
func (b *BulkSend) Open(ctx context.Context, env Env) (pipeline.Worker, error) {
	if b.batch != nil {
		return b.openBatch(ctx, env)
	}
	lister := newMessageLister(env.Client, b.app)
	if b.ownMetadata { // the token travels as correlation_id, which older servers refuse
		newer, err := lister.filters(ctx, conversationSource)
		if err != nil {
			return nil, unsettled(err)
		}
		b.older = !newer
	}
	queue := watchQueue(b.AppQueue, env)
	sender := &careful{
		mode: b.InDoubt, after: b.After.Duration(), now: env.Client.Now,
		call: func(ctx context.Context, body []byte) (client.Response, error) {
			if err := queue.admit(ctx, 1); err != nil {
				return client.Response{}, err
			}
			return env.Client.SendMessage(ctx, body)
		},
		id: func(r client.Response) string { return gjson.GetBytes(r.Body, "message_id").String() },
	}
	if b.InDoubt == inDoubtReconcile {
		if err := b.reconcile(ctx, env, lister, queue, sender); err != nil {
			return nil, err
		}
	}
	return pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return pipeline.Outcome{}, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		body, token, err := b.prepare(row)
		if err != nil {
			return unsent(item, row, err), nil
		}
		return sender.do(ctx, item, body, token)
	}), nil
}

// reconcile gets ready to look for rows in doubt. Where that is not possible
// they are held, and the log says why.
func (b *BulkSend) reconcile(ctx context.Context, env Env, lister *messageLister, queue *appQueue, sender *careful) error {
	app, err := env.Client.GetApp(ctx, b.app)
	var e *client.Error
	if err != nil && (!errors.As(err, &e) || !refused(e)) {
		return unsettled(err) // what is in doubt stays so for a run that can ask
	}
	var sent *sentMessages
	if err == nil {
		queue.seen(app)
		sent, err = newSentMessages(env.Client, lister, app, b.job, b.After.Duration())
	}
	if err != nil {
		sender.mode = inDoubtHold
		env.Log.Warn("rows whose answer is lost will stay in doubt, since nothing can be looked up", "reason", err)
		return nil
	}
	sent.older = b.older
	sender.finder, sender.witness = sent, sent.accepted
	return nil
}
