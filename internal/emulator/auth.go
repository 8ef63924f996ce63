package emulator

import (
	"crypto/subtle"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tokenOperation is what faults and counters call the token endpoint, which
// is not an operation of the API.
const tokenOperation = "token"

// The token endpoint's limit, and that of API calls with a bare key.
const (
	tokenBurst  = 30
	tokenRate   = 10
	basicBurst  = 10
	basicPerSec = 1
)

// keeper knows the key and which tokens it gave out.
type keeper struct {
	id, secret string
	lifetime   time.Duration
	nonce      func() uint64
	tokens     sync.Map // token → expiry, nanoseconds
	endpoint   bucket
	basic      bucket
}

func newKeeper(o Options) *keeper {
	k := &keeper{
		id:       uuid(o.Seed, kindKey),
		secret:   fmt.Sprintf("%016x%016x", hash(o.Seed, kindSecret, 0), hash(o.Seed, kindSecret, 1)),
		lifetime: o.TokenLifetime,
		endpoint: bucket{size: tokenBurst, drain: tokenRate},
		basic:    bucket{size: basicBurst, drain: basicPerSec},
	}
	var mu sync.Mutex
	s := stream{hash(o.Seed, kindToken, 0)}
	k.nonce = func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return s.next()
	}
	return k
}

func (k *keeper) knows(id, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(id+":"+secret), []byte(k.id+":"+k.secret)) == 1
}

// issue answers the token endpoint: RFC 6749, section 4.4.
func (k *keeper) issue(r *http.Request, now int64) reply {
	if r.Method != http.MethodPost {
		return oauthError(http.StatusMethodNotAllowed, "invalid_request", "")
	}
	if !k.endpoint.put(now) {
		return reply{status: http.StatusTooManyRequests}
	}
	if id, secret, ok := r.BasicAuth(); !ok || !k.knows(id, secret) {
		return oauthError(http.StatusUnauthorized, "invalid_client", `Basic realm="token"`)
	}
	if form, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); form != "application/x-www-form-urlencoded" {
		return oauthError(http.StatusBadRequest, "invalid_request", "")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<14)
	switch r.PostFormValue("grant_type") {
	case "client_credentials":
	case "":
		return oauthError(http.StatusBadRequest, "invalid_request", "")
	default:
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "")
	}
	token := fmt.Sprintf("%016x%016x%016x", k.nonce(), k.nonce(), k.nonce())
	k.tokens.Store(token, now+int64(k.lifetime))
	body := fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":""}`, token, int(k.lifetime.Seconds()))
	return reply{status: http.StatusOK, body: []byte(body), header: http.Header{"Cache-Control": {"no-store"}}}
}

func oauthError(status int, word, challenge string) reply {
	r := reply{status: status, body: fmt.Appendf(nil, `{"error":%q}`, word)}
	if challenge != "" {
		r.header = http.Header{"Www-Authenticate": {challenge}}
	}
	return r
}

// Challenges of a 401. Only an expired token's says so, which is how a client
// tells a token to replace from a key to give up on.
const (
	challengeNone    = `Bearer realm="conversation"`
	challengeInvalid = `Bearer realm="conversation", error="invalid_token", error_description="the token is not known"`
	challengeExpired = `Bearer realm="conversation", error="invalid_token", error_description="the token expired"`
)

// authorize checks who calls, and that the project in the path is the key's.
func (e *Emulator) authorize(c *call) (reply, bool) {
	scheme, credential, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		expiry, known := e.keeper.tokens.Load(credential)
		if !known {
			return e.unauthenticated(c, challengeInvalid), false
		}
		if c.now >= expiry.(int64) {
			return e.unauthenticated(c, challengeExpired), false
		}
	case "basic":
		if c.op.batch {
			return e.unauthenticated(c, challengeNone), false
		}
		if id, secret, ok := c.BasicAuth(); !ok || !e.keeper.knows(id, secret) {
			return e.unauthenticated(c, challengeNone), false
		}
		if !e.keeper.basic.put(c.now) {
			return e.turnAway(c, refusal{status: http.StatusTooManyRequests, message: "Calls with a bare key are for testing only; use a token."}), false
		}
	default:
		return e.unauthenticated(c, challengeNone), false
	}
	switch {
	case or(c.path["project_id"], c.path["projectId"]) == e.project:
		return reply{}, true
	case c.shape == shapeProvisioning: // which does not tell a wrong project from a wrong key
		return e.unauthenticated(c, ""), false
	}
	return e.turnAway(c, refusal{status: http.StatusForbidden, message: "You do not have access to the requested resource."}), false
}

// unauthenticated answers 401, with a challenge where there is one.
func (e *Emulator) unauthenticated(c *call, challenge string) reply {
	r := refusal{status: http.StatusUnauthorized, message: "Request had invalid credentials."}
	if challenge != "" {
		r.header = http.Header{"Www-Authenticate": {challenge}}
	}
	return e.turnAway(c, r)
}
