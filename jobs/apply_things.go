package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
	"convbatch/sources"
)

// want is the thing that a row asks for.
func (k *ApplyRows) want(row sources.Row) (wanted, error) {
	body, err := k.parts.body.bound.Render(nil, row)
	if err != nil {
		return wanted{}, err
	}
	w := wanted{body: body}
	if k.parts.params.request != nil {
		ids, err := k.parts.params.bound.Render(nil, row)
		if err != nil {
			return w, err
		}
		w.id = gjson.GetBytes(ids, "id").String()
	}
	switch {
	case w.id == "" && k.sort.matchOf(body) == "":
		return w, fmt.Errorf("%s is empty, and %ss are matched by it", k.sort.match, k.sort.name)
	case k.sort.ofApp && k.sort.appOf(body) == "":
		return w, fmt.Errorf("app_id is empty, and a %s belongs to an app", k.sort.name)
	}
	return w, nil
}

// lock lets one row at a time look and write.
func (k *ApplyRows) lock(wanted) (unlock func()) {
	k.turn.Lock()
	return k.turn.Unlock
}

// find lists what is there now, and asks for what this process created and the
// list does not show.
func (k *ApplyRows) find(ctx context.Context, w wanted) ([]thing, error) {
	there, err := k.sort.of(ctx, k.api, k.sort.appOf(w.body))
	if err != nil {
		return nil, err
	}
	for _, id := range k.made[k.sort.key(w)] {
		if slices.ContainsFunc(there, func(t thing) bool { return t.id == id }) {
			continue
		}
		resp, err := k.api.Call(ctx, k.sort.get, client.Call{Params: map[string]string{k.sort.param: id}})
		var e *client.Error
		switch {
		case err == nil:
			there = append(there, thing{id, resp.Body})
		case !errors.As(err, &e) || e.Status != http.StatusNotFound: // else it was deleted since
			return nil, err
		}
	}
	return k.sort.matching(there, w), nil
}

// decide compares what is wanted with what matches it.
func (k *ApplyRows) decide(w wanted, there []thing) (change, error) {
	name := k.sort.name
	switch {
	case len(there) > 1:
		return change{}, vain("%d %ss match, among them %s and %s: write id: with the one that is meant", len(there), name, there[0].id, there[1].id)
	case len(there) == 1:
		return k.sort.compare(w, there[0])
	case w.id != "":
		return change{}, vain("there is no %s with the id %s: without an id it would be created", name, w.id)
	case k.OnMissing == "fail":
		return change{}, vain("there is no such %s, and on_missing is fail", name)
	}
	for _, member := range k.sort.needs {
		if !gjson.GetBytes(w.body, member).Exists() {
			return change{}, vain("there is no such %s, and without %s the API creates none", name, member)
		}
	}
	return change{body: w.body}, nil
}

// vain says why a call for a row would be in vain.
func vain(format string, args ...any) error {
	return &Unsent{State: pipeline.Failed, Reason: fmt.Sprintf(format, args...)}
}

// apply makes the call. What it carries is kept out of errors and of the answer.
func (k *ApplyRows) apply(ctx context.Context, c change) (client.Response, error) {
	op, call := k.sort.call(c)
	call.Secrets = secretsOf(call.Body)
	return k.api.CallMasked(ctx, op, call, c.mask)
}

// applied remembers what a row has become.
func (k *ApplyRows) applied(w wanted, id string) {
	key := k.sort.key(w)
	if w.id == "" && !slices.Contains(k.made[key], id) {
		k.made[key] = append(k.made[key], id)
	}
}

// of lists the things that are there: those of an app, where they belong to one.
func (s *sortOfThing) of(ctx context.Context, api *client.Client, app string) ([]thing, error) {
	var call client.Call
	if s.ofApp {
		call.Params = map[string]string{"app_id": app}
	}
	page, err := api.List(ctx, s.list, call)
	if err != nil {
		return nil, err
	}
	there := make([]thing, len(page.Items))
	for i, body := range page.Items {
		there[i] = thing{gjson.GetBytes(body, "id").String(), body}
	}
	return there, nil
}

// matching are those of the things there that a row means.
func (s *sortOfThing) matching(there []thing, w wanted) []thing {
	var found []thing
	for _, t := range there {
		if w.id == t.id || w.id == "" && s.matchOf(t.body) == s.matchOf(w.body) {
			found = append(found, t)
		}
	}
	return found
}

// call is the call that makes a change, but for its mask.
func (s *sortOfThing) call(c change) (client.Operation, client.Call) {
	if c.id == "" {
		return s.create, client.Call{Body: c.body}
	}
	return s.update, client.Call{Params: map[string]string{s.param: c.id}, Body: c.body}
}

func (s *sortOfThing) matchOf(body []byte) string { return gjson.GetBytes(body, s.match).String() }

// appOf is the app that a thing belongs to; "" where it belongs to none.
func (s *sortOfThing) appOf(body []byte) string {
	if !s.ofApp {
		return ""
	}
	return gjson.GetBytes(body, "app_id").String()
}

// key is the same for things that are matched alike.
func (s *sortOfThing) key(w wanted) string { return s.appOf(w.body) + "\n" + s.matchOf(w.body) }
