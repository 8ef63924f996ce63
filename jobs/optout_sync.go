package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// OptoutSync is the kind optout_sync: it makes the API's opt-outs agree with a
// list, which is all who are opted out, each time. What the job has registered
// stands in the consents dataset, and a run registers what differs from it;
// `batch plan` shows what that would be. A list that comes empty or cut short is
// refused (most_removed), and so are results of the job as its input, which are a
// part of the list: `batch retry` runs what failed. Whoever is out because
// somebody else said so is none of its business.
//
// Only what it registered for its present app, channel and list counts: what it
// did before one of these was changed stays as it is. In mode: batch a call makes
// the changes of as many as 1,000 rows. Once all is settled a run reads the API's
// own consent lists into consents, where the server has them.
type OptoutSync struct {
	From      sources.Spec `yaml:"from" doc:"Where the rows come from: all who are opted out." required:"true"`
	Key       string       `yaml:"key" doc:"The column that names a row." required:"true" example:"id"`
	Channel   string       `yaml:"channel" doc:"The channel of the identities, such as SMS. Without it they are out on all channels, as those of the API's consent lists are: with via: consents." known:"channels" example:"SMS"`
	Identity  Text         `yaml:"identity" doc:"Who is opted out: the identity of a row on the channel." required:"true"`
	List      string       `yaml:"list" doc:"The list of the API that they go on; optouts:register knows the first alone." enum:"OPT_OUT_ALL,OPT_OUT_MARKETING,OPT_OUT_NOTIFICATION" default:"OPT_OUT_ALL"`
	OnRemoved string       `yaml:"on_removed" doc:"What becomes of who left the list: optin, which optins:register does, or keep. By default whatever via can do." enum:"optin,keep"`
	Via       string       `yaml:"via" doc:"register: optouts:register and optins:register; consents: the consent lists of newer servers, which nobody can be taken off. By default consents where the server shows its lists, unless on_removed is optin." enum:"register,consents"`
	Mode      string       `yaml:"mode" doc:"single: one call for each change; batch: one for as many as 1,000, which via: consents can." enum:"single,batch" default:"single"`

	MostRemoved Share `yaml:"most_removed" doc:"How many of those that the job registered may leave the list from one run to the next, a part or a number. When more did it is taken for a list that was cut short, and nothing is done." default:"50%"`

	app, project, source string
	request              *Request // makes the identity of a row
	bound                *Bound
	env                  Env
	via                  string // as the job says or the server has it; "" until that is known
	columns              []sources.Column
	identity, change     int // columns of the shaped input
	since                int
}

// Ways to the opt-outs of the API.
const (
	viaRegister = "register"
	viaConsents = "consents"

	removedOptIn = "optin"
)

// Check compiles the identity and looks for what can not be done together.
func (k *OptoutSync) Check(c *Checker) {
	k.app, k.project, k.source, k.via = c.App(), c.Project(), consentJob+c.Job(), k.Via
	checkApp(c, "the app whose messages they do not want")
	c.Source("from", k.From)
	k.request = c.Texts(keyed{"identity", k.Identity})
	switch {
	case k.List == optOutAll && !k.batched():
	case k.Via == viaRegister && k.batched():
		c.Problem("via", "register is one call for each change, and mode: batch goes by consents: set that, or leave it out")
	case k.Via == viaRegister:
		c.Problem("via", "register knows "+optOutAll+" alone: set via: consents, or leave it out")
	default:
		k.via = viaConsents
	}
	switch {
	case k.OnRemoved != removedOptIn:
	case k.via == viaConsents:
		why := ""
		if k.Via == "" {
			why = ", which mode: batch and lists other than " + optOutAll + " go by"
		}
		c.Problem("on_removed", "optin is not possible with consents"+why+": no operation of the API takes an identity off a consent list")
	default:
		k.via = viaRegister
	}
	switch {
	case k.Channel == "" && k.via != viaConsents:
		c.Problem("", "missing key \"channel\": only via: consents does without, since the API's consent lists are for all channels")
	case k.Channel != "" && !slices.Contains(channels, k.Channel):
		c.Problem("channel", fmt.Sprintf("%q is not a channel of the API%s", k.Channel, hintAt(k.Channel, channels)))
	}
}

