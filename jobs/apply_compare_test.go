package jobs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestOnlyWhatDiffersIsChanged(t *testing.T) {
	t.Parallel()
	const have = `{"id":"A","display_name":"Sales","processing_mode":"DISPATCH","retention_policy":{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":180},
		"triggers":["A","B"],"rates":[1,2],"queue":{"size":9007199254740993}}`
	for want, sent := range map[string]string{
		`{"display_name":"Sales"}`:                                                  "",
		`{"display_name":"Sales","retention_policy":{"ttl_days":180}}`:              "",
		`{"retention_policy":{"ttl_days":"180"}}`:                                   "", // a column is a text
		`{"smart_conversation":{"enabled":false},"callback":null,"x":"","list":[]}`: "", // as good as left out
		`{"triggers":["B","A"]}`:                                                    "",
		`{"triggers":["B"]}`:                                                        `triggers: {"triggers":["B"],"display_name":"Sales"}`,
		`{"rates":[2,1]}`:                                                           `rates: {"rates":[2,1],"display_name":"Sales"}`,
		`{"processing_mode":""}`:                                                    `processing_mode: {"processing_mode":"","display_name":"Sales"}`,
		`{"processing_mode":null}`:                                                  `processing_mode: {"processing_mode":null,"display_name":"Sales"}`,
		`{"processing_mode":"CONVERSATION","display_name":"Care"}`:                  `processing_mode,display_name: {"processing_mode":"CONVERSATION","display_name":"Care"}`,
		// What is not spoken of stays, digit by digit.
		`{"retention_policy":{"ttl_days":7}}`:     `retention_policy: {"retention_policy":{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":7},"display_name":"Sales"}`,
		`{"queue":{"name":"q"}}`:                  `queue: {"queue":{"size":9007199254740993,"name":"q"},"display_name":"Sales"}`,
		`{"smart_conversation":{"enabled":true}}`: `smart_conversation: {"smart_conversation":{"enabled":true},"display_name":"Sales"}`,
	} {
		c, err := apps.compare(wanted{body: []byte(want)}, thing{"A", []byte(have)})
		require.NoError(t, err, want)
		assert.Equal(t, "A", c.id)
		got := ""
		if !c.none() {
			got = strings.Join(c.mask, ",") + ": " + string(c.body)
		}
		assert.Equal(t, sent, got, want)
	}
}

func TestCredentialsAreReplacedByChannel(t *testing.T) {
	t.Parallel()
	const have = `[
		{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"t1"},"state":{"status":"ACTIVE"},"channel_known_id":"k"},
		{"channel":"LINE","line_credentials":{"token":"t2","secret":"s2"}},
		{"channel":"LINE","credential_ordinal_number":2,"line_credentials":{"token":"t3","secret":"s3"},"later":[1.50]}]`
	for want, sent := range map[string]string{
		`[]`: "",
		`[{"channel":"SMS","static_bearer":{"token":"t1"}}]`:                                   "",
		`[{"channel":"LINE","credential_ordinal_number":0,"line_credentials":{"token":"t2"}}]`: "",
		`[{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"new"}}]`: `[{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"new"}},` +
			`{"channel":"LINE","line_credentials":{"token":"t2","secret":"s2"}},` +
			`{"channel":"LINE","credential_ordinal_number":2,"line_credentials":{"token":"t3","secret":"s3"},"later":[1.50]}]`,
		`[{"channel":"MMS","mms_credentials":{"account_id":"m"}},{"channel":"LINE","credential_ordinal_number":2,"x":1}]`: `[{"channel":"SMS","static_bearer":{"claimed_identity":"a","token":"t1"}},` +
			`{"channel":"LINE","line_credentials":{"token":"t2","secret":"s2"}},{"channel":"LINE","credential_ordinal_number":2,"x":1},` +
			`{"channel":"MMS","mms_credentials":{"account_id":"m"}}]`,
	} {
		raw, same := joinCredentials(gjson.Parse(have), gjson.Parse(want))
		assert.Equal(t, sent == "", same, want)
		if !same {
			assert.Equal(t, sent, raw)
		}
	}
}

// What a server shows in the place of a secret is never sent back as one.
func TestASecretThatIsNotShownIsNotLost(t *testing.T) {
	t.Parallel()
	const have = `{"id":"A","display_name":"Sales","channel_credentials":[
		{"channel":"TELEGRAM","telegram_credentials":{"token":"****"}},{"channel":"SMS","callback_secret":"","static_bearer":{"token":"t"}}]}`
	change := func(want string) (change, error) {
		return apps.compare(wanted{body: []byte(want)}, thing{"A", []byte(have)})
	}
	c, err := change(`{"channel_credentials":[{"channel":"SMS","static_bearer":{"token":"new"}}]}`)
	var u *Unsent
	require.ErrorAs(t, err, &u)
	assert.Contains(t, u.Reason, "channel_credentials: the server does not show a secret")
	assert.True(t, len(c.body) == 0)
	c, err = change(`{"channel_credentials":[{"channel":"TELEGRAM","telegram_credentials":{"token":"same"}}]}`)
	require.NoError(t, err)
	assert.Equal(t, []string{"channel_credentials"}, c.mask, "one that is not shown differs always")
	c, err = change(`{"display_name":"Sales","processing_mode":"DISPATCH"}`)
	require.NoError(t, err)
	assert.Equal(t, []string{"processing_mode"}, c.mask)
}
