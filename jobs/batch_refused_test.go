package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"convbatch/client"
	"convbatch/pipeline"
)

func TestWhichRowsARefusalNames(t *testing.T) {
	t.Parallel()
	const first, second, whole = "recipient_and_params[0].recipient: is wrong", "recipientAndParams[2]: is odd", "message: is empty"
	for name, c := range map[string]struct {
		change func(*client.Error)
		want   map[int][]string
	}{
		"some":                   {func(*client.Error) {}, map[int][]string{0: {first}, 2: {second, second}}},
		"a field of all":         {func(e *client.Error) { e.Violations = []string{whole, "x.recipient_and_params[1]: is wrong"} }, nil},
		"one that was not there": {func(e *client.Error) { e.Violations = append(e.Violations, "recipient_and_params[3]: is wrong") }, nil},
		"a row without a number": {func(e *client.Error) { e.Violations = []string{"recipient_and_params.recipient: is wrong"} }, nil},
		"not a refusal":          {func(e *client.Error) { e.Status = 500 }, nil},
		"in doubt":               {func(e *client.Error) { e.Intent = client.InDoubt }, nil},
		"in doubt before":        {func(e *client.Error) { e.Unsure = true }, nil},
	} {
		e := &client.Error{Operation: "Batch_SendBatch", Status: 400, Intent: client.Failed, Message: "no", Violations: []string{first, second, whole, second}}
		c.change(e)
		named := namedRows(e, namedRecipient, 3)
		assert.Len(t, named, len(c.want), name)
		for at, violations := range c.want {
			assert.Equal(t, violations, named[at].Violations, name)
			assert.Equal(t, 400, named[at].Status)
		}
	}
	assert.Empty(t, namedRows(nil, namedRecipient, 3))
	assert.Len(t, namedRows(&client.Error{Status: 400, Intent: client.Failed, Violations: []string{"contacts[1].email: is wrong"}}, namedContact, 2), 1)
}

func TestOnlyARefusalOfSeveralRowsHasAHint(t *testing.T) {
	t.Parallel()
	out := pipeline.Outcome{State: pipeline.Failed, Error: "no"}
	refusal := &client.Error{Status: 404, Intent: client.Failed}
	assert.Contains(t, refusedWhole(out, refusal, 2).Error, "no; the call was refused as a whole: with batch_size: 1")
	assert.Equal(t, out, refusedWhole(out, refusal, 1))
	assert.Equal(t, out, refusedWhole(out, &client.Error{Status: 403, Intent: client.Failed}, 2))
	assert.Equal(t, out, refusedWhole(out, nil, 2))
}
