package sources

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// fingerprint sums up columns and values. Every text goes in with its length
// before it, and null as length 0 where a text has its length plus 1, so that
// no two inputs yield the same bytes.
// A hash never returns an error.
type fingerprint struct {
	hash hash.Hash
	out  *bufio.Writer
}

func newFingerprint(columns []Column) *fingerprint {
	f := &fingerprint{hash: sha256.New()}
	f.out = bufio.NewWriterSize(f.hash, 1<<15)
	f.number(len(columns))
	for _, c := range columns {
		f.text(c.Name)
		typed := 0
		if c.JSON {
			typed = 1
		}
		f.number(typed)
	}
	return f
}

func (f *fingerprint) add(row Row) {
	for i, value := range row.Values {
		if row.IsNull(i) {
			f.number(0)
			continue
		}
		f.text(value)
	}
	if len(row.Values) == 0 {
		f.number(0) // a row without columns is a row
	}
}

func (f *fingerprint) text(s string) {
	f.number(len(s) + 1)
	f.out.WriteString(s)
}

func (f *fingerprint) number(n int) {
	f.out.Write(binary.AppendUvarint(f.out.AvailableBuffer(), uint64(n)))
}

func (f *fingerprint) sum() string {
	f.out.Flush()
	return "sha256:" + hex.EncodeToString(f.hash.Sum(nil))
}
