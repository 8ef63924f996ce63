package emulator

import (
	"encoding/binary"
	"fmt"

	"github.com/oklog/ulid/v2"
)

// kind separates the numbers drawn for one sort of thing from those of another.
type kind uint64

const (
	kindProject kind = iota + 1
	kindKey
	kindSecret
	kindApp
	kindContact
	kindConversation
	kindMessage
	kindTime
	kindToken
	kindFault
	kindShift
	kindPhone
	kindEvent
	kindInventory
	kindBatch
	kindWebhook
)

// appendID appends the ULID of item n: its millisecond, 16 bits drawn, and n
// itself disguised, so that idNumber needs no index.
func appendID(b []byte, seed uint64, k kind, n int, nanos int64) []byte {
	var id ulid.ULID
	binary.BigEndian.PutUint64(id[:8], uint64(nanos/1e6)<<16|hash(seed, k, n)&0xffff)
	binary.BigEndian.PutUint64(id[8:], mix(uint64(n)^hash(seed, k, -1)))
	at := len(b)
	b = append(b, "                          "...)
	_ = id.MarshalTextTo(b[at:]) // fails for a wrong length only
	return b
}

// idNumber is the n of an id that appendID could have made. The caller must
// compare the id of that item with the one asked for.
func idNumber(seed uint64, k kind, text string) (int, bool) {
	id, err := ulid.ParseStrict(text)
	if err != nil {
		return 0, false
	}
	n := unmix(binary.BigEndian.Uint64(id[8:])) ^ hash(seed, k, -1)
	return int(n), n < 1<<40
}

// isULID tells whether text has the form of an id; the API answers 400, not
// 404, to an app id that has not.
func isULID(text string) bool {
	_, err := ulid.ParseStrict(text)
	return err == nil
}

// uuid makes an id of the form that projects and keys have.
func uuid(seed uint64, k kind) string {
	a, b := hash(seed, k, 0), hash(seed, k, 1)
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff)
}
