package sinks

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The views of a dataset are named after it.
const (
	historySuffix = "_history"
	changesSuffix = "_changes"
)

// scope is one list that a dataset has snapshots of: what runs of one kind that
// ask for the same read anew each time.
type scope struct{ kind, request string }

// partOf returns which part of the list of another scope this one is.
func (s scope) partOf(other scope) (part string, is bool) {
	if s.kind != other.kind {
		return "", false
	}
	return strings.CutPrefix(s.request, other.request+"/")
}

// snapshots are the completed runs of one scope that matter: the latest and the
// one before it, "" when there is none.
type snapshots struct {
	scope
	latest, before string
	at             int // place of the latest among all runs
}

// snapshotsOf returns the snapshots of each scope of a dataset, in the order in
// which the scopes began. A run that found nothing is a snapshot too. The runs
// are in the order in which they started.
func snapshotsOf(set Dataset, runs []Run) []snapshots {
	at := make(map[scope]int)
	var all []snapshots
	for place, r := range runs {
		if r.State != Completed || !slices.Contains(set.Kinds, r.Kind) || checkName("the run's id", r.ID) != nil {
			continue
		}
		of := scope{r.Kind, r.Request}
		i, known := at[of]
		if !known {
			i = len(all)
			at[of] = i
			all = append(all, snapshots{})
		}
		all[i] = snapshots{of, r.ID, all[i].latest, place}
	}
	return all
}

// shown are the snapshots of which something is shown, and the rows of these
// that are not, as conditions. Of two runs that read the same part of a list,
// one of them alone and the other with the rest, the later counts.
func (d Dataset) shown(all []snapshots) (shown []snapshots, hidden []string) {
	for _, s := range all {
		var behind []string
		older := false
		for _, whole := range all {
			part, is := s.partOf(whole.scope)
			if d.Part == "" || !is {
				continue
			}
			older = older || s.at < whole.at
			behind = append(behind, fmt.Sprintf("run_id = %s AND %s = %s", quote(whole.latest), ident(d.Part), quote(part)))
		}
		if !older {
			shown, hidden = append(shown, s), append(hidden, behind...)
		}
	}
	return shown, hidden
}

// snapshotViews makes <name>, <name>_changes and <name>_diff of a snapshot
// dataset, of which everything is all files. Which runs they show is known now,
// so each reads the files of those runs alone, however long the history.
func (s *Store) snapshotViews(set Dataset, columns []column, runs []Run, everything []string) []made {
	ofRun := func(run string) (files []string) {
		folder := filepath.Join(s.datasetDir(set), runPartition+"="+run) + "/"
		for _, file := range everything {
			if strings.HasPrefix(file, folder) {
				files = append(files, file)
			}
		}
		return files
	}
	var latest, from, to []string // files
	var fromRuns, toRuns []string
	shown, hidden := set.shown(snapshotsOf(set, runs))
	for _, scope := range shown {
		found := ofRun(scope.latest)
		latest = append(latest, found...)
		if scope.before == "" {
			continue
		}
		before := ofRun(scope.before)
		if len(before)+len(found) > 0 {
			from, fromRuns = append(from, before...), append(fromRuns, quote(scope.before))
			to, toRuns = append(to, found...), append(toRuns, quote(scope.latest))
		}
	}
	views := []made{{set.Name, view(set.Name, columns, s.scan(set, latest))}}
	if len(hidden) > 0 {
		views[0].sql += " WHERE (" + strings.Join(hidden, " OR ") + ") IS NOT TRUE"
	}
	var compared []column
	for _, c := range columns {
		if c.name == "id" || c.name == "body" || c.name == runPartition {
			compared = append(compared, c)
		}
	}
	if len(compared) < 3 {
		return views
	}
	changes, diff, history := ident(set.Name+changesSuffix), ident(set.Name+"_diff"), ident(set.Name+historySuffix)
	return append(views,
		made{set.Name + changesSuffix, "CREATE VIEW " + changes + " AS " + compare(fromRuns, toRuns,
			typed(compared, s.scan(set, from)), typed(compared, s.scan(set, to)))},
		made{set.Name + "_diff", "CREATE MACRO " + diff + "(from_run, to_run) AS TABLE " + compare([]string{"from_run"}, []string{"to_run"},
			"(FROM "+history+" WHERE run_id = from_run)", "(FROM "+history+" WHERE run_id = to_run)")})
}

// compare selects what differs, by id, between the rows of each run of fromRuns
// and those of the run at the same place of toRuns, which from and to select.
//
// It is a hash join, which DuckDB takes to disk where it does not fit into
// memory; grouped by id it could not. A row without an id is left out, for
// nothing says which row of another run it is.
func compare(fromRuns, toRuns []string, from, to string) string {
	olds, news := array(fromRuns), array(toRuns)
	side := func(runs, rows string) string {
		return fmt.Sprintf("(SELECT list_position(%s, run_id) AS pair, id, body, true AS there FROM %s WHERE CAST(id AS VARCHAR) != '')", runs, rows)
	}
	return fmt.Sprintf("SELECT CASE WHEN o.there IS NULL THEN 'added' WHEN n.there IS NULL THEN 'removed' ELSE 'changed' END AS change, id, "+
		"%s[pair] AS from_run, %s[pair] AS to_run, o.body AS before, n.body AS after "+
		"FROM %s o FULL JOIN %s n USING (pair, id) WHERE o.there IS NULL OR n.there IS NULL OR o.body IS DISTINCT FROM n.body",
		olds, news, side(olds, from), side(news, to))
}

// array is a list of texts in SQL.
func array(expressions []string) string {
	return "CAST([" + strings.Join(expressions, ", ") + "] AS VARCHAR[])"
}
