package sources

import (
	"errors"
	"fmt"
	"io"
)

// Input reads back an input that was taken down, and the fates that were
// decided for its rows. It is used by one goroutine.
type Input struct {
	rows  *parquetRows
	fates *fates // nil for none
	about about
	path  string
}

// OpenInput opens the input at path, and the fates at the path fates unless
// that is "". The first row that Next returns is row from, which is reached
// without reading those before it; from may be the number of rows.
func OpenInput(path string, fates string, from int64) (*Input, error) {
	rows, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	in := &Input{rows: rows, path: path}
	if err := in.start(fates, from); err != nil {
		return nil, errors.Join(fmt.Errorf("open the input %s: %w", path, err), in.Close())
	}
	return in, nil
}

func (in *Input) start(fates string, from int64) error {
	var err error
	if in.about, err = aboutFile(in.rows.file); err != nil {
		return err
	}
	if from < 0 || from > in.Rows() {
		return fmt.Errorf("there is no row %d; it has %d", from, in.Rows())
	}
	if err := in.rows.seek(from); err != nil {
		return err
	}
	if fates != "" {
		in.fates, err = openFates(fates, from)
	}
	return err
}

// Columns returns the columns of the input, in its order.
func (in *Input) Columns() []Column { return in.about.Columns }

// Key returns which column holds the rows' keys, or -1.
func (in *Input) Key() int {
	if in.about.Key == "" {
		return -1
	}
	return position(in.about.Columns, in.about.Key)
}

// Rows returns how many rows the input has.
func (in *Input) Rows() int64 { return in.rows.file.NumRows() }

// Intake returns what TakeDown returned for this input.
func (in *Input) Intake() Intake { return in.about.intake(in.path, in.Rows()) }

// Next returns the next row and its fate, nil when there is none, and io.EOF
// after the last row. The row is the caller's to keep.
func (in *Input) Next() (Row, *Fate, error) {
	values, err := in.rows.next()
	if err == io.EOF {
		return Row{}, nil, io.EOF
	}
	if err != nil {
		return Row{}, nil, err
	}
	if len(values) != len(in.about.Columns)+2 {
		return Row{}, nil, fmt.Errorf("read the input %s: a row has %d columns where %d are declared", in.path, len(values), len(in.about.Columns)+2)
	}
	row := Row{Seq: values[0].Int64(), Line: values[1].Int64()}
	row.File = in.about.fileOf(row.Seq)
	row.Values, row.Null = texts(values[2:])
	if in.fates == nil {
		return row, nil, nil
	}
	fate, err := in.fates.of(row.Seq)
	return row, fate, err
}

// Close closes the files.
func (in *Input) Close() error {
	err := in.rows.close()
	if in.fates != nil {
		err = errors.Join(err, in.fates.rows.close())
	}
	return err
}
