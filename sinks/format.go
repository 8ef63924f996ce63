package sinks

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Format is how a result is written.
type Format string

// The formats of ResultSet.Write. Parquet, which is a file, comes from
// Store.Export.
const (
	FormatTable    Format = "table"    // aligned, for people; long values are cut
	FormatCSV      Format = "csv"      // RFC 4180 with a header; NULL is empty
	FormatJSON     Format = "json"     // one array of objects
	FormatJSONL    Format = "jsonl"    // one object a line
	FormatMarkdown Format = "markdown" // a pipe table
)

// Formats lists the formats that Write knows.
func Formats() []Format {
	return []Format{FormatTable, FormatCSV, FormatJSON, FormatJSONL, FormatMarkdown}
}

// Write writes all rows in a format, one at a time, and returns their number.
func (r *ResultSet) Write(w io.Writer, format Format) (int64, error) {
	write, ok := map[Format]func(*bufio.Writer) (int64, error){
		FormatTable:    r.writeTable,
		FormatCSV:      r.writeCSV,
		FormatJSON:     r.writeJSON,
		FormatJSONL:    r.writeJSONL,
		FormatMarkdown: r.writeMarkdown,
	}[format]
	if !ok {
		return 0, fmt.Errorf("there is no format %q: choose one of %v", format, Formats())
	}
	out := bufio.NewWriterSize(w, 64<<10)
	n, err := write(out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return n, fmt.Errorf("write the result as %s: %w", format, err)
	}
	return n, nil
}

// each calls f with every row.
func (r *ResultSet) each(f func(n int64, values []any) error) (int64, error) {
	var n int64
	for r.Next() {
		if err := f(n, r.Values()); err != nil {
			return n, err
		}
		n++
	}
	return n, r.Err()
}

func (r *ResultSet) texts(values []any) ([]string, error) {
	texts := make([]string, len(values))
	for i, v := range values {
		var err error
		if texts[i], err = text(v, r.Columns[i].Type); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func (r *ResultSet) writeCSV(w *bufio.Writer) (int64, error) {
	out := csv.NewWriter(w)
	if err := out.Write(r.names()); err != nil {
		return 0, err
	}
	n, err := r.each(func(_ int64, values []any) error {
		texts, err := r.texts(values)
		if err != nil {
			return err
		}
		return out.Write(texts)
	})
	if err != nil {
		return n, err
	}
	out.Flush()
	return n, out.Error()
}

func (r *ResultSet) writeJSON(w *bufio.Writer) (int64, error) {
	n, err := r.writeObjects(w, "[\n", ",\n", "")
	if err != nil {
		return n, err
	}
	end := "\n]\n"
	if n == 0 {
		end = "[]\n"
	}
	_, err = w.WriteString(end)
	return n, err
}

func (r *ResultSet) writeJSONL(w *bufio.Writer) (int64, error) {
	return r.writeObjects(w, "", "", "\n")
}

// writeObjects writes each row as an object with the columns in their order.
func (r *ResultSet) writeObjects(w *bufio.Writer, first, between, after string) (int64, error) {
	names := r.distinctNames()
	keys := make([][]byte, len(names))
	for i, name := range names {
		key, err := encode(name)
		if err != nil {
			return 0, err
		}
		keys[i] = key
	}
	var line []byte
	return r.each(func(n int64, values []any) error {
		before := between
		if n == 0 {
			before = first
		}
		line = append(append(line[:0], before...), '{')
		for i, v := range values {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(line, keys[i]...), ':')
			value, err := encode(plain(v, r.Columns[i].Type))
			if err != nil {
				return err
			}
			line = append(line, value...)
		}
		_, err := w.Write(append(append(line, '}'), after...))
		return err
	})
}

func (r *ResultSet) names() []string {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	return names
}

// distinctNames are the column names with a number behind those that were there before.
func (r *ResultSet) distinctNames() []string {
	names := r.names()
	for i, name := range names {
		for n := 1; slices.Contains(names[:i], names[i]); n++ {
			names[i] = fmt.Sprintf("%s_%d", name, n)
		}
	}
	return names
}

var markdownEscape = strings.NewReplacer("|", `\|`, "\r\n", "<br>", "\n", "<br>", "\r", "<br>")

func (r *ResultSet) writeMarkdown(w *bufio.Writer) (int64, error) {
	line := func(cells []string) error {
		for i := range cells {
			cells[i] = visible(markdownEscape.Replace(cells[i]))
		}
		_, err := w.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		return err
	}
	if err := line(r.names()); err != nil {
		return 0, err
	}
	rule := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		rule[i] = "---"
		if numeric(c.Type) {
			rule[i] = "---:"
		}
	}
	if err := line(rule); err != nil {
		return 0, err
	}
	return r.each(func(_ int64, values []any) error {
		texts, err := r.texts(values)
		if err != nil {
			return err
		}
		return line(texts)
	})
}
