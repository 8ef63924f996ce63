package jobs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

func TestATokenFitsWhereverItMayHaveToGo(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "batch:spring-offer:+46701234567", rowToken("spring-offer", "+46701234567"))
	long := rowToken("spring-offer", strings.Repeat("k", 200))
	assert.Equal(t, "batch:spring-offer:sha256:", long[:26])
	assert.Equal(t, long, rowToken("spring-offer", strings.Repeat("k", 200)))
	rapid.Check(t, func(t *rapid.T) {
		job := rapid.StringMatching(`[a-z0-9][a-z0-9._-]{0,63}`).Draw(t, "job")
		key := rapid.String().Draw(t, "key")
		token := rowToken(job, key)
		require.LessOrEqual(t, len(token), maxCorrelation)
		require.NotContains(t, token, " ")
		require.True(t, strings.HasPrefix(token, tokenPrefix(job)))
		quoted, err := json.Marshal(token)
		require.NoError(t, err)
		require.Equal(t, `"`+token+`"`, string(quoted), "no escape is needed, so bytes can be compared")
		if other := rapid.String().Draw(t, "another key"); other != key {
			require.NotEqual(t, token, rowToken(job, other))
		}
	})
}

// Whatever the user has in the two fields, what the server reads back has the
// token, and the user's own words unchanged.
func TestATokenComesBackAndTheUsersWordsStay(t *testing.T) {
	t.Parallel()
	metadata := rapid.OneOf(
		rapid.Just(""), rapid.String(), rapid.StringN(1000, 1100, -1),
		rapid.SampledFrom([]string{
			`{}`, `{"a":1}`, ` {"a": {"b": [1]}} `, `{"batch_key":"mine"}`, `{"a":"x batch:y"}`, `[1]`, `{"a":1`,
			"batch:other:1", "text batch:other:1", "batch:", " batch:", "line\nbreak", `quote " and \`, "{{", "æ🌷",
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		own := metadata.Draw(t, "metadata")
		ownID := rapid.SampledFrom([]string{"", "mine"}).Draw(t, "correlation_id")
		correlation := rapid.Bool().Draw(t, "the server knows correlation_id")
		token := rowToken("job", rapid.String().Draw(t, "key"))
		request := map[string]any{"app_id": "A"}
		if own != "" || rapid.Bool().Draw(t, "empty metadata is there") {
			request["message_metadata"] = own
		}
		if ownID != "" || rapid.Bool().Draw(t, "empty correlation_id is there") {
			request["correlation_id"] = ownID
		}
		if rapid.Bool().Draw(t, "nothing else") {
			delete(request, "app_id")
		}
		before, err := json.Marshal(request)
		require.NoError(t, err)
		kept := string(before)

		of := readSend(before)
		body, carried, err := of.addToken(token, correlation)
		require.NoError(t, err)
		require.Equal(t, kept, string(before), "the body that was given stays as it is")
		require.True(t, gjson.ValidBytes(body), "%s", body)
		sent, id := gjson.GetBytes(body, "message_metadata").String(), gjson.GetBytes(body, "correlation_id").String()
		require.LessOrEqual(t, utf8.RuneCountInString(sent), max(maxMetadata, utf8.RuneCountInString(own)))

		listed, err := json.Marshal(map[string]string{"metadata": sent})
		require.NoError(t, err)
		switch carried {
		case inMetadata:
			require.Equal(t, token, tokenOf(listed))
			require.Equal(t, ownID, id)
			requireCombined(t, own, sent, token)
		case inCorrelation:
			require.Equal(t, token, id)
			require.Equal(t, own, sent)
		case nowhere:
			require.Equal(t, own, sent)
			require.Equal(t, ownID, id)
			require.Greater(t, utf8.RuneCountInString(own)+len(token)+20, maxMetadata)
		}
		require.Equal(t, carried, traceOf(body, token).carrier, "and it is known from the body where it travels")
	})
}

// requireCombined requires that what was sent has all of the user's metadata.
func requireCombined(t *rapid.T, own, sent, token string) {
	switch {
	case own == "":
		require.Equal(t, token, sent)
	case isObject(own) && !gjson.Get(own, batchKey).Exists():
		var was, is map[string]any
		require.NoError(t, json.Unmarshal([]byte(own), &was))
		require.NoError(t, json.Unmarshal([]byte(sent), &is), sent)
		require.Equal(t, token, is[batchKey])
		delete(is, batchKey)
		require.Equal(t, was, is)
	default:
		require.Equal(t, own+" "+token, sent)
	}
}
