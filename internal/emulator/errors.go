package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// violation names one field of a request and what is wrong with it. It never
// repeats the value.
type violation struct{ field, description string }

type violations []violation

func (v *violations) add(field, description string) {
	*v = append(*v, violation{field, description})
}

func (v violations) has(field string) bool {
	return slices.ContainsFunc(v, func(x violation) bool { return x.field == field })
}

func (v violations) sort() {
	slices.SortStableFunc(v, func(a, b violation) int { return strings.Compare(a.field, b.field) })
}

// refusal is an error answer before it has a shape.
type refusal struct {
	status    int
	message   string
	word      string // INVALID_REQUEST and so on; by default the status's own
	wrong     violations
	retryInfo string // a duration such as "2s" in details; empty for none
	header    http.Header
}

// words are the statuses that the specifications show in their examples.
var words = map[int]string{
	http.StatusBadRequest:      "INVALID_REQUEST",
	http.StatusUnauthorized:    "UNAUTHENTICATED",
	http.StatusForbidden:       "UNAUTHORIZED",
	http.StatusNotFound:        "NOT_FOUND",
	http.StatusTooManyRequests: "RESOURCE_EXHAUSTED",
}

func (r refusal) reply(shape string) reply {
	if shape == shapeProvisioning {
		return r.provisioningReply()
	}
	j := compact()
	j.open()
	if shape == ShapeNested {
		j.key("error").open()
	}
	word := words[r.status]
	if word == "" {
		word = "INTERNAL_ERROR"
	}
	j.key("code").number(int64(r.status))
	j.key("message").text(r.message)
	j.key("status").text(or(r.word, word))
	r.details(j.key("details"))
	if shape == ShapeNested {
		j.close()
	}
	j.close()
	return reply{status: r.status, body: j.b, header: r.header}
}

func (r refusal) details(j *writer) {
	j.openList()
	if len(r.wrong) > 0 {
		j.item().open()
		j.key("@type").text("type.googleapis.com/google.rpc.BadRequest")
		j.key("field_violations").openList()
		for _, v := range r.wrong {
			j.item().open()
			j.key("field").text(v.field)
			j.key("description").text(v.description)
			j.close()
		}
		j.closeList()
		j.close()
	}
	if r.retryInfo != "" {
		j.item().open()
		j.key("@type").text("type.googleapis.com/google.rpc.RetryInfo")
		j.key("retryDelay").text(r.retryInfo)
		j.close()
	}
	j.closeList()
}

// turnAway answers an error in the shape of the API that was called.
func (e *Emulator) turnAway(c *call, r refusal) reply {
	return r.reply(or(c.shape, e.options.ErrorShape))
}

// refuse answers an error in the shape of this server.
func (e *Emulator) refuse(status int, message string) reply {
	return refusal{status: status, message: message}.reply(e.options.ErrorShape)
}

// invalid answers 400 with what is wrong.
func (e *Emulator) invalid(wrong ...violation) reply {
	return malformed(wrong).reply(e.options.ErrorShape)
}

func malformed(wrong violations) refusal {
	return refusal{
		status:  http.StatusBadRequest,
		message: "Malformed request: " + wrong[0].field + " " + wrong[0].description,
		wrong:   wrong,
	}
}
