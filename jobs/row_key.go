package jobs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Limits of the API, in characters.
const (
	maxMetadata    = 1024 // of message_metadata
	maxCorrelation = 128  // of correlation_id
)

// batchKey is the member of a JSON object in message_metadata that holds a
// row's token.
const batchKey = "batch_key"

// rowToken names a row to the API, so that a message can be found by it when
// its answer was lost: batch:JOB:KEY. A key that is long, or has anything but
// visible ASCII in it, is replaced by a digest, so a token has no space, needs
// no escape in JSON and fits wherever it may have to go.
func rowToken(job, key string) string {
	token := tokenPrefix(job) + key
	odd := func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}
	if key == "" || len(token) > maxCorrelation || strings.ContainsFunc(key, odd) {
		sum := sha256.Sum256([]byte(key))
		return tokenPrefix(job) + "sha256:" + hex.EncodeToString(sum[:16])
	}
	return token
}

// tokenPrefix is what the tokens of a job begin with.
func tokenPrefix(job string) string { return tokenMark + job + ":" }

// tokenMark is what every token begins with.
const tokenMark = "batch:"

// carrier is where the token of a row travels.
type carrier int

const (
	nowhere       carrier = iota // there is no room: the row can not be looked for
	inMetadata                   // as message_metadata, or behind the user's own
	inCorrelation                // as correlation_id: the user has metadata of his own
)

// addToken returns the body with a token in it. What the user has in
// message_metadata arrives as it is where correlation_id is free; where it is
// not, the token is added to it, as a member of a JSON object, or else at the
// end after a space.
func (s *sendBody) addToken(token string, correlation bool) ([]byte, carrier, error) {
	metadata := s.metadata.String()
	if metadata == "" {
		body, err := setString(s.json, "message_metadata", s.metadata, token)
		return body, inMetadata, err
	}
	if correlation && s.correlation.String() == "" && !s.dispatchOnly() {
		body, err := setString(s.json, "correlation_id", s.correlation, token)
		return body, inCorrelation, err
	}
	combined := combine(metadata, token)
	if utf8.RuneCountInString(combined) > maxMetadata {
		return s.json, nowhere, nil
	}
	body, err := setString(s.json, "message_metadata", s.metadata, combined)
	return body, inMetadata, err
}

// setString sets a member of the object that body is. present is its value,
// which need not exist.
func setString(body []byte, name string, present gjson.Result, value string) ([]byte, error) {
	quoted, err := appendQuoted(nil, value)
	return setRaw(body, name, present, string(quoted)), err
}

// setRaw is setString for a value that is JSON.
func setRaw(body []byte, name string, present gjson.Result, value string) []byte {
	out := make([]byte, 0, len(body)+len(name)+len(value)+len(`,"":`))
	if present.Exists() {
		out = append(append(out, body[:present.Index]...), value...)
		return append(out, body[present.Index+len(present.Raw):]...)
	}
	end := bytes.LastIndexByte(body, '}')
	if out = append(out, body[:end]...); !bytes.Equal(bytes.TrimSpace(out), []byte{'{'}) {
		out = append(out, ',')
	}
	out = append(append(out, '"'), name...)
	out = append(append(out, `":`...), value...)
	return append(out, body[end:]...)
}

func appendQuoted(dst []byte, s string) ([]byte, error) {
	dst, err := appendEscaped(append(dst, '"'), s)
	return append(dst, '"'), err
}

// combine adds a token to metadata of the user's, without loss.
func combine(metadata, token string) string {
	object := strings.TrimRight(metadata, " \t\r\n")
	if isObject(metadata) && !gjson.Get(metadata, batchKey).Exists() {
		comma := ","
		if len(gjson.Parse(metadata).Map()) == 0 {
			comma = ""
		}
		return object[:len(object)-1] + comma + `"` + batchKey + `":"` + token + `"}`
	}
	return metadata + " " + token
}

func isObject(s string) bool { return gjson.Valid(s) && gjson.Parse(s).IsObject() }

// tokenOf reads the token off a message of a list; empty when it has none.
func tokenOf(message []byte) string {
	f := gjson.GetManyBytes(message, "metadata", "correlation_id")
	if token := metadataToken(f[0].String()); token != "" {
		return token
	}
	if id := f[1].String(); strings.HasPrefix(id, tokenMark) {
		return id
	}
	return ""
}

// metadataToken reads the token off metadata, as combine puts it there.
func metadataToken(metadata string) string {
	token := metadata
	if i := strings.LastIndex(metadata, " "+tokenMark); i >= 0 {
		token = metadata[i+1:]
	}
	if isObject(metadata) {
		token = gjson.Get(metadata, batchKey).String()
	}
	if !strings.HasPrefix(token, tokenMark) {
		return ""
	}
	return token
}
