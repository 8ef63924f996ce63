package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maskServer knows one of the two parameters for a mask and refuses the other.
// It answers with the query.
func maskServer(t *testing.T, knows, other string, refusal http.HandlerFunc) *server {
	return mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has(other) {
			refusal(w, r)
			return
		}
		if strings.Contains(r.URL.RawQuery, "bad") {
			answers(400, `{"message":"the mask","details":[{"field_violations":[{"field":"update_mask","description":"has a path that is none"}]}]}`)(w, r)
			return
		}
		assert.True(t, r.URL.Query().Has(knows))
		fmt.Fprintf(w, `{"query":%q}`, r.URL.RawQuery)
	})
}

func TestTheMaskOfAnOlderServerIsFoundOutOnce(t *testing.T) {
	t.Parallel()
	for _, refusal := range []http.HandlerFunc{
		answers(400, `{"message":"Malformed request: update_mask unknown field","details":[]}`),
		answers(404, `{"error":{"message":"no","details":[{"field_violations":[{"field":"update_mask","description":"unknown"}]}]}}`),
	} {
		s := maskServer(t, olderMask, newerMask, refusal)
		base, _ := mustClient(t, s.URL)
		r, err := base.UpdateContact(t.Context(), "1", []string{"email", "display_name"}, []byte(`{}`))
		require.NoError(t, err)
		assert.JSONEq(t, `{"query":"update_mask.paths=email&update_mask.paths=display_name"}`, string(r.Body))
		assert.EqualValues(t, 2, s.calls.Load())
		other := base.For(&gate{})
		for range 2 {
			_, err = other.UpdateContact(t.Context(), "1", []string{"email"}, []byte(`{}`))
			require.NoError(t, err)
		}
		assert.EqualValues(t, 4, s.calls.Load(), "clients made by For know it too")
		_, err = other.UpdateContact(t.Context(), "1", []string{"bad"}, []byte(`{}`))
		assert.Contains(t, mustFail(t, err).Error(), "has a path")
		assert.EqualValues(t, 5, s.calls.Load())
	}
}

func TestTheMaskOfANewerServerIsNeverSentInTheOlderWay(t *testing.T) {
	t.Parallel()
	s := maskServer(t, newerMask, olderMask, func(w http.ResponseWriter, _ *http.Request) { t.Error("the older way"); w.WriteHeader(500) })
	c, _ := mustClient(t, s.URL)
	_, err := c.UpdateContact(t.Context(), "1", []string{"bad"}, []byte(`{}`))
	assert.Contains(t, mustFail(t, err).Error(), "has a path", "a mask that is wrong is not a parameter that is unknown")
	r, err := c.UpdateContact(t.Context(), "1", []string{"email", "metadata"}, []byte(`{}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"query":"update_mask=email%2Cmetadata"}`, string(r.Body))
	assert.EqualValues(t, 2, s.calls.Load())
}

func TestAServerThatRefusesEveryMaskIsQuotedOnTheNewerWay(t *testing.T) {
	t.Parallel()
	s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.URL.Query() {
			answers(400, fmt.Sprintf(`{"message":"%s is not known"}`, name))(w, r)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	c, _ := mustClient(t, s.URL)
	for range 2 {
		_, err := c.UpdateContact(t.Context(), "1", []string{"email"}, []byte(`{}`))
		assert.Contains(t, mustFail(t, err).Error(), "update_mask is not known")
	}
	assert.EqualValues(t, 4, s.calls.Load(), "nothing was learnt from it")
	_, err := c.UpdateContact(t.Context(), "1", nil, []byte(`{}`))
	require.NoError(t, err, "without a mask there is no parameter")
	assert.False(t, unknownMask(errors.New("update_mask"), false))
}
