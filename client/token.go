package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// ahead is how long before its end a token is renewed; one that does not
	// live long is renewed after four fifths of its life.
	ahead = time.Minute
	// lifetime is that of a token whose server does not say.
	lifetime = time.Hour
)

// token is what a call is authorized with.
type token struct {
	header  []string // the whole Authorization header
	expiry  time.Time
	renewAt time.Time   // guarded by the mutex of credentials
	worked  atomic.Bool // a call was answered with success
	basic   bool        // has no end
	hider   *hider
}

func newToken(access string, expiry, now time.Time) *token {
	if expiry.IsZero() {
		expiry = now.Add(lifetime)
	}
	life := expiry.Sub(now)
	return &token{header: []string{"Bearer " + access}, expiry: expiry, renewAt: expiry.Add(-min(ahead, life/5)), hider: newHider(access)}
}

func basicToken(keyID, secret string) *token {
	return &token{header: []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(keyID+":"+secret))}, basic: true, hider: newHider()}
}

// over reports whether a 401 means that the time of the token is over. The
// header that says so may be missing: then it is over if its life is, or if it
// was good before.
func (t *token) over(h http.Header, now time.Time) bool {
	if t.basic {
		return false
	}
	if says := h.Values("WWW-Authenticate"); len(says) > 0 {
		return strings.Contains(strings.ToLower(strings.Join(says, " ")), "expired")
	}
	return t.worked.Load() || !now.Before(t.expiry)
}

// tokenError is why the token endpoint gave no token. It never wraps what the
// oauth2 package returns, which holds the request, and the secret in it.
type tokenError struct {
	message    string
	permanent  bool
	retryAfter time.Duration
}

func (e *tokenError) Error() string { return e.message }

// tokenEndpoint asks for tokens (RFC 6749, 4.4).
type tokenEndpoint struct {
	conf    clientcredentials.Config
	http    *http.Client
	timeout time.Duration
	parse   func(string, time.Time) (time.Duration, bool)
}

func newTokenEndpoint(cfg Config) *tokenEndpoint {
	return &tokenEndpoint{
		conf: clientcredentials.Config{
			ClientID:     cfg.KeyID,
			ClientSecret: cfg.KeySecret.Reveal(),
			TokenURL:     cfg.URLs.Token,
			AuthStyle:    oauth2.AuthStyleInHeader,
		},
		http:    &http.Client{Transport: nowhereElse{cfg.Transport, cfg.UserAgent}},
		timeout: cfg.Timeout,
		parse:   cfg.ParseRetryAfter,
	}
}

// nowhereElse leaves out where an answer redirects to, so that http.Client can
// neither go there nor quote it in an error: there may be a token in it. It says
// who asks, since firewalls refuse those who do not.
type nowhereElse struct {
	http.RoundTripper
	userAgent string
}

func (t nowhereElse) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", t.userAgent)
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// fetch asks once. Its error is a *tokenError.
func (e *tokenEndpoint) fetch(ctx context.Context) (*token, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	now := time.Now()
	t, err := e.conf.Token(context.WithValue(ctx, oauth2.HTTPClient, e.http))
	if err == nil {
		return newToken(t.AccessToken, t.Expiry, now), nil
	}
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) {
		return nil, e.refusal(answered)
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		return nil, &tokenError{message: "the token endpoint can not be reached: " + words(transport.Err.Error(), maxWords)}
	}
	return nil, &tokenError{message: "the token endpoint's answer holds no token: is api.urls.token right?"}
}

// plainCode is what an OAuth error code may look like to be quoted.
var plainCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

func (e *tokenEndpoint) refusal(r *oauth2.RetrieveError) *tokenError {
	status := r.Response.StatusCode
	says := fmt.Sprintf("the token endpoint answered %d", status)
	if plainCode.MatchString(r.ErrorCode) {
		says += " " + r.ErrorCode
	}
	switch {
	case status == 408, status == 425, status == 429, status >= 500:
		wait, _ := e.parse(r.Response.Header.Get("Retry-After"), time.Now())
		return &tokenError{message: says, retryAfter: wait}
	case status >= 400 && status < 404 || status < 300:
		says += ": it refuses the credentials, check api.key_id (SINCH_KEY_ID) and api.key_secret (SINCH_KEY_SECRET)"
	default:
		says += ": is api.urls.token right?"
	}
	return &tokenError{message: says, permanent: true}
}
