package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := Secret(testSecret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		assert.NotContains(t, fmt.Sprintf(verb, s, s), testSecret, verb)
		assert.NotContains(t, fmt.Sprintf(verb, &s, &s), testSecret, verb)
	}
	text, err := s.MarshalText()
	require.NoError(t, err)
	asJSON, err := json.Marshal(map[string]any{"k": s, "list": []Secret{s}})
	require.NoError(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "s", s, "cfg", config("x"))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "s", s)
	for _, out := range []string{s.String(), s.GoString(), string(text), string(asJSON), log.String()} {
		assert.NotContains(t, out, testSecret)
		assert.Contains(t, out, "[redacted]")
	}
	assert.Equal(t, testSecret, s.Reveal())
}

func TestAClientPrintsWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"oauth2", "basic"} {
		c, _ := mustClient(t, "http://127.0.0.1:1", func(cfg *Config) { cfg.Auth = auth })
		assert.NotContains(t, fmt.Sprintf("%+v %#v", c, c), testSecret)
	}
}

func TestSecretsThatTheServerRepeatsAreHidden(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"oauth2", "basic"} {
		s := mustServe(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"message":"what is %s, of %s?"}`, r.Header.Get("Authorization"), testSecret)
		})
		var log bytes.Buffer
		c, _ := mustClient(t, s.URL, func(cfg *Config) {
			cfg.Auth = auth
			cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		_, err := c.SendMessage(t.Context(), []byte(`{}`))
		e := mustFail(t, err)
		assert.Equal(t, 2, strings.Count(e.Message, "[redacted]"), e.Message)
		assert.NotContains(t, log.String(), testSecret)
	}
}
