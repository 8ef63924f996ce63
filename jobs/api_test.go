package jobs

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"convbatch/pipeline"
	"convbatch/sources"
)

// problemOf is what is said of one job.
func problemOf(t *testing.T, job string) string {
	t.Helper()
	return loadProblems(t, goodAPI+"jobs:\n  it: {from: {csv: f.csv}, key: id, "+job+"}\n").Error()
}

func listProblem(t *testing.T, job string) string {
	t.Helper()
	return loadProblems(t, goodAPI+"jobs:\n  it: {kind: api_list, "+job+"}\n").Error()
}

func TestACallIsHeldAgainstItsOperationBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]string{
		`operation: Contact_GetContakt`:                                                                       `"Contact_GetContakt" is not the id of an operation; did you mean`,
		`operation: Contact_GetContact`:                                                                       "Contact_GetContact needs the parameter contact_id",
		`operation: Contact_GetContact, params: {contact: x, contact_id: y}`:                                  `params.contact: Contact_GetContact has no such parameter in its path; did you mean "contact_id"`,
		`operation: Contact_GetContact, params: {contact_id: x}, request: {a: b}`:                             "Contact_GetContact takes no body",
		`operation: Contact_ListContacts, query: {externalid: x}`:                                             `query.externalid: Contact_ListContacts has no such parameter; did you mean "external_id"`,
		`operation: Contact_GetContact, params: {contact_id: x}, idempotent: true`:                            "idempotent: goes with path",
		`operation: Contact_GetContact, method: GET, params: {contact_id: x}`:                                 "method: goes with path",
		`operation: App_ListApps, path: "/v1/projects/{project_id}/apps"`:                                     "needs either operation",
		`path: "/v1/projects/other/apps"`:                                                                     "path: begins with /v1/projects/{project_id}",
		`path: "/v1/projects/{project_id}/x/{thing}"`:                                                         "needs the parameter thing",
		`method: TRACE, path: "/v1/projects/{project_id}/x"`:                                                  "method: ",
		`operation: Contact_GetContact, params: {contact_id: x}, in_doubt: reconcile`:                         "in_doubt: ",
		`service: provisioning, path: "/v1/projects/{projectId}/x/{thing}", params: {thing: x, other: y}`:     "params.other: ",
		`service: provisioning, path: "/v1/projects/{projectId}/x", request: {a: b}, query: {anything: goes}`: "takes no body",
	} {
		assert.Contains(t, problemOf(t, "kind: api_call, "+job), want, job)
	}
}

func TestAListIsHeldAgainstItsOperationAndItsDataset(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]string{
		`operation: Contact_GetContact, params: {contact_id: x}, into: x`:             "Contact_GetContact is no list: api_call makes such calls",
		`operation: Contact_CreateContact, into: x`:                                   "it is a POST; api_call makes such calls",
		`operation: Contact_ListContacts, into: contacts`:                             "into: is the dataset of another kind",
		`operation: Contact_ListContacts, into: messages`:                             "into: is the dataset of another kind",
		`operation: Contact_ListContacts, into: results`:                              "into: is the dataset of another kind",
		`operation: Contact_ListContacts, into: contacts_history`:                     "into: ends like a view that every dataset has",
		`operation: Contact_ListContacts, into: mine_changes`:                         "into: ends like a view that every dataset has",
		`operation: Contact_ListContacts, into: Mine`:                                 "into: is not the name of a dataset",
		`operation: Contact_ListContacts, into: x, list: contacts`:                    "list: goes with path",
		`operation: Contact_ListContacts, into: x, paging: none`:                      "paging: goes with path",
		`operation: Contact_ListContacts, into: x, query: {channel: "{{.c}}"}`:        "query: uses the column c, and a list has no rows",
		`path: "/v1/projects/{project_id}/x", into: x`:                                "list: is missing",
		`operation: Contact_ListContacts, into: x, page_size: 0`:                      "page_size: ",
		`operation: Webhooks_ListWebhooks, into: x`:                                   "needs the parameter app_id",
		`operation: Webhooks_ListWebhooks, into: x, params: {app_id: ""}`:             "params: app_id is empty",
		`path: "/v1/projects/{project_id}/x", list: xs, paging: pageTokens, into: xs`: "paging: ",
	} {
		assert.Contains(t, listProblem(t, job), want, job)
	}
}