// Input returns the list.
func (k *OptoutSync) Input() (sources.Spec, string) { return k.From, k.Key }

// Once is false: what was done is undone when the list says so.
func (k *OptoutSync) Once() bool { return false }

// Idempotent is true: who is out stays out when that is said again.
func (k *OptoutSync) Idempotent() bool { return true }

// Findable is true: a change is made again.
func (k *OptoutSync) Findable([]byte) bool { return true }

// Digest changes with whom the job opts out, and of what.
func (k *OptoutSync) Digest() string {
	return digest(shortDigest(k.request.Digest(), k.Channel, k.List, k.OnRemoved, k.Via), k.app, k.Key)
}

// Ready finds out which way the server has, unless the job says it.
func (k *OptoutSync) Ready(ctx context.Context, env Env) error {
	k.env = env
	if k.Via == "" && k.via != viaRegister {
		_, err := env.Client.GetConsents(ctx, client.ConsentQuery{AppID: k.app, List: k.List, PageSize: 1})
		var e *client.Error
		switch {
		case err == nil:
			k.via = viaConsents
		case !errors.As(err, &e) || !refused(e) || e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized:
			// A guess might opt in who was kept so far.
			return unsettled(fmt.Errorf("look whether the server has consent lists, which via in the job file would say: %w", err))
		case k.via == viaConsents:
			return fmt.Errorf("%w: mode: batch, and a list other than %s, go by them: %w", errNoConsentLists, optOutAll, err)
		default:
			k.via = viaRegister
		}
	}
	env.Log.Info("opt-outs are registered", "via", k.via)
	return nil
}

// Columns binds the identity to the columns of the shaped input.
func (k *OptoutSync) Columns(columns []sources.Column) (err error) {
	k.columns = columns
	for name, at := range map[string]*int{identityColumn: &k.identity, changeColumn: &k.change, sinceColumn: &k.since} {
		if *at = slices.IndexFunc(columns, func(c sources.Column) bool { return c.Name == name }); *at < 0 {
			return fmt.Errorf("the input, which was taken down, has no column %s", name)
		}
	}
	k.bound, err = k.request.Bind(columns)
	return err
}

// Prepare returns the call of a row as JSON: method, path and body.
func (k *OptoutSync) Prepare(row sources.Row) ([]byte, error) {
	c, err := k.changeOf(row)
	if err != nil {
		return nil, err
	}
	op, call, err := k.callOf([]consentChange{c})
	if err != nil {
		return nil, err
	}
	return shownCall(op, k.project, call, nil)
}

// Finish reads the API's lists, which then show what the run registered.
func (k *OptoutSync) Finish(ctx context.Context, env Env, keep func([]pipeline.Record) error) error {
	var lists consentLists
	lists.of(k.app, false)
	err := lists.readAll(ctx, env, keep)
	if errors.Is(err, errNoConsentLists) {
		env.Log.Info("no consent lists are imported", "reason", err)
		return nil
	}
	return err
}

// consentChange is what a row asks for.
type consentChange struct {
	identity string // as the API gives it back
	state    string // out or in
}

