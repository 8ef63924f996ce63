package sources

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Spec says where rows come from: the `from:` of a job. Exactly one of CSV,
// TSV, JSONL, Parquet, SQL and Dataset is set.
//
// The first four are paths, and may be globs as path/filepath knows them;
// files are read in the order of their names. CSV, TSV and JSONL files whose
// name ends in .gz or .zst are decompressed.
type Spec struct {
	CSV     string `yaml:"csv" doc:"A CSV file, or a glob of several; .gz and .zst are read as they are." example:"recipients.csv"`
	TSV     string `yaml:"tsv" doc:"The same with tabs between the fields." example:"recipients.tsv"`
	JSONL   string `yaml:"jsonl" doc:"A file with a JSON object in each line, or a glob." example:"recipients.jsonl.zst"`
	Parquet string `yaml:"parquet" doc:"A Parquet file, or a glob." example:"exports/*.parquet"`
	SQL     string `yaml:"sql" doc:"A SELECT of DuckDB, which may read files and the views of the store." example:"select phone, name from 'crm.csv' where country = 'SE'"`
	Dataset string `yaml:"dataset" doc:"The name of a dataset of the store, which is read whole." example:"contacts"`

	Delimiter string   `yaml:"delimiter" doc:"Of csv: the character between fields; a comma when it is not given." example:";"`
	Header    *bool    `yaml:"header" doc:"Of csv and tsv: the first line has the names of the columns; true when it is not given."`
	Columns   []string `yaml:"columns" doc:"Of csv and tsv without header: the names of the columns, in order."`
	Encoding  string   `yaml:"encoding" doc:"Of csv, tsv and jsonl: utf-8, utf-16, utf-16le, utf-16be, latin1, iso-8859-1 or windows-1252; utf-8 when it is not given." example:"latin1"`
}

// Problem is something wrong with a Spec, found without opening anything.
type Problem struct {
	Key     string // the YAML key that it is about; "" for the whole
	Message string // for a person
}

// Error returns the key and the message.
func (p Problem) Error() string {
	if p.Key == "" {
		return p.Message
	}
	return p.Key + ": " + p.Message
}

// Check returns everything that is wrong with s and can be known offline.
func (s Spec) Check() []Problem {
	var problems []Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, Problem{key, fmt.Sprintf(format, args...)})
	}
	given := s.given()
	switch len(given) {
	case 0:
		add("", "says nowhere where rows come from; give one of csv, tsv, jsonl, parquet, sql, dataset")
		return problems
	case 1:
	default:
		for _, key := range given[1:] {
			add(key, "rows come from one source; %s is given already", given[0])
		}
		return problems
	}
	source := given[0]
	fits := func(key string, set bool, sources ...string) bool {
		if set && !slices.Contains(sources, source) {
			add(key, "does not apply to %s, only to %s", source, strings.Join(sources, ", "))
		}
		return set && slices.Contains(sources, source)
	}
	if fits("delimiter", s.Delimiter != "", "csv") {
		if _, ok := s.comma(); !ok {
			add("delimiter", "must be one character, and neither a quote nor a line end")
		}
	}
	if fits("encoding", s.Encoding != "", "csv", "tsv", "jsonl") {
		if _, ok := encodings[strings.ToLower(s.Encoding)]; !ok {
			add("encoding", "%q is not known; known are %s", s.Encoding, strings.Join(encodingNames(), ", "))
		}
	}
	header := fits("header", s.Header != nil, "csv", "tsv")
	columns := fits("columns", s.Columns != nil, "csv", "tsv")
	switch {
	case columns && s.hasHeader():
		add("columns", "names the columns of a file without header; add `header: false`, or remove columns")
	case columns && len(s.Columns) == 0:
		add("columns", "is empty")
	case columns:
		if err := checkNames(s.Columns); err != nil {
			add("columns", "%s", err)
		}
	case header && !s.hasHeader():
		add("header", "a file without header needs `columns: [ … ]`, the names of its columns in order")
	}
	return problems
}

// Places returns the keys of Spec of which one is set.
func Places() []string { return []string{"csv", "tsv", "jsonl", "parquet", "sql", "dataset"} }

// given returns the keys of the sources that are set.
func (s Spec) given() []string {
	var keys []string
	for _, source := range []struct{ key, value string }{
		{"csv", s.CSV}, {"tsv", s.TSV}, {"jsonl", s.JSONL},
		{"parquet", s.Parquet}, {"sql", s.SQL}, {"dataset", s.Dataset},
	} {
		if strings.TrimSpace(source.value) != "" {
			keys = append(keys, source.key)
		}
	}
	return keys
}

// pattern returns the path or glob of a source that is made of files.
func (s Spec) pattern() string { return s.CSV + s.TSV + s.JSONL + s.Parquet }

func (s Spec) hasHeader() bool { return s.Header == nil || *s.Header }

// comma returns the character between fields, and whether it can be one.
func (s Spec) comma() (rune, bool) {
	switch {
	case s.TSV != "" || s.Delimiter == `\t`:
		return '\t', true
	case s.Delimiter == "":
		return ',', true
	}
	r, size := utf8.DecodeRuneInString(s.Delimiter)
	ok := size == len(s.Delimiter) && r != utf8.RuneError && !strings.ContainsRune("\"\r\n\x00", r)
	return r, ok
}
