package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/internal/emulator"
	"convbatch/ratelimit"
)

// TestAContactIsUpdatedOnServersOfEitherAge has an update name its fields in the
// way that the server takes, without being told which.
func TestAContactIsUpdatedOnServersOfEitherAge(t *testing.T) {
	t.Parallel()
	for profile, calls := range map[string][]int64{emulator.ProfileNew: {1, 1, 1}, emulator.ProfileOld: {2, 1, 1}} {
		e := emulator.New(emulator.Options{Profile: profile, Contacts: 1})
		info := e.Info("http://127.0.0.1")
		base, err := client.New(client.Config{
			Project: info.Project, Region: "eu", KeyID: info.KeyID, KeySecret: client.Secret(info.KeySecret),
			URLs: client.URLs{Conversation: info.URLs.Conversation, Token: info.URLs.Token}, Transport: e.Transport(),
			Backoff:         func() client.Backoff { return ratelimit.NewBackoff(time.Millisecond, time.Millisecond) },
			ParseRetryAfter: ratelimit.ParseRetryAfter,
		})
		require.NoError(t, err)
		page, err := base.For(ratelimit.New(800)).ListContacts(t.Context(), client.ContactQuery{PageSize: 20})
		require.NoError(t, err)
		id := gjson.GetBytes(page.Items[0], "id").String()
		metadata := gjson.GetBytes(page.Items[0], "metadata").String()
		body := []byte(`{"display_name":"Eva","metadata":"not in the mask"}`)
		for i, mask := range [][]string{{"display_name", "email"}, {"display_name"}, {"name"}} {
			c := base.For(ratelimit.New(800)) // what one has found out, all know
			r, err := c.UpdateContact(t.Context(), id, mask, body)
			assert.Equal(t, calls[i], c.Counters().Requests, "%s %v", profile, mask)
			if i == 2 {
				require.ErrorContains(t, err, "has a path that is none of", "%s: a mask that is wrong is wrong in every way", profile)
				continue
			}
			require.NoError(t, err)
			contact := gjson.ParseBytes(r.Body)
			assert.Equal(t, "Eva", contact.Get("display_name").String())
			assert.Empty(t, contact.Get("email").String())
			assert.Equal(t, metadata, contact.Get("metadata").String())
		}
	}
}
