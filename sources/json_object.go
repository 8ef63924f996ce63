package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

// parseObject parses one line of JSON Lines. What is valid JSON and yet would
// not arrive as it was meant is an error too: a key that is there twice, and
// half a surrogate pair.
func parseObject(line, encoding string) (gjson.Result, error) {
	if at, what := badText(line, encoding); at >= 0 {
		return gjson.Result{}, fmt.Errorf("column %d: %s", at+1, what)
	}
	var raw json.RawMessage
	if err := json.Unmarshal([]byte(line), &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return gjson.Result{}, fmt.Errorf("column %d: this is not JSON: %w", syntax.Offset, err)
		}
		return gjson.Result{}, fmt.Errorf("this is not JSON: %w", err)
	}
	if at := loneSurrogate(line); at >= 0 {
		return gjson.Result{}, fmt.Errorf("column %d: half a surrogate pair, which is no character", at+1)
	}
	object := gjson.Parse(line)
	if !object.IsObject() {
		return gjson.Result{}, fmt.Errorf("found %s where an object {…} is expected", kindOf(object))
	}
	return object, uniqueKeys(object)
}

// uniqueKeys returns an error when an object in v has a key twice.
func uniqueKeys(v gjson.Result) error {
	var err error
	var seen map[string]bool
	if v.IsObject() {
		seen = map[string]bool{}
	}
	v.ForEach(func(key, value gjson.Result) bool {
		if seen != nil && seen[key.Str] {
			err = fmt.Errorf("the key %s is there twice in one object", shown(key.Str))
			return false
		}
		if seen != nil {
			seen[key.Str] = true
		}
		if value.IsObject() || value.IsArray() {
			err = uniqueKeys(value)
		}
		return err == nil
	})
	return err
}

func kindOf(v gjson.Result) string {
	switch {
	case v.IsArray():
		return "an array"
	case v.Type == gjson.String:
		return "a string"
	case v.Type == gjson.Number:
		return "a number"
	}
	return v.Raw // true, false or null
}

// loneSurrogate returns where valid JSON has an escape \ud800 to \udfff that
// is not one of a pair, or -1.
func loneSurrogate(text string) int {
	if !strings.Contains(text, `\ud`) && !strings.Contains(text, `\uD`) {
		return -1
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit := escapedUnit(text[i:])
		switch {
		case unit < 0:
			i++ // over the character that is escaped
		case !utf16.IsSurrogate(unit):
			i += 5
		case utf16.DecodeRune(unit, escapedUnit(text[i+6:])) == '\uFFFD':
			return i
		default:
			i += 11
		}
	}
	return -1
}

// escapedUnit returns the value of an escape \uXXXX at the start of text, or -1.
func escapedUnit(text string) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}
