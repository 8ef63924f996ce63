package sinks

import (
	"fmt"
	"strings"
	"time"
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
	from := q.from()
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
// code and message, with how many they are and the first of them, whose row is
// counted from 1; the most frequent first, and no more than most of them, all
// when that is 0. Messages that differ by numbers alone, such as that of a line,
// are one.
//
// What the messages say is fetched for the first of each alone: a million rows
// may each have their own, and their texts are more than a query may hold.
func (q ResultsQuery) Reasons(most int) string {
	limit := ""
	if most > 0 {
		limit = fmt.Sprintf(" LIMIT %d", most)
	}
	return `SELECT g.state, g.http_status, g.error_code, g.rows, g.first_row, f.key AS first_key, f.error AS first_error
		FROM (SELECT state, http_status, error_code, count(*) AS rows, min(seq) + 1 AS first_row
			FROM ` + q.from() + " WHERE r.state <> 'done' AND " + q.chosen() + `
			GROUP BY state, http_status, error_code, hash(regexp_replace(error, '[0-9]+', '0', 'g'))
			ORDER BY rows DESC, first_row` + limit + `) g
		JOIN (SELECT seq, key, error FROM ` + q.from() + `) f ON f.seq = g.first_row - 1
		ORDER BY g.rows DESC, g.first_row`
}

// ByState returns the query of how many rows are in which state.
func (q ResultsQuery) ByState() string {
	return "SELECT state, count(*) AS rows FROM " + q.from() + " WHERE " + q.chosen() + " GROUP BY state ORDER BY state"
}

// OverTime returns the query of how many rows were settled when: the time from
// from on in slices of the length each, numbered from 0 to n-1, and of those that
// have a row how many there are in which state. What lies before the first slice
// is in the first, what lies behind the last in the last.
func (q ResultsQuery) OverTime(from time.Time, each time.Duration, n int) string {
	slice := fmt.Sprintf("CAST(greatest(0, least(%d, floor((epoch_us(finished_at) - %d) / %d))) AS BIGINT)", n-1, from.UnixMicro(), each.Microseconds())
	return "SELECT " + slice + " AS slice, state, count(*) AS rows FROM " + q.from() + " WHERE " + q.chosen() + " GROUP BY slice, state ORDER BY slice, state"
}

// from is the results themselves; the view of that name where there are no files.
func (q ResultsQuery) from() string {
	if len(q.Files) == 0 {
		return "(SELECT * FROM results WHERE false) r"
	}
	return fmt.Sprintf("read_parquet(%s) r", patterns(q.Files))
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
