package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewNamesEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Auth: "digest"})
	for _, want := range []string{"api.project", "api.key_id", "api.key_secret", "api.auth", "api.region", "Backoff", "ParseRetryAfter"} {
		require.ErrorContains(t, err, want)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, want string // want is part of the error; empty when there is none
	}{
		{"http://example.com", "use https"},                   // credentials in the clear
		{"http://10.0.0.1", "use https"},                      // a network is not loopback
		{"http://localhost.example.com", "use https"},         // only looks like it
		{"http://127.0.0.1.example.com", "use https"},         // so too
		{"https://bücher.example", "not ASCII: write it as"},  // whose name it is that is asked for
		{"ftp://example.com", "write https"},                  // no HTTP
		{"example.com", "this is no URL"},                     // no scheme
		{"https://", "this is no URL"},                        // no host
		{"https://a b", "this is no URL"},                     // garbage
		{"https://u:hidden@example.com", "user and password"}, // would be printed
		{"https://example.com/?a=b", "remove what follows"},   // could not be joined
		{"https://example.com/#a", "remove what follows"},     // so too

		{"https://example.com", ""},
		{"https://example.com/gateway/", ""},
		{"http://localhost:8080", ""},
		{"http://127.9.9.9:8080/", ""},
		{"http://[::1]:8080", ""},
	} {
		cfg := config("http://localhost")
		cfg.URLs.Batch = c.url
		_, err := New(cfg)
		if c.want == "" {
			require.NoError(t, err, c.url)
			continue
		}
		require.ErrorContains(t, err, c.want, c.url)
		require.ErrorContains(t, err, "api.urls.batch", c.url)
		assert.NotContains(t, err.Error(), "hidden")
	}
}

func TestURLsFollowFromTheRegion(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"us", "eu", "br"} {
		u, err := URLs{Token: "https://gateway.example.com/token/"}.normal(region)
		require.NoError(t, err)
		assert.Equal(t, URLs{
			Conversation: "https://" + region + ".conversation.api.sinch.com",
			Batch:        "https://" + region + ".conversationbatch.api.sinch.com",
			Provisioning: "https://provisioning.api.sinch.com",
			Token:        "https://gateway.example.com/token",
		}, u)
	}
	for _, region := range []string{"", "EU", "eu.evil.example.com/", "asia"} {
		_, err := URLs{}.normal(region)
		require.ErrorContains(t, err, "us, eu or br", region)
	}
}
