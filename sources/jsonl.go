package sources

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/gjson"
)

// jsonlColumns reads the files once and returns the names of all their
// objects' keys, in order of first appearance.
func jsonlColumns(ctx context.Context, files []file, encoding string) (*columnSet, error) {
	set := &columnSet{index: map[string]int{}}
	for _, f := range files {
		lines, err := openLines(f, encoding)
		if err != nil {
			return nil, err
		}
		err = set.collect(ctx, lines)
		if err := errors.Join(err, lines.Close()); err != nil {
			return nil, err
		}
	}
	if err := checkNames(set.names); err != nil {
		return nil, fmt.Errorf("%s: %w", files[0].name, err)
	}
	return set, nil
}

// columnSet is the columns of JSON Lines and where each is.
type columnSet struct {
	names []string
	index map[string]int
}

func (s *columnSet) collect(ctx context.Context, lines *jsonLines) error {
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", lines.file.name, context.Cause(ctx))
		}
		object, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		object.ForEach(func(key, _ gjson.Result) bool {
			if _, known := s.index[key.Str]; !known {
				s.index[key.Str] = len(s.names)
				s.names = append(s.names, key.Str)
			}
			return true
		})
	}
}

// jsonlRows yields the objects of one file over columns known beforehand.
type jsonlRows struct {
	lines   *jsonLines
	columns *columnSet
}

func openJSONL(f file, encoding string, columns *columnSet) (Rows, error) {
	lines, err := openLines(f, encoding)
	if err != nil {
		return nil, err
	}
	return &jsonlRows{lines, columns}, nil
}

func (j *jsonlRows) Columns() []Column {
	columns := make([]Column, len(j.columns.names))
	for i, name := range j.columns.names {
		columns[i] = Column{Name: name, JSON: true}
	}
	return columns
}

func (j *jsonlRows) Next() (Row, error) {
	object, err := j.lines.next()
	if err != nil {
		return Row{}, err
	}
	n := len(j.columns.names)
	row := Row{Line: j.lines.line, File: j.lines.file.name, Values: make([]string, n), Null: make([]bool, n)}
	for i := range row.Null {
		row.Null[i] = true
	}
	object.ForEach(func(key, value gjson.Result) bool {
		i, known := j.columns.index[key.Str]
		if !known {
			err = fmt.Errorf("%s line %d: a key that was not there a moment ago; was the file changed while it was read?", row.File, row.Line)
			return false
		}
		if value.Type != gjson.Null {
			row.Values[i], row.Null[i] = value.Raw, false
		}
		return true
	})
	return row, err
}

func (j *jsonlRows) Close() error { return j.lines.Close() }

// jsonLines yields the objects of a file, one a line; blank lines are skipped.
type jsonLines struct {
	io.Closer
	file     file
	encoding string
	scanner  *bufio.Scanner
	line     int64
}

func openLines(f file, encoding string) (*jsonLines, error) {
	text, err := f.text(encoding)
	if err != nil {
		return nil, err
	}
	scanner := bufio.NewScanner(text)
	scanner.Buffer(make([]byte, 1<<16), maxRecord)
	return &jsonLines{Closer: text, file: f, encoding: encoding, scanner: scanner}, nil
}

// next returns the object of the next line that is not blank.
func (l *jsonLines) next() (gjson.Result, error) {
	for l.scanner.Scan() {
		l.line++
		line := bytes.TrimSpace(l.scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		if l.scanner.Err() != nil {
			break // the line is cut short: what cut it is the better message
		}
		object, err := parseObject(string(line), l.encoding)
		if err != nil {
			return gjson.Result{}, fmt.Errorf("%s line %d: %w", l.file.name, l.line, err)
		}
		return object, nil
	}
	switch err := l.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return gjson.Result{}, fmt.Errorf("%s line %d: %w", l.file.name, l.line+1, recordTooLong{l.line + 1, maxRecord})
	case err != nil:
		return gjson.Result{}, fmt.Errorf("read %s after line %d: %w", l.file.name, l.line, err)
	}
	return gjson.Result{}, io.EOF
}
