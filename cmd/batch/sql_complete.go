package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"convbatch/sinks"
)

// vocabulary is what the prompt completes: the views and columns of the store as
// they were at the first Tab, and the keywords and functions of DuckDB.
type vocabulary struct {
	querier *querier

	views   []string
	columns map[string][]string // by view
	sql     []string
}

var (
	lastWord   = regexp.MustCompile(`[\pL\pN_]*$`)
	sqlName    = regexp.MustCompile(`[\pL_][\pL\pN_]*`)
	beforeView = regexp.MustCompile(`(?i)(\b(from|join|describe|desc|summarize)|^\s*\\d)\s+$`)
	qualified  = regexp.MustCompile(`([\pL_][\pL\pN_]*)\.$`)
	aCommand   = regexp.MustCompile(`^\s*\\[a-z]*$`)
	aFormat    = regexp.MustCompile(`^\s*\\format\s+$`)
)

// complete returns what may stand in place of the word that a statement ends
// with, and the length of that word.
func (v *vocabulary) complete(ctx context.Context, statement string) (words []string, length int) {
	if v.columns == nil && v.load(ctx) != nil {
		return nil, 0 // the next query says what is wrong
	}
	word := lastWord.FindString(statement)
	before := strings.TrimSuffix(statement, word)
	switch {
	case aCommand.MatchString(statement):
		word = strings.TrimLeft(statement, " \t\r\n")
		words = []string{`\d`, `\format`, `\output`, `\q`, `\?`}
	case aFormat.MatchString(before):
		words = append(words, formatParquet)
		for _, format := range sinks.Formats() {
			words = append(words, string(format))
		}
	case beforeView.MatchString(before):
		words = v.views
	case qualified.MatchString(before):
		words = v.columnsOf(before, qualified.FindStringSubmatch(before)[1])
	default:
		words = v.anything(before, word)
	}
	return matching(words, word), len(word)
}

// anything is every word that there is; where nothing is typed yet, those that
// the statement makes likely.
func (v *vocabulary) anything(before, word string) []string {
	columns := v.columnsOf(before, "")
	if word == "" {
		return columns
	}
	if columns == nil {
		for _, view := range v.views {
			columns = append(columns, v.columns[view]...)
		}
	}
	sql := v.sql
	if word == strings.ToUpper(word) {
		sql = slices.Clone(sql)
		for i := range sql {
			sql[i] = strings.ToUpper(sql[i])
		}
	}
	return slices.Concat(columns, v.views, sql)
}

// columnsOf are those of the view that qualifies them, or of all views that the
// statement names, for the name may be an alias.
func (v *vocabulary) columnsOf(statement, qualifier string) (columns []string) {
	if own := v.columns[strings.ToLower(qualifier)]; own != nil {
		return own
	}
	for _, name := range sqlName.FindAllString(statement, -1) {
		columns = append(columns, v.columns[strings.ToLower(name)]...)
	}
	return columns
}

// matching are the words that begin with another, each once.
func matching(words []string, begin string) (found []string) {
	for _, word := range words {
		if len(word) >= len(begin) && strings.EqualFold(word[:len(begin)], begin) && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}

func (v *vocabulary) load(ctx context.Context) error {
	views, columns, err := v.querier.columns(ctx)
	if err != nil {
		return err
	}
	const words = `SELECT keyword_name FROM duckdb_keywords()
UNION SELECT function_name || '(' FROM duckdb_functions() WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]+') ORDER BY ALL`
	err = v.querier.store.Stream(ctx, words, nil, sinks.QueryOptions{}, func(values []any) error {
		v.sql = append(v.sql, values[0].(string))
		return nil
	})
	v.views, v.columns = views, columns
	return err
}
