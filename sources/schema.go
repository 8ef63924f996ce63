package sources

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"

	"github.com/parquet-go/parquet-go"
)

// Names that an input that was taken down has besides the user's columns.
const (
	seqColumn  = "_seq"
	lineColumn = "_line"
	aboutKey   = "batch.input" // of the file's metadata
)

// about is what a file says of itself in its metadata.
type about struct {
	Version     int         `json:"version"`
	Columns     []Column    `json:"columns"`
	Key         string      `json:"key"`
	Fingerprint string      `json:"fingerprint"`
	Files       []fileStart `json:"files"`
}

// fileStart says at which row the rows of a file begin.
type fileStart struct {
	Name string `json:"name"`
	From int64  `json:"from"`
}

func (a *about) from(name string, seq int64) {
	if n := len(a.Files); n == 0 || a.Files[n-1].Name != name {
		a.Files = append(a.Files, fileStart{name, seq})
	}
}

// fileOf returns the name of the file that row seq came from.
func (a *about) fileOf(seq int64) string {
	i := sort.Search(len(a.Files), func(i int) bool { return a.Files[i].From > seq })
	if i == 0 {
		return ""
	}
	return a.Files[i-1].Name
}

func (a *about) intake(path string, rows int64) Intake {
	in := Intake{Path: path, Rows: rows, Columns: a.Columns, Key: a.Key, Fingerprint: a.Fingerprint}
	for _, f := range a.Files {
		in.Files = append(in.Files, f.Name)
	}
	return in
}

func (a *about) marshal() (string, error) {
	text, err := json.Marshal(a)
	return string(text), err
}

func aboutFile(file *parquet.File) (about, error) {
	var a about
	text, ok := file.Lookup(aboutKey)
	if !ok {
		return a, fmt.Errorf("this is not an input that batch took down")
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, fmt.Errorf("its metadata can not be read: %w", err)
	}
	if a.Version != 1 {
		return a, fmt.Errorf("it was written by another version of batch (format %d, known is 1)", a.Version)
	}
	return a, nil
}

// schemaOf returns the schema of an input with these columns.
func schemaOf(columns []Column) *parquet.Schema {
	number := parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)
	root := ordered{fields: []parquet.Field{field{number, seqColumn}, field{number, lineColumn}}}
	for _, c := range columns {
		root.fields = append(root.fields, field{parquet.Optional(parquet.String()), c.Name})
	}
	return parquet.NewSchema("input", root)
}

// ordered is a parquet.Group that keeps the order of its fields, where Group
// sorts them by name.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

type field struct {
	parquet.Node
	name string
}

func (f field) Name() string { return f.name }

// Value serves the writing of Go maps, as that of the fields of a Group.
func (f field) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}
