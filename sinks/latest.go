package sinks

import (
	"fmt"
	"slices"
	"strings"
)

// latestView makes the view of a log: of the rows that agree in the key the one
// that is the greatest in the order, and of equal ones the one committed last.
// That is told by the names of files, <run>-<number of the commit>, the runs
// being ordered by when they began, and within a file by the place.
func (s *Store) latestView(set Dataset, columns []column, files []string) string {
	// Computed once for each file, whose name is the same in all its rows.
	const file = "parse_filename(filename, true)"
	from := s.scan(set, files,
		"regexp_replace("+file+", '-[0-9]+$', '') AS _run",
		"TRY_CAST(regexp_extract("+file+", '-([0-9]+)$', 1) AS BIGINT) AS _commit",
		"file_row_number AS _place")
	order := []column{{name: "_run", typ: "VARCHAR"}, {name: "_commit", typ: "BIGINT"}, {name: "_place", typ: "BIGINT"}}
	key := make([]string, len(set.Latest))
	for i, name := range set.Latest {
		key[i] = ident(name)
	}
	return fmt.Sprintf("CREATE VIEW %s AS SELECT %s FROM %s QUALIFY row_number() OVER (PARTITION BY %s ORDER BY %s DESC NULLS LAST, "+
		"_run DESC NULLS LAST, _commit DESC NULLS LAST, _place DESC NULLS LAST) = 1",
		ident(set.Name), names(columns), typed(slices.Concat(columns, order), from), strings.Join(key, ", "), ident(set.OrderBy))
}
