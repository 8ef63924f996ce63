package sources

import (
	"fmt"
	"strings"
)

// rowsView shows the rows with their keys as text; see Row.Text.
func rowsView(path string, key Column) string {
	text := identifier(key.Name)
	if key.JSON {
		text = fmt.Sprintf(`case when %s like '"%%' then json_extract_string(%[1]s, '$') else %[1]s end`, text)
	}
	return fmt.Sprintf("create temp view input_rows as select %s as seq, %s as line, coalesce(%s, '') as key from read_parquet(%s)",
		seqColumn, lineColumn, text, literal(path))
}

// filesVariable holds the names of the files of the input, when there are
// several and a line alone would say too little, and where each begins.
func filesVariable(files []fileStart) string {
	if len(files) < 2 {
		return "set variable files = [{'first': 0::bigint, 'name': ''}]"
	}
	rows := make([]string, len(files))
	for i, f := range files {
		rows[i] = fmt.Sprintf("{'first': %d::bigint, 'name': %s}", f.From, literal(" of "+f.Name))
	}
	return "set variable files = [" + strings.Join(rows, ", ") + "]"
}

// earlierView shows the earlier results that a call was made for; not those in
// doubt where these are to be sent again, and not those of cancelled batches.
func earlierView(paths []string, resend bool, cancelled []string) string {
	states := "'done', 'failed', 'in_doubt'"
	if resend {
		states = "'done', 'failed'"
	}
	from := "(select null::varchar as key, null::varchar as state, null::varchar as run_id, null::timestamptz as finished_at, null::varchar as ref where false)"
	if len(paths) > 0 {
		from = "read_parquet(" + list(paths) + ")"
	}
	return "create temp view earlier_results as select key, state, run_id, finished_at from " + from +
		" where state in (" + states + ") and key <> ''" + notOf(cancelled)
}

// notOf leaves out the results of batches.
func notOf(cancelled []string) string {
	if len(cancelled) == 0 {
		return ""
	}
	return " and not (state = 'done' and regexp_replace(coalesce(ref, ''), ':[0-9]+$', '') in (select unnest(" + list(cancelled) + ")))"
}

// runsTable numbers the runs in the order in which they began: numbers, and not
// names, keep what is grouped and sorted small.
func runsTable(inOrder []string) string {
	return `
	create temp table runs as
	select run_id, row_number() over (order by coalesce(list_position(` + list(inOrder) + `::varchar[], run_id), 0), min(finished_at), run_id) as run
	from earlier_results group by run_id`
}

const runsVariable = "set variable runs = (select list(run_id order by run) from runs)"

const countKeys = "select (select count(*) from input_rows) + (select count(*) from earlier_results)"

// fatedTable holds what was found out about the rows that have a fate; all is
// null where the key is empty.
const fatedTable = `
	create temp table fated (
		seq bigint, first_line bigint, first_seq bigint,
		done_run bigint, done_at timestamptz, doubt_run bigint)`

// bucketTable holds the rows of a bucket, which is the condition that follows.
const bucketTable = `
	create or replace temp table bucket_rows as
	select seq, line, key from input_rows where `

// earlierTable holds, of the keys of a bucket, those that are done, and those
// in doubt that were never done.
func earlierTable(bucket string) string {
	return `
	create or replace temp table earlier as
	select key,
	       min(run) filter (state = 'done') as done_run,
	       min(finished_at) filter (state = 'done') as done_at,
	       min(run) filter (state = 'in_doubt') as doubt_run
	from earlier_results join runs using (run_id)
	where ` + bucket + `
	group by key
	having done_run is not null
	    or max(run) filter (state = 'in_doubt') = max(run)`
}

// firstsTable holds, of the keys that are there more than once, the first row.
const firstsTable = `
	create or replace temp table firsts as
	select key, min(seq) as seq, arg_min(line, seq) as line
	from bucket_rows
	where key <> ''
	group by key
	having count(*) > 1`

const insertFated = `
	insert into fated
	select r.seq,
	       case when r.seq > f.seq then f.line end,
	       case when r.seq > f.seq then f.seq end,
	       case when r.seq > f.seq then null else e.done_run end,
	       e.done_at,
	       case when r.seq > f.seq then null else e.doubt_run end
	from bucket_rows r
	left join firsts f on f.key = r.key
	left join earlier e on e.key = r.key
	where r.key = '' or r.seq > f.seq or e.key is not null`

// fatesQuery sorts, and makes the words afterwards. Rows in doubt are done when
// it is told why.
func fatesQuery(byHand string) string {
	doubtful, why := "'in_doubt'", "'in doubt since run ' || getvariable('runs')[doubt_run] || '; not repeated'"
	if byHand != "" {
		doubtful, why = "'done'", literal(byHand)
	}
	return `
	select seq,
	       case when done_run is not null then 'skipped'
	            when doubt_run is not null then ` + doubtful + `
	            else 'invalid' end as state,
	       case when done_run is not null then 'done in run ' || getvariable('runs')[done_run]
	                 || coalesce(' at ' || strftime(done_at, '%Y-%m-%dT%H:%M:%SZ'), '')
	            when doubt_run is not null then ` + why + `
	            when first_line is not null then 'duplicate key: first on line ' || first_line
	                 || list_filter(getvariable('files'), lambda f: f.first <= first_seq)[-1].name
	            else 'empty key' end as error
	from (select * from fated order by seq)`
}

const countFated = `
	select count(*) filter (first_line is not null),
	       count(*) filter (coalesce(first_line, done_run, doubt_run) is null),
	       count(*) filter (done_run is not null),
	       count(*) filter (doubt_run is not null and done_run is null)
	from fated`
