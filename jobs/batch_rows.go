package jobs

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// rowsKey is the member of batch_metadata that says which rows a batch has.
const rowsKey = "batch_rows"

// batchRows are the rows of one call, by their numbers in the run, in order. A
// batch carries them in its metadata: which rows of a group can be sent may
// change between a call and the look for it.
//
// As text they are the number of the first, and a bit for each number from
// there on, in base64: at most 190 characters for 1,000 rows.
type batchRows []int64

// String returns the rows as text; there must be one at least.
func (r batchRows) String() string {
	first, last := r[0], r[len(r)-1]
	bits := make([]byte, (last-first)/8+1)
	for _, seq := range r {
		bits[(seq-first)/8] |= 0x80 >> ((seq - first) % 8)
	}
	return strconv.FormatInt(first, 10) + ":" + base64.RawURLEncoding.EncodeToString(bits)
}

// parseBatchRows reads what String writes; nil when it is something else.
func parseBatchRows(s string) batchRows {
	number, text, _ := strings.Cut(s, ":")
	first, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil
	}
	bits, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	var r batchRows
	for i := range len(bits) * 8 {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			r = append(r, first+int64(i))
		}
	}
	return r
}

// hasAny says whether r has one of the rows given.
func (r batchRows) hasAny(of batchRows) bool {
	return slices.ContainsFunc(of, func(seq int64) bool {
		_, found := slices.BinarySearch(r, seq)
		return found
	})
}

// sentBatch is a batch that the server took.
type sentBatch struct {
	id   string
	rows batchRows
}

// ref names the message of a row: BATCH_ID:INDEX. It is "" for a row that was
// not part of the batch, or of no batch.
func (b *sentBatch) ref(seq int64) string {
	if b == nil {
		return ""
	}
	index, found := slices.BinarySearch(b.rows, seq)
	if !found {
		return ""
	}
	return b.id + ":" + strconv.Itoa(index)
}
