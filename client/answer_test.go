package client

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// plainly hides nothing.
func plainly(s string) string { return s }

func TestParseRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, body string
		want      refusal
	}{
		{"nothing", "", refusal{message: "the server answered with an empty body"}},
		{"white space", " \r\n", refusal{message: "the server answered with an empty body"}},
		{"HTML without a title", "<html><body>502</body></html>", refusal{message: "the server answered HTML, not JSON: is the URL a gateway's?"}},
		{"HTML with a title", "<!DOCTYPE html><HTML><TITLE>Bad\n gateway</TITLE>", refusal{message: "the server answered HTML, not JSON: is the URL a gateway's? (the page's title is “Bad gateway”)"}},
		{"text", "upstream connect error", refusal{message: "the server answered something that is not JSON: is the URL a gateway's?"}},
		{"cut off", `{"code":400,"mess`, refusal{message: "the server answered something that is not JSON: is the URL a gateway's?"}},
		{"not an object", `["no"]`, refusal{message: "the server answered something that is not JSON: is the URL a gateway's?"}},
		{"an empty object", `{}`, refusal{message: "Bad Request (the server gave no message)"}},
		{"null everywhere", `{"error":null,"message":null,"details":null}`, refusal{message: "Bad Request (the server gave no message)"}},
		{"types that are not those", `{"code":{"a":1},"message":7,"details":"x"}`, refusal{code: `{"a":1}`, message: "7"}},
		{"control characters", `{"message":"a\u0000\u001b[31mb\nc"}`, refusal{message: "a [31mb c"}},
		{"a phone number", `{"message":"recipient +46 70 123 45 67 or 46701234567 is wrong"}`, refusal{message: "recipient …67 or …67 is wrong"}},
		{"a phone number in a URL", `{"message":"GET /contacts?channel=SMS&identity=%2B46701234567 is unknown"}`, refusal{message: "GET /contacts?channel=SMS&identity=…67 is unknown"}},
		{"an address", `{"message":"no contact jo.doe+x@example.com."}`, refusal{message: "no contact …@…."}},
		{"an id is no phone number", `{"message":"app 01H0000000123456789ABCDEFG of 500000"}`, refusal{message: "app 01H0000000123456789ABCDEFG of 500000"}},
		{"a wait that is none", `{"message":"m","details":[{"@type":"google.rpc.RetryInfo","retryDelay":"soon"}]}`, refusal{message: "m"}},
		{"a negative wait", `{"message":"m","details":[{"@type":"google.rpc.RetryInfo","retryDelay":"-3s"}]}`, refusal{message: "m"}},
		{"an absurd wait", `{"message":"m","details":[{"@type":"google.rpc.RetryInfo","retryDelay":"99999h"}]}`,
			refusal{message: "m", retryAfter: time.Hour, retryKnown: true}},

		{"flat", `{"code":400,"message":"no such app","status":"INVALID_ARGUMENT","details":[]}`,
			refusal{code: "INVALID_ARGUMENT", message: "no such app"}},
		{"nested", `{"error":{"code":400,"message":"invalid","status":"INVALID_ARGUMENT","details":[{"field_violations":[{"field":"message","description":"is empty"},{"description":"and late"}]}]}}`,
			refusal{code: "INVALID_ARGUMENT", message: "invalid", violations: []string{"message: is empty", "and late"}}},
		{"no status", `{"code":404,"message":"not found"}`, refusal{code: "404", message: "not found"}},
		{"Provisioning", `{"errorCode":"sender_missing","message":"No sender.","resolution":"Create one."}`,
			refusal{code: "sender_missing", message: "No sender. Create one."}},
		{"OAuth", `{"error":"invalid_request"}`, refusal{code: "invalid_request", message: "Bad Request (the server gave no message)"}},
		{"a wait", `{"error":{"status":"RESOURCE_EXHAUSTED","message":"slow down","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`,
			refusal{code: "RESOURCE_EXHAUSTED", message: "slow down", retryAfter: 1500 * time.Millisecond, retryKnown: true}},
	} {
		assert.Equal(t, c.want, parseRefusal(400, []byte(c.body), plainly), c.why)
	}
}

func TestAMessageIsCutToALine(t *testing.T) {
	t.Parallel()
	r := parseRefusal(400, []byte(`{"message":"`+strings.Repeat("ü", 100_000)+`"}`), plainly)
	assert.Equal(t, maxWords, utf8.RuneCountInString(r.message))
	violations := strings.Repeat(`{"field":"f","description":"d"},`, 100) + "{}"
	r = parseRefusal(400, []byte(`{"details":[{"field_violations":[`+violations+`]}]}`), plainly)
	assert.Len(t, r.violations, maxViolations)
}

func TestFaultOfASuccess(t *testing.T) {
	t.Parallel()
	deletion, bare := Operation{Method: "DELETE"}, Operation{Method: "GET", ListKey: "."}
	for _, c := range []struct {
		why    string
		op     Operation
		status int
		body   string
		faulty bool
	}{
		{"nothing", sendMessage, 200, "", true},
		{"HTML", sendMessage, 200, "<html>", true},
		{"cut off", sendMessage, 200, `{"message_id":"0`, true},
		{"two objects", sendMessage, 200, `{}{}`, true},
		{"white space that JSON has not", listMessages, 200, "\u00a0{\"messages\":[{}]}", true},
		{"a page that was cut off", listMessages, 200, `{"messages":[{"id":"0"}],"next_page_token":"x"`, true},
		{"a page with an item that is not JSON", listMessages, 200, `{"messages":[{"id":01}]}`, true},
		{"a list that is a text", listMessages, 200, `{"messages":""}`, true},
		{"a bare list and an object", bare, 200, `[{"id":"0"}]{"id":"1"}`, true},
		{"null", listMessages, 200, `null`, true},
		{"a list where an object should be", listMessages, 200, `[]`, true},
		{"a list that is an object", listMessages, 200, `{"messages":{}}`, true},
		{"an error with a 200, as a page", listMessages, 200, `{"error":{"code":13}}`, true},
		{"an error with a 200, as a message", sendMessage, 200, `{"error":{"code":13}}`, true},

		{"an empty page, said", listMessages, 200, `{"messages":[],"next_page_token":""}`, false},
		{"an empty page, not said", listMessages, 200, `{}`, false},
		{"an empty page, null", listMessages, 200, `{"messages":null}`, false},
		{"a bare list", bare, 200, ` [{"id":"0"}] `, false},
		{"no content", sendMessage, 204, "", false},
		{"a deletion may answer nothing", deletion, 200, "", false},
		{"an object", sendMessage, 200, " {\"message_id\":\"01\"}\n", false},
	} {
		says := fault(c.op, c.status, []byte(c.body), plainly)
		if says == "" && c.op.ListKey != "" {
			_, says = parsePage([]byte(c.body), c.op, nil)
		}
		assert.Equal(t, c.faulty, says != "", c.why)
	}
}
