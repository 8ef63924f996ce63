package jobs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

func TestWhoGetsNothingIsSaidInOneOfThreeWays(t *testing.T) {
	t.Parallel()
	job := func(suppress string) string {
		return goodAPI + `
jobs:
  offer:
    kind: bulk_send
    app: ${APP}
    from: {csv: r.csv}
    key: phone
    request: {message: {text_message: {text: Hi}}}
` + suppress
	}
	for suppress, want := range map[string]Suppress{
		"":                                {On: true},
		"    suppress: true\n":            {On: true},
		"    suppress: false\n":           {},
		"    suppress: ${NONE:-false}\n":  {},
		"    suppress: from outs\n":       {On: true, Query: "from outs"},
		"    suppress: |\n      from o\n": {On: true, Query: "from o"},
	} {
		offer, ok := mustLoad(t, job(suppress)).Job("offer")
		require.True(t, ok)
		assert.Equal(t, want, offer.Spec.(*BulkSend).Suppress, suppress)
	}
	for _, suppress := range []string{"yes", "consents", "[a]", `""`, "1"} {
		problems := loadProblems(t, job("    suppress: "+suppress+"\n"))
		assert.Contains(t, problems[0].Message, "must be true, false or a query", suppress)
	}
}

func TestAListCountsForItsContent(t *testing.T) {
	t.Parallel()
	out := optedOut{
		outKey("", "+461"): ofAll, outKey("SMS", "462"): ofMarketing, outKey("RCS", "462"): ofNotification,
		outKey("", "463"): ofQuery, contactKey("C"): ofMarketing | ofNotification,
	}
	to := func(channel, identity string) string {
		return fmt.Sprintf(`"recipient":{"identified_by":{"channel_identities":[{"channel":"MMS","identity":"+460"},{"channel":%q,"identity":%q}]}}`, channel, identity)
	}
	const contact = `"recipient":{"contact_id":"C"}`
	for _, c := range []struct{ recipient, content, reason string }{
		{to("SMS", "460"), "CONTENT_MARKETING", ""},
		{to("SMS", "461"), "CONTENT_UNKNOWN", "the SMS identity is on OPT_OUT_ALL"},
		{to("RCS", "+461"), "CONTENT_NOTIFICATION", "the RCS identity is on OPT_OUT_ALL"},
		{to("SMS", "+462"), "", ""},
		{to("SMS", "+462"), "CONTENT_NOTIFICATION", ""},
		{to("SMS", "+462"), "CONTENT_MARKETING", "the SMS identity is on OPT_OUT_MARKETING"},
		{to("RCS", "+462"), "CONTENT_MARKETING", ""},
		{to("RCS", "+462"), "CONTENT_NOTIFICATION", "the RCS identity is on OPT_OUT_NOTIFICATION"},
		{to("RCS", "463"), "", "the RCS identity is among those of the job's suppress query"},
		{contact, "", ""},
		{contact, "CONTENT_MARKETING", "an identity of the contact is on OPT_OUT_MARKETING"},
	} {
		s := readSend([]byte(`{"message_content_type":"` + c.content + `",` + c.recipient + `}`))
		err := out.refuse(&s)
		if c.reason == "" {
			assert.NoError(t, err, "%v", c)
			continue
		}
		var u *Unsent
		require.ErrorAs(t, err, &u, "%v", c)
		assert.Equal(t, Unsent{pipeline.Suppressed, c.reason}, *u)
	}
}

func TestContactsOfAnotherAppsIdentitiesAreNotOut(t *testing.T) {
	t.Parallel()
	out := optedOut{outKey("MESSENGER", "7"): ofAll}
	env := storeOf(map[string][][]any{"FROM contacts": {
		{"mine", "MESSENGER", "7", "A"}, {"another's", "MESSENGER", "7", "B"}, {"other", "MESSENGER", "8", "A"},
	}})
	require.NoError(t, out.addContacts(t.Context(), env, "A"))
	assert.Equal(t, optedOut{outKey("MESSENGER", "7"): ofAll, contactKey("mine"): ofAll}, out)
}

func BenchmarkRefuse(b *testing.B) {
	out := optedOut{outKey("", "461"): ofAll}
	body := readSend([]byte(`{"app_id":"A","recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"+46701234567"}]}},"message":{"text_message":{"text":"Hi"}}}`))
	for b.Loop() {
		if err := out.refuse(&body); err != nil {
			b.Fatal(err)
		}
	}
}

// A store without opt-outs is not queried, which takes longer than to look.
func TestAStoreWithoutConsentsSuppressesNobody(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store can not be read")
	for _, c := range []struct {
		has  bool
		err  error
		asks int
	}{{false, nil, 0}, {true, nil, 1}, {false, broken, 0}} {
		send, asked := &BulkSend{Suppress: Suppress{On: true}}, 0
		err := send.learnOptedOut(t.Context(), Env{
			Has:   func(string) (bool, error) { return c.has, c.err },
			Query: func(context.Context, string, func([]any) error) error { asked++; return nil },
		})
		require.ErrorIs(t, err, c.err)
		assert.Equal(t, c.asks, asked)
	}
}

// Who is on a list that people wrote is found, however they did.
func TestANumberIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for written, plain := range map[string]string{
		"46701234567": "46701234567", "+46701234567": "46701234567", "0046701234567": "46701234567",
		"+46 70-123 45 67": "46701234567", " +46 (70) 123.45.67\r": "46701234567", "00 46 70/1234567": "46701234567",
		"+46\u00a070\u2011123\u00a045\u00a067": "46701234567",
		"user-7":                               "user-7", " user 7 ": "user 7", "": "", "+": "",
	} {
		assert.Equal(t, plain, plainNumber(written), "%q", written)
	}
	send := &BulkSend{Suppress: Suppress{On: true, Query: "select phone from blocked"}}
	require.NoError(t, send.Ready(t.Context(), storeOf(map[string][][]any{"blocked": {{"+46 70 123 45 67"}, {"00-7"}}})))
	for identity, out := range map[string]bool{"46701234567": true, "+46701234567": true, "00-7": true, "46701234568": false} {
		assert.Equal(t, out, send.out.of("SMS", identity)&ofQuery != 0, identity)
	}
}
