package jobs

import (
	"fmt"
	"regexp"
	"strings"
)

// Variables looks a variable of the environment up, as os.LookupEnv does.
type Variables func(name string) (value string, set bool)

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)

// expand puts the values of variables into s: ${NAME}, ${NAME:-default} (the
// default stands in for a variable that is unset or empty), $$ for a dollar.
// What a variable holds is never looked at again. All that is wrong is
// returned, in words; the words hold names, never values.
func (env Variables) expand(s string) (text string, wrong []string) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), wrong
		}
		s = "$" + after
		if strings.HasPrefix(s, "$$") {
			b.WriteByte('$')
			s = s[2:]
			continue
		}
		m := variable.FindStringSubmatch(s)
		switch {
		case m != nil && !strings.Contains(m[2], "${"):
			value, problem := env.value(m[1], m[2])
			b.WriteString(value)
			if problem != "" {
				wrong = append(wrong, problem)
			}
			s = s[len(m[0]):]
		case strings.HasPrefix(s, "${"):
			return "", append(wrong, `"${" begins a variable that is not one: write ${NAME} or ${NAME:-default}, and "$$" for a dollar`)
		default:
			return "", append(wrong, `a "$" stands alone: write "$$" for a dollar, or ${NAME} for a variable`)
		}
	}
}

// value returns the value of a variable; fallback is empty or begins with ":-".
func (env Variables) value(name, fallback string) (value, problem string) {
	value, set := env(name)
	switch {
	case fallback != "" && value == "":
		return fallback[len(":-"):], ""
	case !set:
		return "", fmt.Sprintf("the variable %s is not set: set it, or write ${%s:-default}", name, name)
	}
	return value, ""
}

// onlyVariables says whether nothing of s stands in the file itself.
func onlyVariables(s string) bool {
	for s != "" {
		m := variable.FindStringSubmatch(s)
		if m == nil || len(m[2]) > len(":-") {
			return false
		}
		s = s[len(m[0]):]
	}
	return true
}
