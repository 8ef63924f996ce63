package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Keyed yields those rows of an input that have one of some keys.
type Keyed struct {
	Rows
	key    Column
	at     int
	wanted map[string]bool // whether a row had the key
}

// WithKeys yields the rows whose value in the column key is one of keys,
// compared as text. Where there is no such column it yields every row, which
// TakeDown then turns down.
func WithKeys(rows Rows, key string, keys []string) *Keyed {
	k := &Keyed{Rows: rows, at: position(rows.Columns(), key), wanted: make(map[string]bool, len(keys))}
	if k.at >= 0 {
		k.key = rows.Columns()[k.at]
	}
	for _, key := range keys {
		k.wanted[key] = false
	}
	return k
}

// Next returns the next row that has one of the keys.
func (k *Keyed) Next() (Row, error) {
	for {
		row, err := k.Rows.Next()
		if err != nil || k.at < 0 {
			return row, err
		}
		text, err := row.Text(k.at, k.key)
		if err != nil {
			return Row{}, err
		}
		if _, ok := k.wanted[text]; ok {
			k.wanted[text] = true
			return row, nil
		}
	}
}

// Missing returns the keys that no row so far had, sorted.
func (k *Keyed) Missing() []string {
	var missing []string
	for key, found := range k.wanted {
		if !found {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	return missing
}

// reread yields rows of an input that was taken down, to be taken down again:
// they keep their files and lines, and are numbered anew.
type reread struct {
	*Input
	next func() (Row, error)
}

func (r reread) Next() (Row, error) { return r.next() }

// Fated yields the rows that have a fate. Closing it closes the input.
func (in *Input) Fated() Rows {
	return reread{in, func() (Row, error) {
		for {
			row, fate, err := in.Next()
			if err != nil || fate != nil {
				return row, err
			}
		}
	}}
}

// Until yields the rows up to and with the first that is the last. Closing it
// closes the input.
func (in *Input) Until(last func(Row, *Fate) bool) Rows {
	ended := false
	return reread{in, func() (Row, error) {
		if ended {
			return Row{}, io.EOF
		}
		row, fate, err := in.Next()
		ended = err == nil && last(row, fate)
		return row, err
	}}
}

// Gathered yields all rows, those first that it is told to. Among themselves they
// keep their order. Closing it closes the input, which is read twice.
func (in *Input) Gathered(first func(Row) bool) Rows {
	again := false
	return reread{in, func() (Row, error) {
		for {
			row, _, err := in.Next()
			switch {
			case err == io.EOF && !again:
				again = true
				if err := in.rows.seek(0); err != nil {
					return Row{}, err
				}
			case err != nil || first(row) != again:
				return row, err
			}
		}
	}}
}

// fatesMemory bounds what DuckDB's operators hold while fates are sorted.
const fatesMemory = "64MB"

// FatesOfRun writes to out, as fates, the rows of a run that ended in one of some
// states; results are the Parquet files of that run alone, with the columns seq
// and state. The file appears whole or not at all.
func FatesOfRun(ctx context.Context, results, states []string, out, tempDir string) error {
	d, err := openDuck(ctx, tempDir, fatesMemory, 1)
	if err != nil {
		return err
	}
	from := "(select null::bigint as seq, null::varchar as state where false)"
	if len(results) > 0 {
		from = "read_parquet(" + list(results) + ")"
	}
	// What their errors say is left out: it can be long, and sorting holds it.
	err = d.copyTo(ctx, "select seq, state, '' as error from "+from+" where list_contains("+list(states)+", state) order by seq", out)
	if err := errors.Join(err, d.close()); err != nil {
		return fmt.Errorf("look for the rows of a run by state: %w", err)
	}
	return nil
}
