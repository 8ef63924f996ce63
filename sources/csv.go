package sources

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvRows reads one CSV or TSV file after RFC 4180, strictly: every record has
// the fields of the header, and quotes stand around a whole field or not at
// all. Empty lines are skipped.
type csvRows struct {
	file    file
	text    io.Closer
	reader  *csv.Reader
	names   []string
	against string // what the number of fields is compared with
	spec    Spec
}

func openCSV(f file, s Spec) (Rows, error) {
	text, err := f.text(s.Encoding)
	if err != nil {
		return nil, err
	}
	rows := &csvRows{file: f, text: text, spec: s}
	rows.reader = csv.NewReader(newLineEnds(text, maxRecord))
	rows.reader.Comma, _ = s.comma()
	rows.reader.FieldsPerRecord = -1 // counted here, for the sake of the message
	if err := rows.readHeader(); err != nil {
		return nil, errors.Join(err, text.Close())
	}
	return rows, nil
}

func (c *csvRows) readHeader() error {
	if !c.spec.hasHeader() {
		c.names, c.against = c.spec.Columns, "`columns:` has"
		return nil
	}
	row, err := c.read()
	if err == io.EOF {
		return fmt.Errorf("%s is empty: its first line should name the columns", c.file.name)
	}
	if err != nil {
		return err
	}
	if err := checkNames(row.Values); err != nil {
		return fmt.Errorf("%s line %d, the header: %w", c.file.name, row.Line, err)
	}
	c.names, c.against = row.Values, "the header has"
	return nil
}

func (c *csvRows) Columns() []Column {
	columns := make([]Column, len(c.names))
	for i, name := range c.names {
		columns[i] = Column{Name: name}
	}
	return columns
}

func (c *csvRows) Next() (Row, error) {
	row, err := c.read()
	if err != nil {
		return Row{}, err
	}
	if n := len(row.Values); n != len(c.names) {
		hint := ""
		if n > len(c.names) {
			hint = fmt.Sprintf("; a field that holds a %q needs quotes around it", c.reader.Comma)
		}
		return Row{}, fmt.Errorf("%s line %d: %s where %s %d%s", c.file.name, row.Line, count(n, "field"), c.against, len(c.names), hint)
	}
	return row, nil
}

// read returns the next record, of which every field is text.
func (c *csvRows) read() (Row, error) {
	fields, err := c.reader.Read()
	if err != nil {
		return Row{}, c.explain(err)
	}
	line, _ := c.reader.FieldPos(0)
	for i, field := range fields {
		if at, what := badText(field, c.spec.Encoding); at >= 0 {
			line, _ := c.reader.FieldPos(i)
			line += strings.Count(field[:at], "\n")
			return Row{}, fmt.Errorf("%s line %d, field %d: %s", c.file.name, line, i+1, what)
		}
	}
	return Row{Line: int64(line), File: c.file.name, Values: fields}, nil
}

// explain turns an error of the reader into one that names file and line.
func (c *csvRows) explain(err error) error {
	var parse *csv.ParseError
	var long recordTooLong
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &parse) && parse.Err == csv.ErrBareQuote:
		return fmt.Errorf("%s line %d: found a quote inside a field that does not start with one; put the field in quotes and write the quote twice", c.file.name, parse.Line)
	case errors.As(err, &parse) && parse.Line == parse.StartLine:
		return fmt.Errorf("%s line %d: found a quoted field that is not closed, or a quote in it that is not written twice", c.file.name, parse.Line)
	case errors.As(err, &parse):
		return fmt.Errorf("%s line %d: found a quoted field that is not closed, or a quote in it that is not written twice (the record ends up on line %d)", c.file.name, parse.StartLine, parse.Line)
	case errors.As(err, &long):
		return fmt.Errorf("%s line %d: %w; is there a quote that is not closed?", c.file.name, long.line, long)
	}
	return fmt.Errorf("read %s: %w", c.file.name, err)
}

func (c *csvRows) Close() error { return c.text.Close() }

// count returns a number with its noun, for example "3 fields".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
