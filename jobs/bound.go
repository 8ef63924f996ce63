package jobs

import (
	"fmt"
	"sync"
	"sync/atomic"

	"convbatch/sources"
)

// Bound is a request that knows where its columns are in the rows of an input.
// Many goroutines may use one.
type Bound struct {
	request *Request
	columns []boundColumn // as Request.columns
	scratch sync.Pool     // of *scratch
	size    atomic.Int64  // of the longest that was rendered
}

type boundColumn struct {
	name   string
	at     int // in the row
	column sources.Column
}

// scratch is what putting out a template needs, kept for the next row.
type scratch struct {
	out    output
	row    map[string]any
	filled bool // row is that of the present row
}

// Render appends the JSON of the request for a row to dst. An error says why
// the row is invalid; it names places and columns, never what stands in them.
func (b *Bound) Render(dst []byte, row sources.Row) ([]byte, error) {
	if dst == nil {
		dst = make([]byte, 0, b.size.Load())
	}
	var s *scratch
	defer func() {
		if s != nil {
			clear(s.row)
			s.filled = false
			b.scratch.Put(s)
		}
	}()
	for i := range b.request.pieces {
		piece := &b.request.pieces[i]
		before := len(dst)
		switch piece.do {
		case literal:
			dst = append(dst, piece.lit...)
			continue
		case end:
			if last := len(dst) - 1; dst[last] == ',' {
				dst = dst[:last]
			}
			dst = append(dst, piece.lit...)
			continue
		}
		brings := piece.do == optional || piece.do == kept // its key and a comma
		if brings {
			dst = append(dst, piece.lit...)
		}
		if piece.text.slow != nil && s == nil {
			s = b.newScratch()
		}
		dst = append(dst, '"')
		start := len(dst)
		var err error
		if dst, err = b.text(dst, &piece.text, row, s); err != nil {
			return nil, fmt.Errorf("%s: %w", piece.text.path, err)
		}
		if piece.do == optional && len(dst) == start {
			dst = dst[:before]
			continue
		}
		dst = append(dst, '"')
		if brings {
			dst = append(dst, ',')
		}
	}
	if n := int64(len(dst)); n > b.size.Load() {
		b.size.Store(n)
	}
	return dst, nil
}

func (b *Bound) newScratch() *scratch {
	if s, ok := b.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{row: make(map[string]any, len(b.columns))}
}

// text appends one text, escaped, without its quotes.
func (b *Bound) text(dst []byte, t *text, row sources.Row, s *scratch) (_ []byte, err error) {
	if t.slow != nil {
		if err := b.fill(s, row); err != nil {
			return dst, err
		}
		if err := s.out.execute(t.slow, s.row); err != nil {
			return dst, err
		}
		return appendEscaped(dst, s.out.buf)
	}
	size := 0
	for _, p := range t.parts {
		if p.column == noColumn {
			dst = append(dst, p.literal...)
			continue
		}
		c := &b.columns[p.column]
		var v string
		if v, err = c.text(row); err == nil {
			if size += len(v); size > maxText {
				return dst, errTooLong
			}
			dst, err = appendEscaped(dst, v)
		}
		if err != nil {
			return dst, fmt.Errorf("the value of column %q %w", c.name, err)
		}
	}
	return dst, nil
}

// text returns the value of the column as text; nothing for null.
func (c *boundColumn) text(row sources.Row) (string, error) {
	if c.at >= len(row.Values) {
		return "", fmt.Errorf("is missing: the row has %d columns", len(row.Values))
	}
	s, err := row.Text(c.at, c.column)
	if err == nil && c.column.JSON && s == "null" && row.Values[c.at] == "null" {
		return "", nil
	}
	return s, err
}

// fill makes the row ready for templates. Null is the empty text, so that it
// can be compared with one.
func (b *Bound) fill(s *scratch, row sources.Row) error {
	if s.filled {
		return nil
	}
	for i := range b.columns {
		c := &b.columns[i]
		if c.at >= len(row.Values) {
			return fmt.Errorf("the value of column %q is missing: the row has %d columns", c.name, len(row.Values))
		}
		v, err := row.Value(c.at, c.column)
		if err != nil {
			return err
		}
		if v == nil {
			v = ""
		}
		s.row[c.name] = v
	}
	s.filled = true
	return nil
}
