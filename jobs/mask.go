package jobs

import (
	"regexp"
	"slices"
	"strings"
)

// mask stands for what may be a secret in a line of the file.
const mask = "***"

var (
	maskedKey  = regexp.MustCompile(`([\w-]+)["']?\s*(?::|$)`)
	maskedUser = regexp.MustCompile(`://[^/\s]*@.*`)
	laterValue = regexp.MustCompile(`^(?:[&!]\S*\s*)*(?:[|>]\S*\s*)?(?:#.*)?$`) // begins in a line that follows, whatever its indent
	soleValue  = regexp.MustCompile(`^\s*["']?\$\{[A-Za-z_][A-Za-z0-9_]*\}["']?\s*(?:#.*)?$`)
)

// maskSecrets returns the lines as people may see them (invariant 6). It works
// on the text, since it is needed most when the text is not YAML, and rather
// hides too much: the value of a key that looks like that of a secret to the
// end of its line, the lines after it that may belong to the value, and what
// follows the scheme of a URL with a user. What is before it keeps its column.
// A value that is only a variable is shown.
func maskSecrets(lines []string) []string {
	shown := slices.Clone(lines)
	var inside secretLines
	for i, line := range lines {
		if inside.cover(line) {
			shown[i] = line[:indent(line)] + mask
			continue
		}
		shown[i] = maskedUser.ReplaceAllString(line, "://"+mask)
		at, found := secretValue(line)
		if !found || soleValue.MatchString(line[at:]) {
			continue
		}
		value := strings.TrimSpace(line[at:])
		if value != "" {
			shown[i] = maskedUser.ReplaceAllString(line[:at], "://"+mask) + " " + mask
		}
		inside = secretLines{active: true, indent: indent(line), empty: laterValue.MatchString(value), quote: openQuote(value)}
	}
	return shown
}

// secretLines follows a value that may go on for several lines.
type secretLines struct {
	active bool
	indent int  // of the line with the key
	empty  bool // nothing of the value was seen yet
	quote  byte // that the value has not closed; 0 for none
}

// cover says whether the next line may belong to the value.
func (s *secretLines) cover(line string) bool {
	blank := strings.TrimSpace(line) == ""
	s.active = s.active && (s.quote != 0 || s.empty || blank || indent(line) > s.indent)
	if !s.active || blank {
		return false
	}
	s.empty = false
	if s.quote != 0 && strings.IndexByte(line, s.quote) >= 0 {
		s.quote = 0
	}
	return true
}

// secretValue returns where the value of a secret begins in a line.
func secretValue(line string) (at int, found bool) {
	for _, m := range maskedKey.FindAllStringSubmatchIndex(line, -1) {
		key, colon := line[m[2]:m[3]], line[m[1]-1] == ':'
		if looksSecret(key) || colon && holdsSecret(key) && !strings.Contains(line[m[1]:], "://") {
			return m[1], true
		}
	}
	return 0, false
}

// holdsSecret says of a key of a request that its value is a secret of an app or
// a webhook. The URL of api.urls.token is none.
func holdsSecret(key string) bool {
	name := plainName(key)
	return slices.ContainsFunc([]string{"token", "apikey", "accesskey", "privatekey", "aeskey", "passphrase", "authorization"},
		func(word string) bool { return strings.Contains(name, word) })
}

// looksSecret says whether a key is that of a secret, or that misspelt.
func looksSecret(key string) bool {
	key = plainSpelling(key)
	if strings.Contains(key, "secret") || strings.Contains(key, "passw") {
		return true
	}
	const name = "key_secret"
	return len(key) <= 2*len(name) && distance([]rune(key), []rune(name)) <= 3
}

// openQuote returns the quote that value begins with and does not close.
func openQuote(value string) byte {
	if value == "" || value[0] != '"' && value[0] != '\'' || strings.IndexByte(value[1:], value[0]) >= 0 {
		return 0
	}
	return value[0]
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }
