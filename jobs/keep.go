package jobs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"convbatch/client"
)

// Keep is what a job that writes datasets keeps of their columns. By default
// that is all of them, as they came.
type Keep struct {
	Columns *Columns `yaml:"columns" doc:"Which columns of what the job reads are kept."`
	Hash    *Hash    `yaml:"hash" doc:"Columns that are kept as a keyed hash: who it is can not be told, that it is the same one can."`
}

// Columns are the columns of datasets that are written.
type Columns struct {
	Without ColumnNames `yaml:"without" required:"true" doc:"Columns that are not written: they are NULL in every query." example:"[body]"`
}

// Hash is which columns are hashed, and with what. The hash is HMAC-SHA-256 of
// the text, as 64 hexadecimal digits; of a phone number under identity or
// identities it is that of its digits, however it is written. An empty text
// stays empty.
type Hash struct {
	Secret  client.Secret `yaml:"secret" required:"true" doc:"The key of the hash, at least 32 characters: a variable, or {file: PATH}. Values are equal under one key." example:"${BATCH_HASH_SECRET}"`
	Columns ColumnNames   `yaml:"columns" required:"true" doc:"Columns whose texts are replaced." example:"[identity]"`
}

// ColumnNames are columns of datasets, by name.
type ColumnNames []string

// leastSecret is how long the key of a hash is at least, in bytes: 128 bits in
// hexadecimal digits.
const leastSecret = 32

// Column is a column of a dataset.
type Column struct {
	Name, Doc string
	Needed    bool // rows are found by it, so it is always kept
	Personal  bool // by itself it says who somebody is, or what they wrote
	Repeats   bool // it may hold what other columns hold

	field reflect.StructField
}

// bodyColumn is the column that holds all others.
const bodyColumn = "body"

func columnOf(f reflect.StructField) Column {
	name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
	says := strings.Split(f.Tag.Get("keep"), ",")
	return Column{
		Name: name, Doc: f.Tag.Get("doc"), field: f,
		Needed: slices.Contains(says, "needed"), Personal: slices.Contains(says, "personal"), Repeats: slices.Contains(says, "repeats"),
	}
}

// Columns lists the columns of the dataset's rows, in order.
func (d Dataset) Columns() []Column {
	row := reflect.TypeOf(d.Row)
	if row == nil {
		return nil
	}
	var all []Column
	for i := range row.NumField() {
		all = append(all, columnOf(row.Field(i)))
	}
	return all
}

// isText says that a column can be hashed: it is a text, or a list that has some.
func (c Column) isText() bool {
	t := c.field.Type
	return t.Kind() == reflect.String || t.Kind() == reflect.Slice
}

// givesAway says that c, kept as it is, undoes the hashing of another column.
func (c Column) givesAway(other Column) bool {
	if c.Name == bodyColumn {
		return other.Name != bodyColumn
	}
	return c.Repeats && !other.Repeats
}

// keeps says that jobs of the kind write datasets of which something can be left
// out.
func (k Kind) keeps() bool {
	return slices.ContainsFunc(k.ownDatasets(), func(d Dataset) bool {
		return slices.ContainsFunc(d.Columns(), func(c Column) bool { return !c.Needed })
	})
}

// ownDatasets are those of the kind, and those that only its jobs name.
func (k Kind) ownDatasets() []Dataset {
	spec := k.New()
	all := slices.Clone(k.Datasets)
	if own, ok := spec.(interface{ Datasets() []Dataset }); ok {
		all = append(all, own.Datasets()...)
	}
	return all
}

// keepKeys are the keys of Keep, which name the columns that the kind has.
func (k Kind) keepKeys() []Key {
	could := free(k.ownDatasets())
	var names, texts []string
	for _, c := range could {
		names = append(names, c.Name)
		if c.isText() {
			texts = append(texts, c.Name)
		}
	}
	keys := keysOf(Keep{})
	for i, key := range keys {
		for j := range key.Keys {
			switch key.Name + "." + key.Keys[j].Name {
			case "columns.without":
				keys[i].Keys[j].Enum = names
			case "hash.columns":
				keys[i].Keys[j].Enum = texts
			}
		}
	}
	return keys
}

// free are the columns of datasets, each once, that none of these needs.
func free(sets []Dataset) []Column {
	var could []Column
	needed := map[string]bool{}
	for _, d := range sets {
		for _, c := range d.Columns() {
			needed[c.Name] = needed[c.Name] || c.Needed
			if !slices.ContainsFunc(could, func(known Column) bool { return known.Name == c.Name }) {
				could = append(could, c)
			}
		}
	}
	return slices.DeleteFunc(could, func(c Column) bool { return needed[c.Name] })
}

// LeftOut are the columns that are not written.
func (k Keep) LeftOut() []string {
	if k.Columns == nil {
		return nil
	}
	return k.Columns.Without
}

// Hashed are the columns whose texts are replaced.
func (k Keep) Hashed() []string {
	if k.Hash == nil {
		return nil
	}
	return k.Hash.Columns
}

// check holds what is kept against the columns of the job's datasets.
func (k Keep) check(c *Checker, sets []Dataset) {
	checkNames(c, "columns.without", k.LeftOut(), sets, "left out")
	checkNames(c, "hash.columns", k.Hashed(), sets, "hashed")
	if k.Columns != nil && len(k.LeftOut()) == 0 {
		c.Problem("columns.without", "names no column")
	}
	if k.Hash != nil && len(k.Hashed()) == 0 {
		c.Problem("hash.columns", "names no column")
	}
	if k.Hash != nil && k.Hash.Secret != "" && len(k.Hash.Secret) < leastSecret {
		c.Problem("hash.secret", fmt.Sprintf("is shorter than %d characters, so it could be found by trying; `openssl rand -hex 32` makes one", leastSecret))
	}
	for _, set := range sets {
		for i, name := range k.Hashed() {
			k.checkHashed(c, set, fmt.Sprintf("hash.columns[%d]", i), name)
		}
		for i, name := range k.LeftOut() {
			if open := k.open(set, name); open != nil && personal(set, name) {
				c.Warn(fmt.Sprintf("columns.without[%d]", i), fmt.Sprintf("%s is left out, and of the same row %s of %s may still have it", name, orWords(open), set.Name))
			}
		}
	}
}

// checkHashed looks for why a column can not be hashed, or need not.
func (k Keep) checkHashed(c *Checker, set Dataset, at, name string) {
	if slices.Contains(k.LeftOut(), name) {
		c.Problem(at, name+" is left out by columns.without, so there is nothing to hash")
	}
	if slices.ContainsFunc(set.Columns(), func(c Column) bool { return c.Name == name && !c.isText() }) {
		c.Problem(at, name+" is not a text: it can only be left out, with columns.without")
	}
	if open := k.open(set, name); open != nil {
		c.Problem(at, fmt.Sprintf("%s is hashed, and of the same row %s of %s may give it away: hash that as well, or leave it out with columns.without",
			name, orWords(open), set.Name))
	}
}

// checkNames looks for names of no column, and of those that are always kept.
func checkNames(c *Checker, key string, names []string, sets []Dataset, what string) {
	var known []string
	for _, column := range free(sets) {
		known = append(known, column.Name)
	}
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch set := needing(sets, name); {
		case slices.Contains(names[:i], name):
			c.Problem(at, name+" is named twice")
		case slices.Contains(known, name):
		case set != "":
			c.Problem(at, fmt.Sprintf("%s can not be %s: rows of %s are found by it, in later runs and in the views", name, what, set))
		default:
			c.Problem(at, fmt.Sprintf("%q is not a column of %s; %s", name, orWords(namesOf(sets)), orList(name, known)))
		}
	}
}

// needing is the first dataset that needs a column, "" when none does.
func needing(sets []Dataset, name string) string {
	for _, d := range sets {
		if slices.ContainsFunc(d.Columns(), func(c Column) bool { return c.Name == name && c.Needed }) {
			return d.Name
		}
	}
	return ""
}

// open are the columns of a dataset that are kept as they are and hold what
// another does.
func (k Keep) open(set Dataset, name string) []string {
	columns := set.Columns()
	at := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
	if at < 0 {
		return nil
	}
	var open []string
	for _, c := range columns {
		kept := !slices.Contains(k.LeftOut(), c.Name) && !slices.Contains(k.Hashed(), c.Name)
		if kept && c.givesAway(columns[at]) {
			open = append(open, c.Name)
		}
	}
	return open
}

func personal(set Dataset, name string) bool {
	return slices.ContainsFunc(set.Columns(), func(c Column) bool { return c.Name == name && c.Personal })
}

func namesOf(sets []Dataset) []string {
	var names []string
	for _, d := range sets {
		names = append(names, d.Name)
	}
	return names
}

// orWords joins words as in: a, b or c.
func orWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