// changeOf returns what has to be done for a row. The error is *Unsent when
// nothing has to.
func (k *OptoutSync) changeOf(row sources.Row) (c consentChange, err error) {
	text := func(at int) (s string) {
		if err == nil {
			s, err = row.Text(at, k.columns[at])
		}
		return s
	}
	c.identity, c.state = text(k.identity), text(k.change)
	since := text(k.since)
	switch {
	case err != nil:
		return c, err
	case c.identity == "":
		if _, err := k.identityOf(k.bound, row); err != nil {
			return c, err
		}
		return c, errors.New("the identity could not be read when the input was taken down")
	case c.state == consentOut:
	case c.state == consentIn && k.via == viaConsents:
		return c, &Unsent{pipeline.Skipped, "left the list, and is kept: no operation of the API takes an identity off a consent list"}
	case c.state == consentIn && k.OnRemoved == "keep":
		return c, &Unsent{pipeline.Skipped, "left the list, and is kept: on_removed is keep"}
	case c.state == consentIn:
	case c.state == changeUnclear:
		return c, &Unsent{pipeline.Skipped, "left the list, and is kept for now: a row of the list can not be read, and may be theirs"}
	case c.state == changeRelease:
		return c, &Unsent{pipeline.Skipped, "left the list, and stays out: the list of another job has it"}
	case since != "":
		return c, &Unsent{pipeline.Skipped, "registered since " + since}
	default:
		return c, &Unsent{pipeline.Skipped, "an earlier row has the same identity"}
	}
	return c, nil
}

// errBlank is wrapped by the error of a row that names nobody.
var errBlank = errors.New("identity is empty")

// identityOf returns the identity of a row of the list, as the API gives it
// back. The words of an error do not repeat it.
func (k *OptoutSync) identityOf(bound *Bound, row sources.Row) (string, error) {
	object, err := bound.Render(nil, row)
	if err != nil {
		return "", err
	}
	identity := gjson.GetBytes(object, "identity").String()
	if identity == "" {
		return "", fmt.Errorf("the %s%w", prefixed(k.Channel), errBlank)
	}
	id, err := json.Marshal(k.recipient(identity))
	if err == nil && k.Channel != "" {
		err = checkIdentity(gjson.ParseBytes(id))
	}
	if err == nil && canonical(identity) == "" {
		err = errors.New("the identity is a + alone")
	}
	return canonical(identity), err
}

// prefixed is a channel in front of another word; nothing for all channels.
func prefixed(channel string) string {
	if channel == "" {
		return ""
	}
	return channel + " "
}

type channelIdentity struct {
	Channel  string `json:"channel"`
	Identity string `json:"identity"`
	AppID    string `json:"app_id,omitempty"` // on channels where it belongs to an app
}

func (k *OptoutSync) recipient(identity string) channelIdentity {
	id := channelIdentity{Channel: k.Channel, Identity: identity}
	if slices.Contains(appChannels, k.Channel) {
		id.AppID = k.app
	}
	return id
}

// callOf is the call that makes changes: a single one, unless it is by consents.
func (k *OptoutSync) callOf(changes []consentChange) (op client.Operation, call client.Call, err error) {
	type object = map[string]any
	body := object{"app_id": k.app}
	if k.via == viaConsents {
		op = operation("Batch_InsertConsents")
		records := make([]consentRecord, len(changes))
		for i, c := range changes {
			records[i] = consentRecord{c.identity, k.List}
		}
		body["consent_records"] = records
	} else {
		c := changes[0]
		op = operation("OptIn_RegisterOptOut")
		if c.state == consentIn {
			op = operation("OptIn_RegisterOptIn")
		}
		body["channels"] = []string{k.Channel}
		body["recipient"] = object{"identified_by": object{"channel_identities": []channelIdentity{k.recipient(c.identity)}}}
	}
	call.Body, err = json.Marshal(body)
	return op, call, err
}

// consentRecord puts somebody on a list.
type consentRecord struct {
	Identity string `json:"identification"`
	List     string `json:"consent_type"`
}

// consent is the record of a change that was made.
func (k *OptoutSync) consent(env Env, c consentChange, at time.Time) *Consent {
	return &Consent{
		ProjectID: env.Project, AppID: k.app, Identity: c.identity, Channel: k.Channel, List: k.List,
		State: c.state, Source: k.source, ChangedAt: at, RunID: env.RunID,
	}
}
