package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v4"

	"convbatch/pipeline"
)

// Suppress is who gets nothing of a bulk_send: true, false or a query.
type Suppress struct {
	On    bool
	Query string // "" for the consents of the store
}

func (s *Suppress) decodeNode(d *decoder, n *yaml.Node, at *trail) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.mismatch(n, at, "true, false or a query")
		return
	}
	text, ok := d.text(n, at)
	switch text = strings.TrimSpace(text); {
	case !ok:
	case text == "true", text == "false":
		s.On = text == "true"
	case !strings.ContainsAny(text, " \t\n"):
		d.mismatch(n, at, "true, false or a query")
	default:
		s.On, s.Query = true, text
	}
}

// outOf is a set of lists that somebody is on.
type outOf uint8

// The lists of the API, and that of the job's query.
const (
	ofAll outOf = 1 << iota
	ofMarketing
	ofNotification
	ofQuery
)

var (
	listBits = map[string]outOf{optOutAll: ofAll, optOutMarketing: ofMarketing, optOutNotification: ofNotification}

	// contentBits are the lists that count for a message, by its
	// message_content_type: one that says nothing of its content is only kept
	// from those who want none at all.
	contentBits = map[string]outOf{"CONTENT_MARKETING": ofAll | ofMarketing, "CONTENT_NOTIFICATION": ofAll | ofNotification}
)

// optedOut is who gets nothing, 17 bytes each: the lists of an identity by
// channel and identity, and those of a contact.
type optedOut map[[16]byte]outOf

func outKey(channel, identity string) [16]byte { return shortened(channel + ":" + canonical(identity)) }

// plainNumber are the digits of a phone number in international form, however
// people write it; of anything else the text itself.
func plainNumber(s string) string {
	s = strings.TrimSpace(s)
	international := strings.HasPrefix(s, "+")
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || strings.ContainsRune("+.()/", r) {
			return -1
		}
		return r
	}, s)
	if strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return s
	}
	if !international {
		digits = strings.TrimPrefix(digits, "00")
	}
	return digits
}

func contactKey(id string) [16]byte { return shortened("contact " + id) }

// of are the lists that an identity is on, on its channel or on all.
func (o optedOut) of(channel, identity string) outOf {
	return o[outKey(channel, identity)] | o[outKey("", identity)]
}

// refuse returns *Unsent when the message must not be sent. To protect who opted
// out, one identity is enough of several that it could go to.
func (o optedOut) refuse(s *sendBody) error {
	if len(o) == 0 {
		return nil
	}
	counts, ok := contentBits[s.content.Str]
	if !ok {
		counts = ofAll
	}
	counts |= ofQuery
	if id := s.contact.String(); id != "" && o[contactKey(id)]&counts != 0 {
		return suppressed(o[contactKey(id)]&counts, "an identity of the contact")
	}
	for _, id := range s.identities.Array() {
		channel := id.Get("channel").String()
		if out := o.of(channel, id.Get("identity").String()) & counts; out != 0 {
			return suppressed(out, "the "+channel+" identity")
		}
	}
	return nil
}

// suppressed says who is on which list, without the identity.
func suppressed(out outOf, who string) error {
	for _, name := range []string{optOutAll, optOutMarketing, optOutNotification} {
		if out&listBits[name] != 0 {
			return &Unsent{pipeline.Suppressed, who + " is on " + name}
		}
	}
	return &Unsent{pipeline.Suppressed, who + " is among those of the job's suppress query"}
}

// learnOptedOut finds out who gets nothing. A run that goes on asks anew.
func (b *BulkSend) learnOptedOut(ctx context.Context, env Env) error {
	b.out = nil
	if !b.Suppress.On {
		return nil
	}
	out := optedOut{}
	if b.Suppress.Query == "" && env.Has != nil {
		if any, err := env.Has("consents"); err != nil || !any {
			b.out = out
			return err
		}
	}
	query := "SELECT identity, channel, list FROM consents WHERE " + sqlWhere("project_id", env.Project, "app_id", b.app, "state", consentOut)
	if b.Suppress.Query != "" {
		query = b.Suppress.Query
	}
	err := env.Query(ctx, query, func(values []any) error {
		lists, channel := ofQuery, ""
		if len(values) > 1 {
			channel = textOf(values[1])
		}
		if b.Suppress.Query == "" {
			lists = listBits[textOf(values[2])]
		}
		if identity := textOf(values[0]); identity != "" {
			out[outKey(channel, identity)] |= lists
			out[outKey(channel, plainNumber(identity))] |= lists // a query may have it as somebody typed it
		}
		return nil
	})
	switch {
	case err != nil && b.Suppress.Query != "" && ctx.Err() == nil:
		return Problems{b.place.problem("suppress", err.Error())}
	case err != nil:
		return fmt.Errorf("look up who is opted out: %w", err)
	case b.contacts && len(out) > 0:
		err = out.addContacts(ctx, env, b.app)
	}
	b.out = out
	return err
}

// errHashedContacts keeps a job from sending to people who opted out: which of
// the contacts they are can not be told.
var errHashedContacts = errors.New("recipients are contacts, and the store has contacts whose identities are hashed or left out, " +
	"so which of them are opted out can not be told: let the contact_export keep `identities` as they are, or set suppress: false")

// addContacts adds the contacts that have one of the identities, as far as
// contacts were exported.
func (o optedOut) addContacts(ctx context.Context, env Env, app string) error {
	contacts := false
	query := "SELECT id, i.channel, i.identity, i.app_id FROM (SELECT id, unnest(coalesce(identities, [NULL])) AS i FROM contacts WHERE " + sqlWhere("project_id", env.Project) + ")"
	err := env.Query(ctx, query, func(values []any) error {
		contacts = true
		if values[2] == nil || isKeyedHash(textOf(values[2])) {
			return errHashedContacts
		}
		if of := textOf(values[3]); of != "" && of != app {
			return nil
		}
		if lists := o.of(textOf(values[1]), textOf(values[2])); lists != 0 {
			o[contactKey(textOf(values[0]))] |= lists
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("look up the contacts that are opted out: %w", err)
	case !contacts:
		env.Log.Warn("recipients are contacts, and the store has none: which of them are opted out is not known; a contact_export brings them")
	}
	return nil
}
