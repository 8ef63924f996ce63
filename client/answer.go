package client

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"

	"convbatch/internal/jsonscan"
)

// refusal is what an answer that is not a success says.
type refusal struct {
	code, message string
	violations    []string
	retryAfter    time.Duration // of a google.rpc.RetryInfo
	retryKnown    bool
}

const (
	maxWords      = 500 // characters of a server's message that are kept
	maxTitle      = 80  // characters of a page's title
	maxViolations = 20
)

// parseRefusal reads the error shapes of the API (flat, under "error", and
// that of Provisioning) and says something of use about what is none of them.
// hide sees every text of it first.
func parseRefusal(status int, body []byte, hide func(string) string) refusal {
	body = bytes.TrimSpace(body)
	words := func(s string, limit int) string { return words(hide(s), limit) }
	switch {
	case len(body) == 0:
		return refusal{message: "the server answered with an empty body"}
	case looksLikeHTML(body):
		return refusal{message: html(body, hide)}
	case !gjson.ValidBytes(body) || body[0] != '{':
		return refusal{message: "the server answered something that is not JSON: is the URL a gateway's?"}
	}
	e := gjson.ParseBytes(body)
	if nested := e.Get("error"); nested.IsObject() {
		e = nested
	}
	r := refusal{message: words(e.Get("message").String(), maxWords)}
	r.code = code(e, words)
	if fix := e.Get("resolution").String(); fix != "" {
		r.message = strings.TrimSpace(r.message + " " + words(fix, maxWords))
	}
	if r.message == "" {
		r.message = strings.TrimSpace(http.StatusText(status) + " (the server gave no message)")
	}
	r.details(e.Get("details"), words)
	return r
}

// code is the API's word: a name where it has one, else its number.
func code(e gjson.Result, words func(string, int) string) string {
	for _, key := range []string{"status", "errorCode", "code", "error"} {
		if s := words(e.Get(key).String(), maxTitle); s != "" && s != "0" {
			return s
		}
	}
	return ""
}

func (r *refusal) details(list gjson.Result, words func(string, int) string) {
	list.ForEach(func(_, d gjson.Result) bool {
		if strings.HasSuffix(d.Get("@type").String(), "google.rpc.RetryInfo") {
			if wait, err := time.ParseDuration(d.Get("retryDelay").String()); err == nil && wait >= 0 {
				r.retryAfter, r.retryKnown = min(wait, time.Hour), true
			}
		}
		d.Get("field_violations").ForEach(func(_, v gjson.Result) bool {
			if len(r.violations) == maxViolations {
				return false
			}
			text := words(v.Get("description").String(), maxWords)
			if field := words(v.Get("field").String(), maxTitle); field != "" {
				text = field + ": " + text
			}
			r.violations = append(r.violations, text)
			return true
		})
		return true
	})
}

func looksLikeHTML(body []byte) bool { return len(body) > 0 && body[0] == '<' }

var title = regexp.MustCompile(`(?is)<title[^>]*>([^<]*)`)

func html(body []byte, hide func(string) string) string {
	const says = "the server answered HTML, not JSON: is the URL a gateway's?"
	if m := title.FindSubmatch(body); m != nil {
		if t := words(hide(string(m[1])), maxTitle); t != "" {
			return says + " (the page's title is “" + t + "”)"
		}
	}
	return says
}

var (
	// longNumber is a run of digits long enough to be a phone number and not
	// part of an id, with the separators that people put into one, or with the
	// "+" that a URL has.
	longNumber = regexp.MustCompile(`(?:\+|%2[Bb]|\b)\d(?:[ ().-]{0,2}\d){6,}\b`)
	address    = regexp.MustCompile(`\b[\w.+-]+@[\w-]+\.[\w.-]+\b`)
)

// Words makes text from elsewhere fit to be shown to others: one line, and
// nobody's number or address in full (invariant 6).
func Words(s string) string { return words(s, maxWords) }

// words makes text from elsewhere fit for a log, a table and a terminal: one
// line of printable characters, at most limit of them, and nobody's number or
// address in full (invariant 6).
func words(s string, limit int) string {
	s = s[:min(len(s), 8*limit)] // more than the limit's characters take
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	s = longNumber.ReplaceAllStringFunc(s, func(n string) string { return "…" + n[len(n)-2:] })
	s = address.ReplaceAllString(s, "…@…")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit-1]) + "…"
	}
	return s
}

// fault says why a 2xx does not hold what it should; empty when it does. What
// it does not see is whether a list is JSON to its end, which parsePage does.
// Every answer of the API is an object, or the array that a list asks for.
// Nothing is an answer to what is not read for it: a 204, a deletion, and where
// the specification says so. hide sees first what is quoted of it.
func fault(op Operation, status int, body []byte, hide func(string) string) string {
	trimmed := bytes.Trim(body, " \t\r\n") // what JSON has as white space, and nothing else
	switch {
	case len(trimmed) == 0:
		if op.mayAnswerNothing(status) {
			return ""
		}
		return "the server answered with an empty body"
	case looksLikeHTML(trimmed):
		return html(trimmed, hide)
	case trimmed[0] != '{' && !(op.ListKey == "." && trimmed[0] == '['), op.ListKey == "" && !jsonscan.Valid(trimmed):
		return notJSON
	case op.ListKey == "" && isError(trimmed):
		return disguised
	}
	return ""
}

// mayAnswerNothing says whether an empty body is an answer. For what is read it
// is not: it would be the end of a list, or a thing without properties.
func (op Operation) mayAnswerNothing(status int) bool {
	if op.Method == http.MethodGet || op.ListKey != "" {
		return false
	}
	return status == http.StatusNoContent || op.Method == http.MethodDelete || op.silent
}

// isError says whether an object is an error: no answer of the API has these.
func isError(object []byte) bool {
	return gjson.GetBytes(object, "error").Exists() || gjson.GetBytes(object, "errorCode").Exists()
}

// notJSON is the fault of an answer that says nothing that could be read.
const notJSON = "the server's answer is not the JSON object that it should be: it was cut off, or the URL is a gateway's"

// disguised is the fault of an answer that would otherwise count as done.
const disguised = "the server's answer is an error in the clothes of a success"
