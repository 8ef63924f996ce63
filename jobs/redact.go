package jobs

import (
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/client"
)

// redacted stands where a secret stood.
const redacted = `"(not kept)"`

// redact takes the secrets out of an entry of the inventory (invariant 6): the
// credentials of channels, and whatever else is called a secret. What holds
// none comes back as it came, byte for byte.
func redact(body []byte) []byte {
	found := false
	out := appendRedacted(make([]byte, 0, len(body)), gjson.ParseBytes(body), false, &found)
	if !found {
		return body
	}
	return out
}

// appendRedacted appends a value. Of credentials nothing is kept but what they
// are for.
func appendRedacted(dst []byte, v gjson.Result, credentials bool, found *bool) []byte {
	if !v.IsObject() && !v.IsArray() {
		return append(dst, v.Raw...)
	}
	brackets := v.Raw[:1]
	dst = append(dst, brackets...)
	first := true
	v.ForEach(func(key, value gjson.Result) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if brackets == "{" {
			dst = append(append(dst, key.Raw...), ':')
		}
		name := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key.String()))
		secret := secretName(name) || credentials && name != "claimedidentity"
		if secret && (value.Type == gjson.Number || value.Type == gjson.String && value.Str != "") {
			dst, *found = append(dst, redacted...), true
		} else {
			dst = appendRedacted(dst, value, secret || credentialsName(name), found)
		}
		return true
	})
	return append(dst, map[string]byte{"{": '}', "[": ']'}[brackets])
}

// secretName says of a key, in lower case and without underscores, that what it
// names is a secret.
func secretName(name string) bool {
	for _, word := range []string{
		"secret", "password", "passphrase", "token", "apikey", "accesskey", "privatekey", "aeskey", "bearer", "authname", "authorization",
	} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// credentialsName says that everything below the key is credentials. The list
// of them is called channel_credentials, and says for which channel each is.
func credentialsName(name string) bool {
	return strings.HasSuffix(name, "credentials") && name != "channelcredentials" || strings.HasSuffix(name, "credential") || name == "basicauth"
}

// answersSecrets says of an operation that its answers are of the inventory:
// apps, webhooks and what the Provisioning API has.
func answersSecrets(op client.Operation) bool {
	_, path, _ := strings.Cut(op.Path, "}/") // behind the project
	return op.Service == "provisioning" || strings.HasPrefix(path, "apps") || strings.HasPrefix(path, "webhooks")
}
