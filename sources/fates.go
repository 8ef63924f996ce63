package sources

import (
	"errors"
	"fmt"
	"io"
	"sort"
)

// Fate is what was decided about a row before the run: it is recorded, and
// nothing is sent.
type Fate struct {
	State string // invalid, skipped or in_doubt; done by a person's word
	Error string // why, for a person
}

// fates reads the fates of rows, which are sorted by row, alongside the rows.
type fates struct {
	rows *parquetRows
	seq  int64 // of the fate that is next
	next *Fate // nil after the last
}

// openFates opens the fates at path, of rows from on.
func openFates(path string, from int64) (*fates, error) {
	rows, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	f := &fates{rows: rows}
	if err := f.start(from); err != nil {
		return nil, fmt.Errorf("open the fates %s: %w", path, errors.Join(err, rows.close()))
	}
	return f, nil
}

// start looks for the row group where row from would be, and reads to it.
func (f *fates) start(from int64) error {
	groups := f.rows.file.RowGroups()
	starts := make([]int64, len(groups)+1)
	for i, g := range groups {
		starts[i+1] = starts[i] + g.NumRows()
	}
	var failed error
	after := sort.Search(len(groups), func(i int) bool {
		if failed != nil {
			return true
		}
		failed = f.rows.seek(starts[i])
		if failed == nil {
			failed = f.advance()
		}
		return f.next != nil && f.seq > from
	})
	if failed != nil {
		return failed
	}
	if err := f.rows.seek(starts[max(after-1, 0)]); err != nil {
		return err
	}
	if err := f.advance(); err != nil {
		return err
	}
	_, err := f.of(from)
	return err
}

// of returns the fate of row seq, or nil. Rows are asked for in order; the
// same row may be asked for again.
func (f *fates) of(seq int64) (*Fate, error) {
	for f.next != nil && f.seq < seq {
		if err := f.advance(); err != nil {
			return nil, err
		}
	}
	if f.next == nil || f.seq > seq {
		return nil, nil
	}
	return f.next, nil
}

func (f *fates) advance() error {
	values, err := f.rows.next()
	if err == io.EOF {
		f.next = nil
		return nil
	}
	if err != nil {
		return err
	}
	if len(values) != 3 {
		return fmt.Errorf("found %d columns where seq, state and error are expected", len(values))
	}
	f.seq = values[0].Int64()
	f.next = &Fate{State: string(values[1].ByteArray()), Error: string(values[2].ByteArray())}
	return nil
}
