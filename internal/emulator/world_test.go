package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

func TestEverythingFollowsFromTheSeed(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 42, Contacts: 10, Conversations: 20, Messages: 200}
	a, b := start(t, o), start(t, o)
	o.Seed = 43
	other := start(t, o)
	_, first := stored(a.e)
	_, second := stored(b.e)
	_, third := stored(other.e)
	assert.Equal(t, first, second)
	assert.NotEqual(t, first, third)
	assert.Equal(t, a.info, b.info)
	assert.NotEqual(t, a.info.KeySecret, other.info.KeySecret)
	assert.Equal(t, a.token, b.token)
	for _, path := range []string{"/apps", "/contacts?page_size=20", "/conversations?app_id=" + a.info.App} {
		assert.Equal(t, string(a.get(path).body), string(b.get(path).body))
	}
	a.e.AddMessages(3, noon)
	b.e.AddMessages(3, noon)
	_, first = stored(a.e)
	_, second = stored(b.e)
	assert.Equal(t, first, second)
}

// TestNumbersAreGivenBack: what stands in place of an index must be right.
func TestNumbersAreGivenBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		z := rapid.Uint64().Draw(r, "z")
		if unmix(mix(z)) != z {
			r.Fatal("unmix does not undo mix")
		}
		seed, n := rapid.Uint64().Draw(r, "seed"), rapid.IntRange(0, 1<<40-1).Draw(r, "n")
		id := string(appendID(nil, seed, kindMessage, n, noon.UnixNano()))
		if got, ok := idNumber(seed, kindMessage, id); !ok || got != n {
			r.Fatalf("id of %d is read as %d", n, got)
		}
		size := rapid.IntRange(1, 1<<31).Draw(r, "size")
		p := newPermutation(size, rapid.IntRange(1, 1<<31).Draw(r, "factor"))
		k, shift := rapid.IntRange(0, size-1).Draw(r, "k"), rapid.IntRange(0, size-1).Draw(r, "shift")
		if p.of(p.at(k, shift), shift) != k {
			r.Fatal("a permutation is not undone")
		}
	})
}

func TestPeopleAreFoundByTheirIdentities(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(Options{Seed: rapid.Uint64().Draw(r, "seed"), Contacts: 50_000, Start: noon, End: noon, Mode: ModeConversation})
		p := rapid.IntRange(0, 49_999).Draw(r, "person")
		for _, channel := range w.channelsOf(p, nil) {
			identity := string(w.appendIdentity(nil, p, channel))
			if got, ok := w.person(channel, identity); !ok || got != p {
				r.Fatalf("%s %s belongs to %d, found %d", channel, identity, p, got)
			}
		}
	})
}

func TestMessagesAreAsVariedAsTheRealOnes(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Contacts: 50, Conversations: 80, Messages: 4000})
	kinds, digits, instants := map[string]int{}, map[int]int{}, map[string]int{}
	future, reordered, escaped, spaced, total := 0, 0, 0, 0, 0
	ids, bodies := stored(c.e)
	for i, body := range bodies {
		require.True(t, json.Valid([]byte(body)) && utf8.ValidString(body), body)
		m := gjson.Parse(body)
		require.Equal(t, ids[i], m.Get("id").String())
		for _, side := range []string{"app_message", "contact_message"} {
			m.Get(side).ForEach(func(k, _ gjson.Result) bool { kinds[side+"."+k.String()]++; return true })
		}
		require.True(t, m.Get("app_message").Exists() != m.Get("contact_message").Exists())
		at := m.Get("accept_time").String()
		instants[at]++
		_, fraction, _ := strings.Cut(strings.TrimSuffix(at, "Z"), ".")
		digits[len(fraction)]++
		total += len(body)
		count(&future, m.Get("routing_hints").Exists())
		count(&reordered, !strings.HasPrefix(strings.TrimLeft(body, "{ \n"), `"id"`))
		count(&escaped, strings.Contains(body, `\u`))
		count(&spaced, strings.Contains(body, `": `))
	}
	for _, kind := range []string{
		"app_message.text_message", "app_message.card_message", "app_message.media_message", "app_message.location_message",
		"app_message.choice_message", "app_message.carousel_message", "app_message.list_message", "app_message.template_message",
		"app_message.contact_info_message", "contact_message.text_message", "contact_message.media_message",
		"contact_message.location_message", "contact_message.choice_response_message", "contact_message.fallback_message",
		"contact_message.media_card_message", "contact_message.product_response_message", "contact_message.reply_to",
	} {
		assert.Positive(t, kinds[kind], kind)
	}
	assert.Len(t, digits, 10, "0 to 9 digits")
	assert.Less(t, len(instants), len(bodies), "some share an instant")
	assert.Positive(t, future)
	assert.Positive(t, reordered)
	assert.Positive(t, escaped)
	assert.Positive(t, spaced)
	assert.InDelta(t, 600, total/len(bodies), 100, "bytes on average")
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}

func TestAcceptTimeIsReadBackWhateverItsDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		nanos := noon.UnixNano() + rapid.Int64Range(0, 2e9).Draw(r, "nanos")
		text := string(appendAcceptTime(nil, nanos, rapid.IntRange(0, 9).Draw(r, "digits")))
		if at, err := time.Parse(time.RFC3339Nano, text); err != nil || at.UnixNano() != nanos {
			r.Fatalf("%d is written %s", nanos, text)
		}
	})
}

func TestEscapedTextMeansTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.String().Draw(r, "text")
		for _, quoted := range [][]byte{appendQuoted(nil, text), appendEscaped(nil, text)} {
			var back string
			if err := json.Unmarshal(quoted, &back); err != nil || back != text {
				r.Fatalf("%q became %s", text, quoted)
			}
		}
	})
}

func TestPeopleBeforeAnyoneWroteCanBeWrittenTo(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	assert.Empty(t, c.mustIDs("/messages", "messages"))
	c.e.AddMessages(5, noon)
	_, bodies := stored(c.e)
	require.Len(t, bodies, 5)
	for _, body := range bodies {
		assert.Equal(t, http.StatusOK, c.get("/contacts/"+gjson.Get(body, "contact_id").String()).status)
		assert.Equal(t, http.StatusOK, c.get("/conversations/"+gjson.Get(body, "conversation_id").String()).status)
	}
	dispatch := start(t, Options{Mode: ModeDispatch, DispatchRetentionDays: 2, Contacts: 4, Messages: 60})
	dispatch.e.AddMessages(5, noon.Add(-time.Hour))
	_, bodies = stored(dispatch.e)
	assert.Greater(t, len(bodies), 5)
	assert.Equal(t, bodies, dispatch.mustList("/messages?messages_source=DISPATCH_SOURCE", "messages"))
	for _, body := range bodies {
		assert.Empty(t, gjson.Get(body, "contact_id").String())
		assert.Equal(t, ModeDispatch, gjson.Get(body, "processing_mode").String())
		who := gjson.Get(body, "channel_identity.identity").String()
		assert.Contains(t, dispatch.mustList("/messages?messages_source=DISPATCH_SOURCE&channel_identity="+who, "messages"), body)
	}
}
