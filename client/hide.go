package client

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// leastHidden is how long a secret is, in bytes, before it is looked for in
// base64, and in answers that are no errors: less may stand there by chance.
const leastHidden = 8

// disguises returns the forms in which a server may repeat a secret that it was
// sent: as it was, in base64, and each of them as a part of a URL or of JSON.
func disguises(secret string) []string {
	same := []string{secret}
	if len(secret) >= leastHidden {
		same = append(same, base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)))
	}
	var forms []string
	for _, s := range same {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			forms = append(forms, form, escapedByte.ReplaceAllStringFunc(form, strings.ToLower))
		}
		forms = append(forms, strings.ReplaceAll(s, "/", `\/`), carefulJSON.Replace(s))
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// carefulJSON escapes what some encoders do for the sake of HTML.
var carefulJSON = strings.NewReplacer("=", `\u003d`, "&", `\u0026`, "'", `\u0027`, "<", `\u003c`, ">", `\u003e`)

var escapedByte = regexp.MustCompile(`%[0-9A-F]{2}`)

// hider puts "[redacted]" in the place of secrets.
type hider struct {
	forms    [][]byte
	replacer *strings.Replacer
}

func newHider(secrets ...string) *hider {
	h := &hider{}
	var pairs []string
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, form := range disguises(secret) {
			h.forms = append(h.forms, []byte(form))
			pairs = append(pairs, form, redacted)
		}
	}
	h.replacer = strings.NewReplacer(pairs...)
	return h
}

// Replace returns text without the secrets.
func (h *hider) Replace(text string) string { return h.replacer.Replace(text) }

// longSecrets hides those that an answer which is no error holds by no chance.
func longSecrets(secrets []string) *hider {
	return newHider(slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < leastHidden })...)
}

// clean returns a body without the secrets.
func (h *hider) clean(body []byte) []byte {
	if !h.finds(body) {
		return body
	}
	return []byte(h.replacer.Replace(string(body)))
}

// finds says whether there is something to hide in a body.
func (h *hider) finds(body []byte) bool {
	for _, form := range h.forms {
		if bytes.Contains(body, form) {
			return true
		}
	}
	return false
}

// keySecrets are the secrets that follow from the key: itself, and what stands
// in an Authorization header, where the token endpoint gets both parts escaped
// (RFC 6749, 2.3.1).
func keySecrets(id, secret string) []string {
	pair := func(id, secret string) string {
		return strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(id+":"+secret)), "=")
	}
	return []string{secret, pair(id, secret), pair(url.QueryEscape(id), url.QueryEscape(secret))}
}

// hiding returns what takes the secrets, and the token t where there is one,
// out of text from elsewhere, should a server repeat what it was sent
// (invariant 6). It goes first: what was cut or put otherwise is not found.
func (c *credentials) hiding(t *token) func(string) string {
	return func(text string) string {
		if t != nil {
			text = t.hider.Replace(text)
		}
		return c.hider.Replace(text)
	}
}

// hiding takes the secrets of the call out as well.
func (c *Client) hiding(k *call, t *token) func(string) string {
	hide := c.credentials.hiding(t)
	if len(k.secrets) == 0 {
		return hide
	}
	own := newHider(k.secrets...)
	return func(text string) string { return hide(own.Replace(text)) }
}

// clean takes the secrets out of the answer of a call that succeeded, which is
// kept with the row. The pages of lists are not for it: they are archived byte
// for byte.
func (c *credentials) clean(body []byte, t *token) []byte {
	if len(t.header[0]) >= leastHidden+len("Bearer ") {
		body = t.hider.clean(body)
	}
	if c.long {
		body = c.hider.clean(body)
	}
	return body
}
