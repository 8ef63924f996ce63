package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/pipeline"
)

// ContactMerge is the kind contact_merge: for each row, one contact takes in
// another, which is gone afterwards.
type ContactMerge struct {
	EachRow `yaml:",inline"`
	Into    Text     `yaml:"into" doc:"The id of the contact that stays." required:"true"`
	Contact Text     `yaml:"contact" doc:"The id of the contact that is merged into it, and goes." required:"true"`
	After   Duration `yaml:"reconcile_after" doc:"How long a merge whose answer is lost is given to take effect before it is looked for." default:"10s"`
}

// Check compiles the call. A pair is merged once.
func (k *ContactMerge) Check(c *Checker) {
	k.once, k.inDoubt, k.after, k.look = true, inDoubtReconcile, k.After, merged
	k.ref, k.proof = "id", true
	k.calls(c, callParts{
		operation: operation("Contact_MergeContact"),
		params:    []keyed{{"into", k.Into}, {"contact", k.Contact}}, names: map[string]string{"into": "destination_id"},
		finish: mergeBody,
	})
}

// mergeBody moves the contact that goes into the body.
func mergeBody(call *client.Call) (err error) {
	source := call.Params["contact"]
	delete(call.Params, "contact")
	switch source {
	case "":
		return errors.New("contact is empty")
	case call.Params["destination_id"]:
		return errors.New("contact and into are the same: a contact can not be merged into itself")
	}
	call.Body, err = json.Marshal(map[string]string{"source_id": source, "strategy": "MERGE"})
	return err
}

// merged looks whether the contact that was to go is there: it goes with the
// merge, so it can not be merged twice. Where the other is not there either, it
// is something else that took them.
func merged(ctx context.Context, env Env, call client.Call, _ pipeline.Doubt) (string, error) {
	into := call.Params["destination_id"]
	isThere := func(id string) (bool, error) {
		_, err := env.Client.GetContact(ctx, id)
		var e *client.Error
		if errors.As(err, &e) && e.Intent == client.Failed && e.Status == http.StatusNotFound {
			return false, nil
		}
		return err == nil, err
	}
	if there, err := isThere(gjson.GetBytes(call.Body, "source_id").String()); there || err != nil {
		return "", err
	}
	there, err := isThere(into)
	if err == nil && !there {
		err = unknowable("neither of the contacts is there")
	}
	return into, err
}
