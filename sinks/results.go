package sinks

import (
	"fmt"
	"strings"
)

// ResultsQuery asks for the rows of a run: the columns of its input, where
// that is still there, with what became of each row behind them.
type ResultsQuery struct {
	Files   []string      // of the run's results
	Input   string        // the input as it was taken down; "" for none
	Columns []InputColumn // of the input, in its order
	States  []string      // only these; all when empty
}

// InputColumn is a column of an input; JSON says that its values are JSON texts.
type InputColumn struct {
	Name string
	JSON bool
}

// SQL returns the query. Names and values of the job are quoted.
func (q ResultsQuery) SQL() string {
	if len(q.Files) == 0 {
		return "SELECT key, state AS _state, error AS _error FROM results WHERE false"
	}
	columns := []string{"r.key"}
	from := fmt.Sprintf("read_parquet(%s) r", patterns(q.Files))
	if q.Input != "" {
		columns = columns[:0]
		for _, c := range q.Columns {
			if c.Name == "_state" || c.Name == "_error" {
				continue // of results that are input again
			}
			name := "i." + ident(c.Name)
			if c.JSON {
				// A text stays a text; what else JSON has is written as JSON.
				name = fmt.Sprintf("CASE WHEN json_type(%[1]s) = 'VARCHAR' THEN json_extract_string(%[1]s, '$') ELSE %[1]s END AS %[2]s", name, ident(c.Name))
			}
			columns = append(columns, name)
		}
		from += fmt.Sprintf(" JOIN read_parquet(%s) i ON i._seq = r.seq", patterns([]string{q.Input}))
	}
	columns = append(columns, "r.state AS _state", "r.error AS _error")
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + from + " WHERE " + q.chosen() + " ORDER BY r.seq"
}

// Reasons returns the query of why rows are not done: one line for each state,
// code and message, with how many they are and the first of them. Messages that
// differ by numbers alone, such as that of a line, are one.
func (q ResultsQuery) Reasons() string {
	from := "results WHERE false"
	if len(q.Files) > 0 {
		from = fmt.Sprintf("read_parquet(%s) r WHERE r.state <> 'done' AND %s", patterns(q.Files), q.chosen())
	}
	return `SELECT state, http_status, error_code, count(*) AS rows, min_by(key, seq) AS first_key, min_by(error, seq) AS first_error
		FROM ` + from + ` GROUP BY state, http_status, error_code, regexp_replace(error, '[0-9]+', '0', 'g')
		ORDER BY rows DESC, min(seq)`
}

// chosen is the condition of the states asked for.
func (q ResultsQuery) chosen() string {
	if len(q.States) == 0 {
		return "true"
	}
	return "list_contains(" + quoteList(q.States) + ", r.state)"
}

// patterns lists paths for read_parquet, which takes them as patterns.
func patterns(paths []string) string {
	escaped := make([]string, len(paths))
	for i, p := range paths {
		escaped[i] = globEscape(p)
	}
	return quoteList(escaped)
}
