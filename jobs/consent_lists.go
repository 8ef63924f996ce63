package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"convbatch/pipeline"
)

// consentLists reads the API's lists of opt-outs and brings what changed since
// the store knew them: who is new on a list, and, once it is read to its end,
// who is no longer there. In memory is a digest of each identity.
type consentLists struct {
	snapshot
	known   seen  // on a list, as far as the store knows
	audited *seen // whose history was asked for; nil without histories
	clock   func() time.Time
}

// errNoConsentLists is why nothing can be read of an older server.
var errNoConsentLists = errors.New("the server shows no consent lists, as older ones do not have them, or not for this key and app")

// of says which lists are read: of the app, or of all apps of the project.
func (k *consentLists) of(app string, audit bool) {
	k.ofApps(app, func(app step) []step {
		var all []step
		for _, name := range []string{optOutAll, optOutMarketing, optOutNotification} {
			all = append(all, app.as("consents").with("list_type", name))
		}
		return all
	})
	k.lists["consents"] = &list{
		operation: operation("Consents_GetConsents"), dataset: consents.Name, log: true, lacking: errNoConsentLists,
		row: k.row, below: k.audits, then: func(s step) []step { return []step{s.as("no longer in consents")} },
	}
	k.lists["no longer in consents"] = &list{own: k.left}
	if audit {
		k.audited = new(seen)
		k.more = "+audit"
		k.lists["audit"] = &list{
			operation: operation("Consents_GetConsentsAuditRecords"), dataset: "consent_audits", row: auditRow,
			mayLack: true, // who went off the list meanwhile
		}
	}
}

// Open looks up what the store knows and returns the worker.
func (k *consentLists) Open(ctx context.Context, env Env, stored []pipeline.Item) (_ pipeline.Worker, err error) {
	if k.clock, err = consentClock(ctx, env); err != nil {
		return nil, err
	}
	err = env.Query(ctx, "SELECT app_id, list, identity FROM consents WHERE "+
		sqlWhere("project_id", env.Project, "source", consentAPI, "state", consentOut), func(values []any) error {
		k.known.add(onList(textOf(values[0]), textOf(values[1]), textOf(values[2])))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up which consents are known: %w", err)
	}
	return k.snapshot.Open(ctx, env, stored)
}

// onList names somebody on a list.
func onList(app, list, identity string) string { return app + "/" + list + "/" + identity }

// row makes the row of an entry; nil when it is known.
func (k *consentLists) row(r *snapshotReader, s step, body []byte) (any, string, error) {
	identity := canonical(gjson.GetBytes(body, "identity").String())
	if identity == "" {
		return nil, "", errors.New("an entry of a consent list has no identity")
	}
	id := onList(s.Params["app_id"], s.Params["list_type"], identity)
	if k.known.has(id) {
		return nil, id, nil
	}
	return k.said(r, s, identity, consentOut), id, nil
}

// said is what the API says of an identity.
func (k *consentLists) said(r *snapshotReader, s step, identity, state string) *Consent {
	return &Consent{
		ProjectID: r.env.Project, AppID: s.Params["app_id"], Identity: identity, List: s.Params["list_type"],
		State: state, Source: consentAPI, ChangedAt: k.clock(), RunID: r.env.RunID,
	}
}

// left brings who the store knows on a list and the list does not show. Where
// the beginning of the list was read by a process that died, it is read again:
// who was on it is known to nobody.
func (k *consentLists) left(ctx context.Context, r *snapshotReader, s step) (out pipeline.Outcome, err error) {
	whole := s.as("consents")
	if !r.whole.has(whole.String()) {
		out.Follow, err = items([]step{whole})
		return out, err
	}
	app, list := s.Params["app_id"], s.Params["list_type"]
	var below []step
	query := "SELECT identity FROM consents WHERE " + sqlWhere("project_id", r.env.Project, "app_id", app, "list", list,
		"source", consentAPI, "state", consentOut)
	err = r.env.Query(ctx, query, func(values []any) error {
		identity := textOf(values[0])
		if !r.seen[consents.Name].has(onList(app, list, identity)) {
			out.Records = append(out.Records, k.said(r, s, identity, consentIn).record(int64(len(out.Records))))
			below = append(below, k.audit(s, identity)...)
		}
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("look up who was on the list: %w", err)
	}
	out.Follow, err = items(below)
	return out, err
}

// audits are the steps for the history of an entry.
func (k *consentLists) audits(s step, body []byte) []step {
	return k.audit(s, gjson.GetBytes(body, "identity").String())
}

// audit is the step for the history of an identity, which is one whatever the
// lists that it is on.
func (k *consentLists) audit(s step, identity string) []step {
	app := s.Params["app_id"]
	if k.audited == nil || !k.audited.add(app+"/"+identity) {
		return nil
	}
	return []step{{List: "audit", Params: map[string]string{"app_id": app, "identity": identity}}}
}

// readAll reads the lists whole, as part of a run of another kind.
func (k *consentLists) readAll(ctx context.Context, env Env, keep func([]pipeline.Record) error) error {
	worker, err := k.Open(ctx, env, nil)
	if err != nil {
		return err
	}
	queue, err := items(k.first)
	for err == nil && len(queue) > 0 {
		var out pipeline.Outcome
		if out, err = worker.Do(ctx, queue[0]); err != nil {
			return err
		}
		if len(out.Records) > 0 {
			err = keep(out.Records)
		}
		queue = append(out.Follow, queue[1:]...)
	}
	return err
}
