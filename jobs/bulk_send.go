package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// BulkSend is the kind bulk_send: one message for each row. A key is sent once
// by a job, for ever: rows whose key was done in an earlier run are skipped.
type BulkSend struct {
	From    sources.Spec `yaml:"from" doc:"Where the rows come from." required:"true"`
	Key     string       `yaml:"key" doc:"The column that names a row; it is sent once by this job, for ever." required:"true"`
	Request RequestNode  `yaml:"request" doc:"The body of messages:send; strings are templates over the row's columns." required:"true"`
	Mode    string       `yaml:"mode" doc:"single: one call a row." enum:"single" default:"single"`
	InDoubt string       `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: hold keeps it in doubt, resend sends it again." enum:"hold,resend" default:"hold"`
	On5xx   string       `yaml:"on_5xx" doc:"doubt: a 5xx leaves the row in doubt; retry: try again, at the risk of a double." enum:"doubt,retry" default:"doubt"`

	app     string
	request *Request
	bound   *Bound
}

// Check compiles the request and looks for what can not be right.
func (b *BulkSend) Check(c *Checker) {
	b.app = c.App()
	checkApp(c, "the app that sends")
	c.Source("from", b.From)
	b.request = c.Request("request", b.Request.with("app_id", b.app))
}

// Input returns the rows to send.
func (b *BulkSend) Input() (sources.Spec, string) { return b.From, b.Key }

// Idempotent is false: a message sent twice arrives twice.
func (b *BulkSend) Idempotent() bool { return false }

func (b *BulkSend) clientOptions() []client.Option {
	if b.On5xx == "retry" {
		return []client.Option{client.RetryInDoubt()}
	}
	return nil
}

// Digest changes with the request, the app or the key.
func (b *BulkSend) Digest() string { return b.request.Digest() + "/" + b.app + "/" + b.Key }

// Columns binds the request to the columns of the input.
func (b *BulkSend) Columns(columns []sources.Column) (err error) {
	b.bound, err = b.request.Bind(columns)
	return err
}

// Prepare returns the body of messages:send for a row.
func (b *BulkSend) Prepare(row sources.Row) ([]byte, error) {
	body, err := b.bound.Render(nil, row)
	if err != nil {
		return nil, err
	}
	return body, checkMessage(body)
}

// Open returns the worker that sends.
func (b *BulkSend) Open(_ context.Context, env Env) (pipeline.Worker, error) {
	return pipeline.WorkerFunc(func(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
		row, ok := item.Data.(sources.Row)
		if !ok {
			return pipeline.Outcome{}, fmt.Errorf("item %d holds %T, not a row", item.Seq, item.Data)
		}
		body, err := b.Prepare(row)
		switch {
		case item.InDoubt && (err != nil || b.InDoubt == "hold"):
			// Before anything else is said of it: what may have been sent is not invalid.
			return pipeline.Outcome{
				State: pipeline.InDoubt,
				Error: "the process died while this row was being sent: it may have arrived; it was not repeated",
			}, nil
		case err != nil:
			return pipeline.Outcome{State: pipeline.Invalid, Error: at(row, err.Error())}, nil
		}
		return b.send(ctx, env.Client, body, item.InDoubt)
	}), nil
}

// resends is how often a row in doubt is sent again where the job asks for it.
const resends = 3

// send sends one message. With in_doubt: resend it is sent again when it may
// have arrived; once in doubt, only success settles it otherwise.
func (b *BulkSend) send(ctx context.Context, api *client.Client, body []byte, doubtful bool) (pipeline.Outcome, error) {
	attempts := 0
	for try := 0; ; try++ {
		resp, err := api.SendMessage(ctx, body)
		out, err := settle(resp, err)
		attempts += out.Attempts
		out.Attempts = attempts
		switch {
		case err != nil && doubtful && try > 0: // the run stops: what this process did is in doubt
			out.State, out.Error, err = pipeline.InDoubt, "an earlier try may have arrived: "+err.Error(), nil
		case out.State == pipeline.Done:
			out.Ref = gjson.GetBytes(resp.Body, "message_id").String()
		case out.State == pipeline.InDoubt && b.InDoubt == "resend" && try < resends:
			doubtful = true
			continue
		case doubtful:
			out.State = pipeline.InDoubt
		}
		return out, err
	}
}

// numberChannels are the channels whose identities are phone numbers.
var numberChannels = map[string]bool{"SMS": true, "RCS": true, "MMS": true, "WHATSAPP": true, "VIBERBM": true}

// checkMessage looks for what the API would refuse: it is said before anything
// is sent. The words name the place, never the identity or the text.
func checkMessage(body []byte) error {
	var err error
	fail := func(format string, args ...any) bool {
		err = fmt.Errorf(format, args...)
		return false
	}
	identities := gjson.GetBytes(body, "recipient.identified_by.channel_identities")
	if !gjson.GetBytes(body, "recipient.contact_id").Exists() && len(identities.Array()) == 0 {
		return errors.New("recipient: neither a contact_id nor a channel identity")
	}
	identities.ForEach(func(_, id gjson.Result) bool {
		channel, identity := id.Get("channel").String(), id.Get("identity").String()
		if identity == "" {
			return fail("recipient: the %s identity is empty", channel)
		}
		if numberChannels[channel] {
			if problem := numberProblem(identity); problem != "" {
				return fail("recipient: the %s identity is not a phone number in international form: %s", channel, problem)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	if n := len([]rune(gjson.GetBytes(body, "message_metadata").String())); n > 1024 {
		return fmt.Errorf("message_metadata has %d characters, 1024 are allowed", n)
	}
	if n := len([]rune(gjson.GetBytes(body, "correlation_id").String())); n > 128 {
		return fmt.Errorf("correlation_id has %d characters, 128 are allowed", n)
	}
	if text := gjson.GetBytes(body, "message.text_message"); text.Exists() && text.Get("text").String() == "" {
		return errors.New("message.text_message: the text is empty")
	}
	return nil
}

// numberProblem says why s can not be an E.164 number; empty when it can.
// Spaces and the like are not removed: what is sent is what the file says.
func numberProblem(s string) string {
	digits := s
	if digits[0] == '+' {
		digits = digits[1:]
	}
	for _, r := range digits {
		if r < '0' || r > '9' {
			return fmt.Sprintf("it holds %q", r)
		}
	}
	switch {
	case len(digits) < 7 || len(digits) > 15:
		return fmt.Sprintf("it has %d digits, 7 to 15 are possible", len(digits))
	case digits[0] == '0':
		return "it begins with 0 where the country code belongs"
	}
	return ""
}
