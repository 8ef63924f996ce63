package jobs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// onLists is an API that shows the same identities on each list, whose page
// tokens are places.
type onLists []string

func (l onLists) RoundTrip(r *http.Request) (*http.Response, error) {
	text := `{"access_token":"t","token_type":"bearer","expires_in":3600}`
	if !strings.HasSuffix(r.URL.Path, "/token") {
		from, _ := strconv.Atoi(r.URL.Query().Get("page_token"))
		size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
		to, next := min(from+size, len(l)), ""
		if to < len(l) {
			next = strconv.Itoa(to)
		}
		text = fmt.Sprintf(`{"identities":[{"identity":"%s"}],"next_page_token":%q}`, strings.Join(l[from:to], `"},{"identity":"`), next)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// work does steps and what they give rise to. It returns what they brought as
// "identity state", and their names.
func work(t *testing.T, worker pipeline.Worker, queue []pipeline.Item) (brought, did []string) {
	t.Helper()
	for len(queue) > 0 {
		out, err := worker.Do(t.Context(), queue[0])
		require.NoError(t, err)
		did = append(did, queue[0].Key)
		for _, r := range out.Records {
			c := r.Row.(*Consent)
			assert.Equal(t, Consent{"project-1", "A", c.Identity, "", optOutAll, c.State, "api", c.ChangedAt, "RUN9"}, *c)
			brought = append(brought, c.Identity+" "+c.State)
		}
		queue = append(slices.Clone(out.Follow), queue[1:]...)
	}
	return brought, did
}

// What a process that died had read of a list is known to nobody: a run that
// goes on in the middle takes nobody for gone before it has seen all of it.
func TestWhoIsOnAListIsNotTakenForGone(t *testing.T) {
	t.Parallel()
	var on onLists
	for i := range 120 {
		on = append(on, fmt.Sprint(46_700_000_000+i))
	}
	env := storeOf(map[string][][]any{
		"SELECT app_id, list, identity": {{"A", optOutAll, on[0]}, {"A", optOutAll, on[119]}, {"A", optOutAll, "4699"}},
		"SELECT identity FROM":          {{on[0]}, {on[119]}, {"4699"}},
	})
	env.Client = envOf(t, on).Client
	for _, from := range []int{0, 50} {
		var k consentLists
		k.of("A", false)
		s := step{List: "consents", Params: map[string]string{"app_id": "A", "list_type": optOutAll}}
		whole := s.String()
		if from > 0 {
			s.Token, s.Read = strconv.Itoa(from), from
		}
		begin, err := items([]step{s})
		require.NoError(t, err)
		worker, err := k.Open(context.Background(), env, begin)
		require.NoError(t, err)
		brought, did := work(t, worker, begin)
		assert.Len(t, brought, 118+1)
		assert.NotContains(t, brought, on[0]+" out", "which is no news")
		assert.Equal(t, "4699 in", brought[118])
		gone := "no longer in " + whole
		if from == 0 {
			assert.Equal(t, []string{whole, gone}, did)
		} else {
			assert.Equal(t, []string{whole + " from entry 50", gone, whole, gone}, did)
		}
	}
}
