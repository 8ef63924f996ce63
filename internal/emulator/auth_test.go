package emulator

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokenIsGivenForTheKeyAlone(t *testing.T) {
	t.Parallel()
	c := start(t, Options{TokenLifetime: time.Hour})
	good := c.askToken(c.info.KeyID, c.info.KeySecret, "client_credentials")
	assert.Equal(t, http.StatusOK, good.status)
	assert.Equal(t, int64(3600), good.get("expires_in").Int())
	assert.Equal(t, "bearer", good.get("token_type").String())
	for name, a := range map[string]struct {
		id, secret, grant string
		status            int
	}{
		"wrong secret": {c.info.KeyID, "no", "client_credentials", http.StatusUnauthorized},
		"wrong id":     {"no", c.info.KeySecret, "client_credentials", http.StatusUnauthorized},
		"other grant":  {c.info.KeyID, c.info.KeySecret, "password", http.StatusBadRequest},
		"no grant":     {c.info.KeyID, c.info.KeySecret, "", http.StatusBadRequest},
	} {
		assert.Equal(t, a.status, c.askToken(a.id, a.secret, a.grant).status, name)
	}
}

func TestTokenEndpointHoldsThirtyAndRefillsTenASecond(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}) // has asked once
	for range tokenBurst - 1 {
		c.mustToken()
	}
	refused := c.askToken(c.info.KeyID, c.info.KeySecret, "client_credentials")
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	assert.Empty(t, refused.header.Get("Retry-After"))
	c.clock.move(100 * time.Millisecond)
	c.mustToken()
	assert.Equal(t, http.StatusTooManyRequests, c.askToken(c.info.KeyID, c.info.KeySecret, "client_credentials").status)
}

func TestOnlyAnExpiredTokenIsSaidToHaveExpired(t *testing.T) {
	t.Parallel()
	c := start(t, Options{TokenLifetime: time.Minute})
	require.Equal(t, http.StatusOK, c.get("/apps").status)
	c.clock.move(time.Minute)
	a := c.get("/apps")
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.Contains(t, a.header.Get("WWW-Authenticate"), "expired")

	c.token = "made-up"
	a = c.get("/apps")
	assert.Equal(t, http.StatusUnauthorized, a.status)
	assert.NotEmpty(t, a.header.Get("WWW-Authenticate"))
	assert.NotContains(t, a.header.Get("WWW-Authenticate"), "expired")
}

func TestBareKeyIsTakenAndHeavilyLimited(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	r := c.prepared(http.MethodGet, "/apps", "")
	r.SetBasicAuth(c.info.KeyID, c.info.KeySecret)
	for range basicBurst {
		assert.Equal(t, http.StatusOK, c.do(r).status)
	}
	assert.Equal(t, http.StatusTooManyRequests, c.do(r).status)
	r.SetBasicAuth(c.info.KeyID, "no")
	assert.Equal(t, http.StatusUnauthorized, c.do(r).status)
	r.Header.Del("Authorization")
	assert.Equal(t, http.StatusUnauthorized, c.do(r).status)
}

func TestAnotherProjectIsForbidden(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.info.Project = "00000000-0000-4000-a000-000000000000"
	a := c.get("/apps")
	assert.Equal(t, http.StatusForbidden, a.status)
	assert.Equal(t, "UNAUTHORIZED", a.get("status").String())
}
