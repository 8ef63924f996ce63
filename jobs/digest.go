package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// digest is the Digest of a Pusher, in parts that Changes tells apart. The
// digest of a request and the id of an app hold no slash.
func digest(request, app, key string) string { return request + "/" + app + "/" + key }

// Changes says for a person what differs between two digests of a Pusher.
func Changes(before, now string) string {
	was, is := strings.SplitN(before, "/", 3), strings.SplitN(now, "/", 3)
	if len(was) != 3 || len(is) != 3 {
		return "the job"
	}
	var changes []string
	if was[0] != is[0] {
		changes = append(changes, "the request")
	}
	if was[1] != is[1] {
		changes = append(changes, fmt.Sprintf("the app (%s then, %s now)", was[1], is[1]))
	}
	if was[2] != is[2] {
		changes = append(changes, fmt.Sprintf("the key (%s then, %s now)", was[2], is[2]))
	}
	return listed(changes)
}

// listed joins words as a sentence does: a, b and c.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// shortDigest is a digest of texts, so that no two lists of texts are the same
// to it.
func shortDigest(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		_, _ = fmt.Fprintf(h, "%d %s ", len(text), text) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
