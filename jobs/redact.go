package jobs

import (
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// redacted stands where a secret stood.
const redacted = `"(not kept)"`

// redact takes the secrets out of an entry of the inventory (invariant 6): the
// credentials of channels, and whatever stands under the name of a secret, at
// any depth. What holds none comes back as it came, byte for byte.
func redact(body []byte) []byte {
	found := false
	out := appendRedacted(make([]byte, 0, len(body)), gjson.ParseBytes(body), false, &found)
	if !found {
		return body
	}
	return out
}

// appendRedacted appends a value. Of a secret its shape is kept, and what can
// not be one: true, false, null and the empty text.
func appendRedacted(dst []byte, v gjson.Result, secret bool, found *bool) []byte {
	switch {
	case v.IsObject():
		return appendMembers(append(dst, '{'), v, '}', secret, found)
	case v.IsArray():
		return appendMembers(append(dst, '['), v, ']', secret, found)
	case secret && (v.Type == gjson.Number || v.Type == gjson.String && v.Str != ""):
		*found = true
		return append(dst, redacted...)
	}
	return append(dst, v.Raw...)
}

// appendMembers appends what an object or an array holds, and its end.
func appendMembers(dst []byte, v gjson.Result, end byte, secret bool, found *bool) []byte {
	first := true
	v.ForEach(func(key, value gjson.Result) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if end == '}' {
			dst = append(append(dst, key.Raw...), ':')
		}
		dst = appendRedacted(dst, value, below(secret, end == '}', key), found)
		return true
	})
	return append(dst, end)
}

// secretsOf are the texts of a body that redact takes out.
func secretsOf(body []byte) (secrets []string) {
	eachSecret(gjson.ParseBytes(body), false, func(secret string) { secrets = append(secrets, secret) })
	return secrets
}

func eachSecret(v gjson.Result, secret bool, f func(secret string)) {
	if secret && v.Type == gjson.String && v.Str != "" {
		f(v.Str)
	}
	if v.IsObject() || v.IsArray() {
		object := v.IsObject()
		v.ForEach(func(key, value gjson.Result) bool {
			eachSecret(value, below(secret, object, key), f)
			return true
		})
	}
}

// below says whether what stands at the key is a secret, in an object or an
// array that is one or not.
func below(secret, object bool, key gjson.Result) bool {
	if !object {
		return secret
	}
	return (secret || secretName(key.String())) && !publicName(key.String())
}

// plainName is a key in lower case, without what its words are joined with.
func plainName(key string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key))
}

// secretName says that what stands under a key is a secret. The list of
// credentials is called channel_credentials, and says for which channel each is.
func secretName(key string) bool {
	name := plainName(key)
	for _, word := range []string{"secret", "passw", "passphrase", "token", "apikey", "accesskey", "privatekey", "aeskey", "bearer", "basicauth", "authname", "authorization"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return (strings.HasSuffix(name, "credentials") || strings.HasSuffix(name, "credential")) && name != "channelcredentials"
}

// publicName says of what stands among credentials that it only says whose they
// are.
func publicName(key string) bool { return plainName(key) == "claimedidentity" }

// answersSecrets says of an operation that its answers are of the inventory:
// apps, webhooks and what the Provisioning API has.
func answersSecrets(op client.Operation) bool {
	_, path, _ := strings.Cut(op.Path, "}/") // behind the project
	return op.Service == "provisioning" || strings.HasPrefix(path, "apps") || strings.HasPrefix(path, "webhooks")
}
