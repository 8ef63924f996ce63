package sinks

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Dataset is a kind of records, kept under datasets/<Name>/.
type Dataset struct {
	Name        string
	Row         any    // a zero value of the struct, with parquet tags, that its records are
	PartitionBy string // the column that the folders of its files give, for example "date"; "" for none
}

func (d Dataset) schema() (*parquet.Schema, error) {
	if err := checkName("the dataset", d.Name); err != nil {
		return nil, err
	}
	t := reflect.TypeOf(d.Row)
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("dataset %s: its row is %T, not a struct", d.Name, d.Row)
	}
	return parquet.SchemaOf(d.Row), nil
}

// columns lists the dataset's columns in order, as DuckDB declares them.
func (d Dataset) columns() ([]column, error) {
	schema, err := d.schema()
	if err != nil {
		return nil, err
	}
	var all []column
	for _, f := range schema.Fields() {
		typ, err := duckType(f)
		if err != nil {
			return nil, fmt.Errorf("dataset %s, column %s: %w", d.Name, f.Name(), err)
		}
		all = append(all, column{f.Name(), typ})
	}
	if d.PartitionBy != "" {
		typ := "VARCHAR"
		if d.PartitionBy == "date" {
			typ = "DATE"
		}
		all = append(all, column{d.PartitionBy, typ})
	}
	return all, nil
}

type column struct{ name, typ string }

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