// What a snapshot is of decides which runs belong together.
func TestTheDigestOfAListChangesWithWhatIsListed(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, job := range []string{
		`operation: Contact_ListContacts, into: x`,
		`operation: Contact_ListContacts, into: y`,
		`operation: Contact_ListContacts, into: x, query: {channel: SMS}`,
		`operation: Contact_ListContacts, into: x, id: external_id`,
		`operation: Webhooks_ListWebhooks, into: x, params: {app_id: A}`,
		`operation: Webhooks_ListWebhooks, into: x, params: {app_id: B}`,
		`path: "/v1/projects/{project_id}/x", list: xs, into: x`,
		`path: "/v1/projects/{project_id}/x", list: ys, into: x`,
	} {
		file := mustLoad(t, goodAPI+"jobs:\n  it: {kind: api_list, "+job+"}\n")
		j, _ := file.Job("it")
		digest := j.Spec.(*APIList).Digest(Env{Project: "p"})
		assert.Empty(t, seen[digest], "%s and %s", job, seen[digest])
		seen[digest] = job
	}
	first := mustLoad(t, goodAPI+"jobs:\n  it: {kind: api_list, operation: Contact_ListContacts, into: x, page_size: 7}\n")
	j, _ := first.Job("it")
	assert.Equal(t, `operation: Contact_ListContacts, into: x`, seen[j.Spec.(*APIList).Digest(Env{Project: "p"})], "how it is read is not what is listed")
}

func TestBothStylesOfPagesAndAListOfOnesOwnAreRead(t *testing.T) {
	t.Parallel()
	for _, job := range []string{
		`path: "/v1/projects/{project_id}/things", list: things`,
		`path: "/v1/projects/{project_id}/things", list: things, page_size: 1`,
	} {
		file := mustLoad(t, goodAPI+"jobs:\n  it: {kind: api_list, into: x, "+job+"}\n")
		j, _ := file.Job("it")
		got, _, err := readFrom(t, &j.Spec.(*APIList).snapshot, answers{
			"/things":    `{"things":[{"id":"a"}],"next_page_token":"t1"}`,
			"/things?t1": `{"things":[{"id":"b"}]}`,
		})
		assert.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, got.ids)
	}
	file := mustLoad(t, goodAPI+"jobs:\n  it: {kind: api_list, into: x, path: \"/v1/projects/{project_id}/things\", list: ., paging: none}\n")
	j, _ := file.Job("it")
	got, _, err := readFrom(t, &j.Spec.(*APIList).snapshot, answers{"/things": `[{"id":"a"},{"id":"b"}]`})
	assert.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, got.ids)
}

func TestARowThatIsNotSentIsSaidToBeSoUnlessItMayHaveBeen(t *testing.T) {
	t.Parallel()
	row := sources.Row{Line: 3}
	why := &Unsent{State: pipeline.Suppressed, Reason: "opted out"}
	assert.Equal(t, pipeline.Outcome{State: pipeline.Suppressed, Error: "opted out"}, unsent(pipeline.Item{}, row, why))
	assert.Equal(t, pipeline.Outcome{State: pipeline.Invalid, Error: "line 3: bad"}, unsent(pipeline.Item{}, row, errors.New("bad")))
	for _, err := range []error{why, assert.AnError} {
		out := unsent(pipeline.Item{Doubt: &pipeline.Doubt{Attempts: 2}}, row, err)
		assert.Equal(t, pipeline.InDoubt, out.State, "what may have been sent is neither invalid nor suppressed")
		assert.Equal(t, 2, out.Attempts)
	}
}
