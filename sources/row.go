package sources

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Row is one row of an input.
type Row struct {
	// Seq numbers the rows of an input from 0 over all its files.
	Seq int64
	// Line is the physical line of File in which the record starts, from 1; of
	// parquet, sql and dataset it is the number of the row.
	Line int64
	// File is the file as it was named, "query", or "dataset NAME".
	File string
	// Values holds one text for each column; see Column.JSON for its form.
	Values []string
	// Null says which values are absent or null; it is nil when none is.
	Null []bool
}

// IsNull says whether the value of column i is absent or null.
func (r Row) IsNull(i int) bool { return r.Null != nil && r.Null[i] }

// Value decodes the value of column i, which is described by c, for templates:
// string, json.Number (with the digits as they stood), bool, nil, []any or
// map[string]any. The text of a column without types is a string.
func (r Row) Value(i int, c Column) (any, error) {
	switch {
	case r.IsNull(i):
		return nil, nil
	case !c.JSON:
		return r.Values[i], nil
	}
	if s, ok := plainString(r.Values[i]); ok {
		return s, nil
	}
	dec := json.NewDecoder(strings.NewReader(r.Values[i]))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s line %d: column %s: %w", r.File, r.Line, c.Name, err)
	}
	return v, nil
}

// Text returns the value of column i as text, as keys are compared: the content
// of a JSON string, the JSON text of any other typed value, "" for null.
func (r Row) Text(i int, c Column) (string, error) {
	if r.IsNull(i) {
		return "", nil
	}
	if !c.JSON || !strings.HasPrefix(r.Values[i], `"`) {
		return r.Values[i], nil
	}
	v, err := r.Value(i, c)
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

// plainString returns the content of a JSON string that needs no decoding.
func plainString(text string) (string, bool) {
	if len(text) < 2 || text[0] != '"' || strings.IndexByte(text, '\\') >= 0 {
		return "", false
	}
	return text[1 : len(text)-1], true
}

func (r *Row) setNull(i int) {
	if r.Null == nil {
		r.Null = make([]bool, len(r.Values))
	}
	r.Null[i] = true
}
