package sinks

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Dataset is a kind of records, kept under datasets/<Name>/. Its view, <Name>,
// shows all of them, unless it is a snapshot or a log.
//
// A column that may be empty has the tag `optional`: the zero value, also that
// of time.Time, is stored as NULL.
type Dataset struct {
	Name        string
	Row         any    // a zero value of the struct, with parquet tags, that its records are
	PartitionBy string // the column that the folders of its files give, for example "date"; "" for none

	// Snapshot says that every run writes the whole list anew, so PartitionBy is
	// "run_id". The view shows, of each list, what its latest completed run
	// found; <Name>_history shows every run, and where the rows have the columns
	// id and body, <Name>_changes and the macro <Name>_diff(from_run, to_run)
	// compare runs by them.
	Snapshot bool
	Kinds    []string // the kinds of job that write it; needed for a snapshot
	// Part is the column of a snapshot that says which part of its list a row
	// belongs to; "" when lists are always read whole. A run that reads a part
	// alone has the Request of those that read all, and behind a / the part. The
	// view then shows of each part what the latest run found that read it.
	Part string

	// Latest makes the dataset a log: of the rows that agree in these columns
	// the view shows the one that is the greatest in the column OrderBy, of
	// equal ones the one that was committed last; <Name>_history shows all.
	Latest  []string
	OrderBy string
}

// runPartition is the column that a snapshot is partitioned by.
const runPartition = "run_id"

func (d Dataset) schema() (*parquet.Schema, error) {
	if err := checkName("the dataset", d.Name); err != nil {
		return nil, err
	}
	t := reflect.TypeOf(d.Row)
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("dataset %s: its row is %T, not a struct", d.Name, d.Row)
	}
	schema := parquet.SchemaOf(d.Row)
	if err := d.check(schema); err != nil {
		return nil, fmt.Errorf("dataset %s: %w", d.Name, err)
	}
	return schema, nil
}

// check holds what the dataset says of itself against its columns.
func (d Dataset) check(schema *parquet.Schema) error {
	has := func(name string) bool {
		return slices.ContainsFunc(schema.Fields(), func(f parquet.Field) bool { return f.Name() == name })
	}
	switch {
	case d.PartitionBy != "" && has(d.PartitionBy):
		return fmt.Errorf("it is partitioned by %s, so its row can not have that column", d.PartitionBy)
	case d.Snapshot && (d.PartitionBy != runPartition || len(d.Kinds) == 0 || len(d.Latest) > 0):
		return fmt.Errorf("a snapshot is partitioned by %s, names its kinds and is no log", runPartition)
	case d.Part != "" && (!d.Snapshot || !has(d.Part)):
		return fmt.Errorf("its part %s is not a column of a snapshot", d.Part)
	case (len(d.Latest) > 0) != (d.OrderBy != ""):
		return errors.New("a log has columns that are its key and one that orders it")
	}
	for _, name := range d.Latest {
		if !has(name) {
			return fmt.Errorf("its key has a column %s, which the row has not", name)
		}
	}
	if d.OrderBy != "" && !has(d.OrderBy) {
		return fmt.Errorf("it is ordered by a column %s, which the row has not", d.OrderBy)
	}
	return nil
}

// columns lists the dataset's columns in order, as DuckDB declares them.
func (d Dataset) columns() ([]column, error) {
	schema, err := d.schema()
	if err != nil {
		return nil, err
	}
	return d.columnsOf(schema)
}

// columnsOf lists the columns of a schema, and the one that the folders give:
// last, but in a snapshot before the last of the rows', which says when the row
// was read.
func (d Dataset) columnsOf(schema *parquet.Schema) ([]column, error) {
	var all []column
	for _, f := range schema.Fields() {
		typ, err := duckType(f)
		if err != nil {
			return nil, fmt.Errorf("dataset %s, column %s: %w", d.Name, f.Name(), err)
		}
		all = append(all, column{name: f.Name(), typ: typ})
	}
	if d.PartitionBy != "" {
		at := len(all)
		if d.Snapshot {
			at = max(at-1, 0)
		}
		all = slices.Insert(all, at, column{name: d.PartitionBy, typ: d.partitionType()})
	}
	return all, nil
}

func (d Dataset) partitionType() string {
	if d.PartitionBy == "date" {
		return "DATE"
	}
	return "VARCHAR"
}

// column is a column of a view, and what is said of it.
type column struct{ name, typ, doc string }

// duckType is the type that DuckDB reads a Parquet node as.
func duckType(n parquet.Node) (string, error) {
	if logical := n.Type().LogicalType(); logical != nil {
		switch logical.Value.(type) {
		case *format.MapType:
			return mapType(n)
		case *format.ListType:
			return listType(n)
		}
	}
	var typ string
	if n.Leaf() {
		leaf, err := leafType(n.Type())
		if err != nil {
			return "", err
		}
		typ = leaf
	} else {
		var fields []string
		for _, f := range n.Fields() {
			inner, err := duckType(f)
			if err != nil {
				return "", err
			}
			fields = append(fields, ident(f.Name())+" "+inner)
		}
		typ = "STRUCT(" + strings.Join(fields, ", ") + ")"
	}
	if n.Repeated() {
		typ += "[]"
	}
	return typ, nil
}

func listType(n parquet.Node) (string, error) {
	repeated := n.Fields()[0]
	element, err := duckType(repeated.Fields()[0])
	return element + "[]", err
}

func mapType(n parquet.Node) (string, error) {
	entry := n.Fields()[0].Fields()
	key, err := duckType(entry[0])
	if err != nil {
		return "", err
	}
	value, err := duckType(entry[1])
	return "MAP(" + key + ", " + value + ")", err
}

func leafType(t parquet.Type) (string, error) {
	if t.LogicalType() == nil {
		if typ, ok := physicalTypes[t.Kind()]; ok {
			return typ, nil
		}
		return "", fmt.Errorf("no view can have a column of type %s", t)
	}
	switch logical := t.LogicalType().Value.(type) {
	case *format.StringType, *format.EnumType:
		return "VARCHAR", nil
	case *format.JsonType:
		return "JSON", nil
	case *format.DateType:
		return "DATE", nil
	case *format.UUIDType:
		return "UUID", nil
	case *format.IntType:
		return integerType(logical.BitWidth, logical.IsSigned), nil
	case *format.TimestampType:
		if logical.IsAdjustedToUTC {
			return "TIMESTAMP WITH TIME ZONE", nil
		}
		return "TIMESTAMP", nil
	}
	return "", fmt.Errorf("no view can have a column of type %s", t)
}

var physicalTypes = map[parquet.Kind]string{
	parquet.Boolean:   "BOOLEAN",
	parquet.Int32:     "INTEGER",
	parquet.Int64:     "BIGINT",
	parquet.Float:     "FLOAT",
	parquet.Double:    "DOUBLE",
	parquet.ByteArray: "BLOB",
}

func integerType(bits int8, signed bool) string {
	typ := map[int8]string{8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[bits]
	if !signed {
		return "U" + typ
	}
	return typ
}
