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
	k.once, k.inDoubt, k.after, k.ref, k.look = true, inDoubtReconcile, k.After, "id", k.merged
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
// merge, so it can not be merged twice.
func (k *ContactMerge) merged(ctx context.Context, env Env, call client.Call, _ pipeline.Doubt) (string, error) {
	_, err := env.Client.GetContact(ctx, gjson.GetBytes(call.Body, "source_id").String())
	var e *client.Error
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &e) && e.Status == http.StatusNotFound:
		return call.Params["destination_id"], nil
	}
	return "", err
}
