package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limiter decides when a call may be made. Wait returns nil when it may, not
// before after has passed; an error ends the call unsent. Throttled is told of
// every 429, with what the server asked for where it is known; Succeeded of
// every call that was answered as it should.
type Limiter interface {
	Wait(ctx context.Context, after time.Duration) error
	Throttled(retryAfter time.Duration, known bool)
	Succeeded()
}

// Backoff says how long to wait before the next try of one call.
type Backoff interface{ NextBackOff() time.Duration }

// URLs are the places of the services. Conversation, Batch and Provisioning
// are bases without /v1, Token is the whole URL of the token endpoint. What is
// empty follows from the region.
type URLs struct{ Conversation, Batch, Provisioning, Token string }

// Config is what a client is made of. The zero value of a field means the
// default that stands beside it; the others are required.
type Config struct {
	Project   string
	Region    string // us, eu or br; may be empty when all URLs are given
	KeyID     string
	KeySecret Secret
	Auth      string // "oauth2" (default) or "basic"
	URLs      URLs

	Timeout  time.Duration // of one attempt, connecting and reading included; 30 s
	InFlight int           // calls that are on the wire at once, and so connections to a host; 64
	Attempts int           // tries of one call; 8

	// Backoff makes the policy of one call. It is asked for no earlier than
	// the call's first repeat.
	Backoff func() Backoff
	// ParseRetryAfter reads a Retry-After header.
	ParseRetryAfter func(header string, now time.Time) (time.Duration, bool)

	UserAgent string            // "batch"
	Log       *slog.Logger      // nothing is logged
	Transport http.RoundTripper // InFlight connections to a host; another one must not repeat a POST by itself
}

// normal returns cfg with its defaults, or every mistake in it at once.
func (cfg Config) normal() (Config, error) {
	var wrong []error
	need := func(missing bool, what string) {
		if missing {
			wrong = append(wrong, errors.New(what))
		}
	}
	need(cfg.Project == "", "api.project is empty: set it to the id of the project")
	need(cfg.KeyID == "", "api.key_id is empty: set it to the id of an access key of the project")
	need(cfg.KeySecret == "", "api.key_secret is empty: set it to the secret of the access key")
	need(cfg.Backoff == nil, "Config.Backoff is not set")
	need(cfg.ParseRetryAfter == nil, "Config.ParseRetryAfter is not set")
	if cfg.Auth == "" {
		cfg.Auth = "oauth2"
	}
	need(cfg.Auth != "oauth2" && cfg.Auth != "basic", fmt.Sprintf("api.auth is %q: use oauth2 or basic", cfg.Auth))
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.InFlight <= 0 {
		cfg.InFlight = 64
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 8
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "batch"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	urls, err := cfg.URLs.normal(cfg.Region)
	cfg.URLs = urls
	if cfg.Transport == nil {
		cfg.Transport = transport(cfg.InFlight, urls, http.ProxyFromEnvironment)
	}
	return cfg, errors.Join(append(wrong, err)...)
}

// normal fills in what is empty from the region and checks the rest.
func (u URLs) normal(region string) (URLs, error) {
	var wrong []error
	if region == "" {
		if u.Conversation == "" || u.Batch == "" {
			wrong = append(wrong, errors.New("api.region is empty: set it to us, eu or br, where the project's apps are"))
		}
	} else if region != "us" && region != "eu" && region != "br" {
		return u, fmt.Errorf("api.region is %q: use us, eu or br", region)
	}
	for _, s := range []struct {
		name, standard string
		url            *string
	}{
		{"conversation", "https://" + region + ".conversation.api.sinch.com", &u.Conversation},
		{"batch", "https://" + region + ".conversationbatch.api.sinch.com", &u.Batch},
		{"provisioning", "https://provisioning.api.sinch.com", &u.Provisioning},
		{"token", "https://auth.sinch.com/oauth2/token", &u.Token},
	} {
		if *s.url == "" {
			*s.url = s.standard
			continue
		}
		*s.url = strings.TrimRight(*s.url, "/")
		if err := check(*s.url); err != nil {
			wrong = append(wrong, fmt.Errorf("api.urls.%s: %w", s.name, err))
		}
	}
	return u, errors.Join(wrong...)
}

// check refuses a URL that would carry credentials in the clear, or lead
// elsewhere than it seems to. It does not repeat the URL, which may hold a
// password.
func check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return errors.New("this is no URL: write it as https://host")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > 127 }):
		return errors.New("the host has letters that are not ASCII: write it as the name system has it, xn--…")
	case u.User != nil:
		return errors.New("a user and password in the URL are not used: put them in api.key_id and api.key_secret")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("a URL here ends with its path: remove what follows ? or #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("plain http would show the credentials to the network: use https (http is for loopback only, and %s is not)", u.Hostname())
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is not a scheme that can be used: write https", u.Scheme)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
