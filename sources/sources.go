// Package sources reads rows from files and queries, and takes them down into the store.
package sources

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Column is a column of the input.
type Column struct {
	Name string `json:"name"`

	// JSON says that the values are JSON texts of typed values (jsonl, parquet,
	// sql, dataset); otherwise they are the text as it stood (csv, tsv).
	JSON bool `json:"json"`
}

// Rows yields the rows of an input in order. It is used by one goroutine at a
// time.
type Rows interface {
	// Columns returns the columns, the same for every row.
	Columns() []Column
	// Next returns the next row, and io.EOF after the last. Its Seq is not set.
	// Any other error says in which file and line it is, and no row follows.
	Next() (Row, error)
	// Close releases files and temporary files.
	Close() error
}

// Options says what surrounds a Spec.
type Options struct {
	// Dir is the folder that relative paths start from; that of the job file.
	Dir string
	// Setup holds SQL statements that are run on the DuckDB connection before
	// a query or a dataset is read, for example "create view messages as …".
	Setup []string
	// TempDir is the folder for what does not fit into memory.
	TempDir string
}

// Open opens the rows that s speaks of. It finds files, reads headers, and for
// jsonl, whose columns are the union over all lines, reads the files once.
func Open(ctx context.Context, s Spec, o Options) (Rows, error) {
	if problems := s.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("from: %w", problems[0])
	}
	switch {
	case s.SQL != "":
		return openQuery(ctx, "query", s.SQL, o)
	case s.Dataset != "":
		return openQuery(ctx, "dataset "+s.Dataset, "select * from "+identifier(s.Dataset), o)
	}
	files, err := find(o.Dir, s.pattern())
	if err != nil {
		return nil, err
	}
	switch {
	case s.Parquet != "":
		return chain(files, func(f file) (Rows, error) {
			return openQuery(ctx, f.name, "select * from read_parquet("+literal(f.path)+")", o)
		})
	case s.JSONL != "":
		columns, err := jsonlColumns(ctx, files, s.Encoding)
		if err != nil {
			return nil, err
		}
		return chain(files, func(f file) (Rows, error) { return openJSONL(f, s.Encoding, columns) })
	default:
		return chain(files, func(f file) (Rows, error) { return openCSV(f, s) })
	}
}

// chained joins the rows of several files with the same columns.
type chained struct {
	files   []file // those not yet opened
	open    func(file) (Rows, error)
	current Rows
	name    string // of the current file
	first   string // of the first file
	columns []Column
}

func chain(files []file, open func(file) (Rows, error)) (Rows, error) {
	c := &chained{files: files, open: open, first: files[0].name}
	if err := c.advance(); err != nil {
		return nil, err
	}
	c.columns = c.current.Columns()
	return c, nil
}

func (c *chained) advance() error {
	f := c.files[0]
	c.files = c.files[1:]
	rows, err := c.open(f)
	if err != nil {
		return err
	}
	c.current, c.name = rows, f.name
	return nil
}

func (c *chained) Columns() []Column { return c.columns }

func (c *chained) Next() (Row, error) {
	for {
		row, err := c.current.Next()
		if err == nil {
			row.File = c.name
			return row, nil
		}
		if err != io.EOF || len(c.files) == 0 {
			return Row{}, err
		}
		if err := c.current.Close(); err != nil {
			return Row{}, err
		}
		if err := c.advance(); err != nil {
			return Row{}, err
		}
		if err := c.sameColumns(c.current.Columns()); err != nil {
			return Row{}, err
		}
	}
}

func (c *chained) sameColumns(got []Column) error {
	if len(got) != len(c.columns) {
		return fmt.Errorf("%s has %d columns where %s has %d: files that are read together must have the same columns in the same order",
			c.name, len(got), c.first, len(c.columns))
	}
	for i, col := range got {
		if col.Name != c.columns[i].Name {
			return fmt.Errorf("%s: column %d is %s where %s has %s: files that are read together must have the same columns in the same order",
				c.name, i+1, shown(col.Name), c.first, shown(c.columns[i].Name))
		}
	}
	return nil
}

func (c *chained) Close() error { return c.current.Close() }

// checkNames says what is wrong with the names of columns, or nil. The store
// is read with DuckDB, which tells no upper case from lower.
func checkNames(names []string) error {
	seen := make(map[string]int, len(names))
	for i, name := range names {
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("column %d has no name", i+1)
		}
		if strings.ContainsAny(name, "\x00\r") {
			return fmt.Errorf("the name of column %d has a control character in it; does the file have line ends of another system?", i+1)
		}
		folded := strings.ToLower(name)
		j, twice := seen[folded]
		switch {
		case twice && names[j] == name:
			return fmt.Errorf("columns %d and %d are both called %s; rename one of them", j+1, i+1, shown(name))
		case twice:
			return fmt.Errorf("columns %s and %s differ in upper and lower case only", shown(names[j]), shown(name))
		}
		seen[folded] = i
	}
	return nil
}
