package emulator

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"net/http"
	"slices"
)

// A page token is the place of the last element sent, the arguments that it
// belongs to, and a checksum. It stays good while the list grows.
const tokenBytes = 8 + 8 + 8 + 8

// nextPage makes the token that continues after p.
func (e *Emulator) nextPage(c *call, p position) string {
	b := make([]byte, 0, tokenBytes)
	b = binary.BigEndian.AppendUint64(b, uint64(p.at))
	b = binary.BigEndian.AppendUint64(b, uint64(p.number))
	b = binary.BigEndian.AppendUint64(b, e.fingerprint(c))
	b = binary.BigEndian.AppendUint64(b, e.checksum(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// page reads where to begin; without a token at first.
func (e *Emulator) page(c *call, first position) (position, *reply) {
	token := c.args["page_token"]
	if token == "" {
		return first, nil
	}
	p, fault := e.readToken(c, token)
	if fault != "" {
		r := e.invalid(violation{"page_token", fault})
		return first, &r
	}
	return p, nil
}

// readToken is the place that a token of nextPage tells, or what is wrong with
// the token.
func (e *Emulator) readToken(c *call, token string) (p position, fault string) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenBytes || e.checksum(b[:24]) != binary.BigEndian.Uint64(b[24:]) {
		return p, "is not one of this server"
	}
	if binary.BigEndian.Uint64(b[16:]) != e.fingerprint(c) {
		return p, "belongs to a list with other parameters; they must stay the same for every page"
	}
	return position{int64(binary.BigEndian.Uint64(b)), int(binary.BigEndian.Uint64(b[8:]))}, ""
}

func (e *Emulator) checksum(b []byte) uint64 {
	h := hash(e.options.Seed, kindToken, len(b))
	for ; len(b) >= 8; b = b[8:] {
		h = mix(h ^ binary.BigEndian.Uint64(b))
	}
	return h
}

// fingerprint sums up what must stay the same from page to page.
func (e *Emulator) fingerprint(c *call) uint64 {
	h := hash(e.options.Seed, kindToken, 1)
	add := func(s string) {
		for _, x := range []byte(s) {
			h = (h ^ uint64(x)) * 0x100000001b3 // FNV-1a
		}
		h = mix(h)
	}
	add(c.op.id)
	add(c.URL.Path)
	for _, name := range slices.Sorted(maps.Keys(c.args)) {
		if name != "page_token" && name != "pageToken" {
			add(name)
			add(c.args[name])
		}
	}
	return h
}

func ok(body []byte) reply { return reply{status: http.StatusOK, body: body} }
