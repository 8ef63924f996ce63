package emulator

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The profiles: which of the two specifications the server answers to.
//
// ProfileOld answers 404 to newer operations and 400 to newer parameters and
// fields, start_time and end_time among them: a server that ignored them would
// answer all messages to a question about some. Its pages of messages have 20
// at most; in CONVERSATION_SOURCE they need a conversation_id or contact_id,
// in DISPATCH_SOURCE an app_id. Conversations need only_active. It has no
// lists of consents and no Batch API.
const (
	ProfileNew = "new" // conversation-plus.yaml, the API as it is described today
	ProfileOld = "old" // conversation.yaml alone
)

// The processing modes of the app.
const (
	ModeConversation = "CONVERSATION"
	ModeDispatch     = "DISPATCH"
)

// The shapes in which errors are answered; the vendor documents both.
const (
	ShapeFlat   = "flat"   // {"code","message","status","details"}
	ShapeNested = "nested" // {"error":{…}}
)

// Options say what the server holds and how it behaves. The zero value is an
// empty project with one app in CONVERSATION mode that answers at once.
type Options struct {
	Seed uint64 // everything made up follows from it, ids and the key included

	Contacts      int // how many exist from the start; at least one where there are conversations
	Conversations int // how many exist from the start; at least one where there are messages
	Messages      int // how many exist from the start, spread over [Start, End)

	// Start and End are the span of Messages; default the 30 days before Now.
	// A message ahead of Now shows up when its time comes, though its
	// conversation knows of it already.
	Start, End time.Time

	Latency    time.Duration // of every call, half of it before and half after the work is done
	Limit      float64       // requests/s of the project in any sliding second, 429 above; 0 for none
	QueueLimit int           // messages that the app's queue holds; default 500,000
	DrainRate  float64       // messages/s that leave the queue, 429 while it is full; 0: they leave at once

	Profile    string // ProfileNew (default) or ProfileOld
	NoRegister bool   // optouts:register and optins:register answer 404, as newer servers may
	Mode       string // ModeConversation (default) or ModeDispatch
	ErrorShape string // ShapeFlat (default) or ShapeNested

	RetentionDays         int // of messages in CONVERSATION mode; default 180
	DispatchRetentionDays int // of messages in DISPATCH mode; 0 keeps none

	BoundsInclusive bool          // whether start_time and end_time take the instant itself
	ListDelay       time.Duration // a sent message shows up in lists this much later; it can be got at once

	// DeniedGroups are groups of the Provisioning API that the project may not
	// read: webhooks, whatsapp, bundles, kakaotalk, conversation, rcs or sms,
	// alone for 403 or as "rcs:404", and "whatsapp:400" or "kakaotalk:400" for
	// a channel that the project was never set up for.
	DeniedGroups []string

	// ExtraFields gives every contact, app, channel credential, message,
	// conversation and webhook, and every item of the Provisioning API, a field
	// of which no specification knows: an item notYetSpecified, all others
	// of_a_later_version with values of every sort. Requests may give the latter
	// back as it was read.
	ExtraFields bool

	TokenLifetime time.Duration // default an hour
	Faults        []Fault
	Now           func() time.Time // default time.Now
}

// DefaultQueueLimit is how many outgoing messages an app holds, and
// DefaultDrainRate how many a second it reports to pass on.
const (
	DefaultQueueLimit = 500_000
	DefaultDrainRate  = 25
)

// Check says the first thing that is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Profile != "" && o.Profile != ProfileNew && o.Profile != ProfileOld:
		return fmt.Errorf("profile %q is neither %s nor %s", o.Profile, ProfileNew, ProfileOld)
	case o.Mode != "" && o.Mode != ModeConversation && o.Mode != ModeDispatch:
		return fmt.Errorf("mode %q is neither %s nor %s", o.Mode, ModeConversation, ModeDispatch)
	case o.ErrorShape != "" && o.ErrorShape != ShapeFlat && o.ErrorShape != ShapeNested:
		return fmt.Errorf("error shape %q is neither %s nor %s", o.ErrorShape, ShapeFlat, ShapeNested)
	case min(o.Contacts, o.Conversations, o.Messages) < 0 || max(o.Contacts, o.Conversations, o.Messages) > most:
		return fmt.Errorf("contacts, conversations and messages must be 0 to %d", most)
	case !o.Start.IsZero() && !o.End.IsZero() && !o.Start.Before(o.End):
		return errors.New("start must be before end")
	case min(o.Latency, o.ListDelay, o.TokenLifetime) < 0:
		return errors.New("latency, list delay and token lifetime can not be negative")
	case min(o.Limit, o.DrainRate, float64(o.QueueLimit)) < 0 || math.IsNaN(o.Limit) || o.Limit > most:
		return fmt.Errorf("limit, queue limit and drain rate must be 0 to %d", most)
	case o.RetentionDays < 0 || o.RetentionDays > 3650:
		return errors.New("retention must be 1 to 3650 days, or 0 for the default")
	case o.DispatchRetentionDays < 0 || o.DispatchRetentionDays > 7:
		return errors.New("dispatch retention must be 0 to 7 days")
	}
	for _, group := range o.DeniedGroups {
		if _, _, err := parseDenied(group); err != nil {
			return err
		}
	}
	for i, f := range o.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
	}
	return nil
}

// most is how many of one thing there can be, and calls in a second.
const most = 100_000_000

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.End.IsZero() {
		o.End = o.Now()
	}
	if o.Start.IsZero() || !o.Start.Before(o.End) {
		o.Start = o.End.AddDate(0, 0, -30)
	}
	o.Profile = or(o.Profile, ProfileNew)
	o.Mode = or(o.Mode, ModeConversation)
	o.ErrorShape = or(o.ErrorShape, ShapeFlat)
	o.RetentionDays = or(o.RetentionDays, 180)
	o.TokenLifetime = or(o.TokenLifetime, time.Hour)
	o.QueueLimit = or(o.QueueLimit, DefaultQueueLimit)
	if o.Messages > 0 && o.Mode == ModeConversation {
		o.Conversations = max(o.Conversations, 1)
	}
	if o.Mode == ModeDispatch {
		o.Conversations = 0
	}
	if o.Conversations > 0 {
		o.Contacts = max(o.Contacts, 1)
	}
	return o
}

// or is value, or fallback where there is none.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
