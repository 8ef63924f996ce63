package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/pipeline"
	"convbatch/sinks"
)

// whole is a number as JSON has it.
func whole(v any) int64 { return int64(v.(float64)) }

// What a report of a send says is what SQL says over the store.
func TestTheNumbersOfAReportAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Latency: 5 * time.Millisecond, Faults: []emulator.Fault{
		{Operation: "Messages_SendMessage", Kind: "404", Every: 7},
		{Operation: "Messages_SendMessage", Kind: "503", Every: 5},
		{Operation: "Messages_SendMessage", Kind: "429", After: 30, First: 3, RetryAfter: "1"},
	}}, quickRetry, sendJob+"  limits: {requests: 100/s}\n")
	w.recipients("recipients.csv", 300)
	rows := w.read("recipients.csv")
	w.write("recipients.csv", rows+number(3)+",Again\n"+number(4)+",Again\n")
	_, r := w.runHere("send")
	require.Equal(t, exitIncomplete, r.code, r.stderr)
	page := w.reportOf("send")
	assert.Equal(t, "send", page.title)

	run := w.queryHere("select * from runs")[0]
	for fact, column := range map[string]string{"Requests": "requests", "Tried again": "retries", "Throttled (429)": "throttled"} {
		assert.Equal(t, whole(run[column]), plainNumber(t, page.facts[fact]), fact)
		assert.Positive(t, whole(run[column]), "%s: there is something to count", fact)
	}
	assert.Equal(t, run["run_id"], page.facts["Run"])
	assert.Equal(t, "never", page.facts["Resumed"])
	assert.Equal(t, "completed", page.facts["State"])

	states := map[string]string{}
	for _, row := range page.rows(t, "Rows by state", "Of 302 rows") {
		states[row[0]] = row[1]
		assert.Equal(t, fmt.Sprintf("%.2f %%", float64(plainNumber(t, row[1]))*100/302), row[2])
	}
	for _, state := range pipeline.States() {
		n := w.queryHere("select count(*) as n from results where state = '" + string(state) + "'")[0]["n"]
		assert.EqualValues(t, fmt.Sprint(n), states[words(state)], state)
	}

	reasons := page.rows(t, "Why not done", "Reasons, by code and message")
	told := w.queryHere(`select state, count(*) as n, min(seq) + 1 as first, http_status, error_code, any_value(error) as error from results
		where state <> 'done' group by state, http_status, error_code, if(state = 'invalid', '', error) order by n desc, first`)
	require.Len(t, reasons, len(told))
	for i, row := range told {
		assert.Equal(t, []string{row["state"].(string), count(whole(row["n"])), count(whole(row["first"]))}, []string{reasons[i][0], reasons[i][1], reasons[i][3]})
		if row["state"] == "failed" {
			assert.Equal(t, []string{row["error"].(string), fmt.Sprint(row["http_status"]), row["error_code"].(string)}, []string{reasons[i][2], reasons[i][4], reasons[i][5]})
		}
	}
	w.assertOverTime(page, run)
	w.assertPace(page, run)
	for _, private := range []string{number(3), number(6)[1:], "Guest", "Hi "} {
		assert.NotContains(t, page.text, private)
	}
}

// assertOverTime compares the parts of the time with those that SQL has of it.
func (w *workbench) assertOverTime(page aPage, run map[string]any) {
	t := w.t
	const section, caption = "Rows over time", "Rows over time, as numbers"
	done, not := page.numbers(t, section, caption, "Done"), page.numbers(t, section, caption, "Failed or in doubt")
	parts := len(done)
	require.GreaterOrEqual(t, parts, 3)
	assert.LessOrEqual(t, parts, 300)
	told := w.queryHere(fmt.Sprintf(`with r as (select finished_at, state, epoch(finished_at - (select started_at from runs)) as since,
			(select epoch(finished_at - started_at) from runs) / %d as each from results where state in ('done', 'failed', 'in_doubt'))
		select part, (select count(*) from r where state = 'done' and since >= part * each and since < (part + 1) * each) as done,
			(select count(*) from r where state <> 'done' and since >= part * each and since < (part + 1) * each) as other
		from range(%[1]d) parts(part) order by part`, parts))
	for i, row := range told {
		assert.Equal(t, whole(row["done"]), done[i], "done in part %d", i)
		assert.Equal(t, whole(row["other"]), not[i], "not done in part %d", i)
	}
	assert.Equal(t, whole(run["done"]), sum(done))
	assert.Contains(t, strings.Join(page.charts, "\n"), "Rows, that were sent, a second")
	assert.Contains(t, strings.Join(page.charts, "\n"), "limit 100")
}

// assertPace compares the samples with what the run counted as a whole.
func (w *workbench) assertPace(page aPage, run map[string]any) {
	t := w.t
	for head, column := range map[string]string{"Rows": "rows", "Requests": "requests", "Tried again": "retries", "Throttled": "throttled"} {
		assert.Equal(t, whole(run[column]), sum(page.numbers(t, "Pace", "Pace, as numbers", head)), head)
	}
	d := duck(t)
	defer func() { require.NoError(t, d.Close()) }()
	var samples int
	var calls, latency float64
	require.NoError(t, d.QueryRow("SELECT count(*), sum(calls), sum(calls * latency_ms) / sum(calls) FROM read_json("+
		quoted(filepath.Join(w.dir, "store", "jobs", "send", "pace", run["run_id"].(string)+".jsonl"))+")").Scan(&samples, &calls, &latency))
	assert.Len(t, page.rows(t, "Pace", "Pace, as numbers"), samples)
	assert.EqualValues(t, whole(run["requests"]), calls, "every call ended")
	assert.Greater(t, latency, 5.0, "the emulator's")
}

func TestAReportOfAnArchiveCountsItsMessages(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Messages: 500}, "", archiveJob)
	first, r := w.runHere("archive")
	require.Zero(t, r.code, r.stderr)
	_, r = w.runHere("archive") // which has none of its own
	require.Zero(t, r.code, r.stderr)
	assert.NotContains(t, w.reportOf("archive").tables, "Messages of this run")
	page := w.reportOf(first.RunID)

	const section = "Messages of this run"
	told := w.queryHere(`select channel, count(*) filter (direction = 'TO_APP') as received, count(*) filter (direction = 'TO_CONTACT') as sent, count(*) as together
		from messages where run_id = '` + first.RunID + `' group by channel order by together desc, channel`)
	var want [][]string
	for _, row := range told {
		want = append(want, []string{row["channel"].(string), count(whole(row["received"])), count(whole(row["sent"])), count(whole(row["together"]))})
	}
	var got [][]string
	for _, row := range page.rows(t, section, "Messages by channel and direction") {
		got = append(got, row[:4])
	}
	assert.Equal(t, want, got)
	assert.EqualValues(t, 500, first.Records)
	assert.Equal(t, "500", page.facts["Records stored"])

	days := map[string][]string{}
	for _, row := range page.rows(t, section, "Messages by day and direction, as numbers") {
		days[row[0]] = row[1:]
	}
	for _, row := range w.queryHere(`select strftime(accept_time, '%Y-%m-%d') as day, count(*) filter (direction = 'TO_APP') as received, count(*) filter (direction = 'TO_CONTACT') as sent
		from messages group by day`) {
		assert.Equal(t, []string{count(whole(row["received"])), count(whole(row["sent"]))}, days[row["day"].(string)], row["day"])
	}
	assert.NotContains(t, page.tables, "Rows over time")
	assert.Contains(t, page.tables, "Windows by state")
}

// What a server said can be anything, and so can what a run says of its end.
func TestAReportShowsWhatIsHostileAsText(t *testing.T) {
	t.Parallel()
	s, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	const hostile = `</td></svg><script>alert('x')</script>&amp;"`
	completedRun(t, s, sinks.Run{Job: "a job", ID: "R1", Kind: "bulk_send", Message: hostile},
		pipeline.Outcome{Key: hostile, State: pipeline.Failed, HTTPStatus: 400, ErrorCode: hostile, Error: hostile + " of +46700000007, me@example.com"},
		pipeline.Outcome{Key: "+46700000008", State: pipeline.Done})
	r := inProcess(t, program{}, "report", "--store", s.Dir(), "--output", "-", "a job")
	require.Zero(t, r.code, r.stderr)
	assert.NotContains(t, r.stdout, "<script")
	page := readPage(t, r.stdout)
	assert.Equal(t, "a job", page.title)
	reason := page.rows(t, "Why not done", "Reasons, by code and message")[0]
	assert.Equal(t, []string{"failed", "1", hostile + " of …07, …@…", "1", "400", hostile}, reason)
	assert.NotContains(t, page.text, "4670000000")
}

// A report of a million rows that all failed for another reason, of messages
// over centuries and of a month of samples is as small as any.
func TestAReportOfALargeRunIsSmall(t *testing.T) {
	t.Parallel()
	s, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	const rows = 1_000_000
	completedRun(t, s, sinks.Run{Job: "spring-offer", ID: "S1", Kind: "bulk_send", Input: "input/gone"}, pipeline.Outcome{Key: "k", State: pipeline.Done})
	results, err := s.ResultFiles("spring-offer", "S1")
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.NoError(t, duck(t, `COPY (SELECT * REPLACE (i AS seq, 'k' || i AS key, 'failed' AS state, error_of AS error, finished_at + INTERVAL (i) MILLISECOND AS finished_at)
		FROM `+quoted(results[0])+`, (SELECT i, translate(i::VARCHAR, '0123456789', 'abcdefghij') || repeat(' of many words', 20) AS error_of FROM range(`+fmt.Sprint(rows)+`) r(i)))
		TO `+quoted(results[0]+".new")+` (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)`).Close())
	require.NoError(t, os.Rename(results[0]+".new", results[0]))
	l, err := s.Ledger(t.Context(), "spring-offer")
	require.NoError(t, err)
	pace, err := l.Pace("S1")
	require.NoError(t, err)
	for i := range 5000 {
		require.NoError(t, pace.Add(sinks.Pace{At: instant("2026-03-04T00:00:00Z").Add(time.Duration(i+1) * time.Second), Seconds: 1, Requests: 1, Calls: 1, LatencyMS: float64(i)}))
	}
	require.NoError(t, pace.Close())
	require.NoError(t, l.Close())

	r := inProcess(t, program{}, "report", "--store", s.Dir(), "--output", "-", "S1")
	require.Zero(t, r.code, r.stderr)
	assert.Less(t, len(r.stdout), 1_000_000)
	page := readPage(t, r.stdout)
	assert.True(t, strings.Contains(page.text, "The 100 most frequent reasons; 999,900 rows more have others."))
	assert.Len(t, page.rows(t, "Why not done", "Reasons, by code and message"), 100)
	assert.EqualValues(t, rows, sum(page.numbers(t, "Rows over time", "Rows over time, as numbers", "Failed or in doubt")))
	assert.LessOrEqual(t, len(page.rows(t, "Pace", "Pace, as numbers")), 300)
	assert.EqualValues(t, 5000, sum(page.numbers(t, "Pace", "Pace, as numbers", "Requests")))
}

func TestAReportIsAFileOfItsOwner(t *testing.T) {
	t.Parallel()
	s, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	sent(t, s, "S1", pipeline.Outcome{Key: "k", State: pipeline.Done})
	path := filepath.Join(t.TempDir(), "of friday.html")
	r := inProcess(t, program{}, "report", "--store", s.Dir(), "--output", path, "spring-offer")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, path+"\n", r.stdout)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())

	r = inProcess(t, program{}, "--json", "report", "--store", s.Dir(), "--output", path, "S1")
	assert.JSONEq(t, `{"job": "spring-offer", "run_id": "S1", "file": `+asJSON(t, path)+`}`, r.stdout)
	for _, line := range [][]string{{"spring-offer", "S1"}, {}, {"nobody"}, {"--json", "--output", "-", "S1"}} {
		r = inProcess(t, program{}, append([]string{"report", "--store", s.Dir()}, line...)...)
		assert.Equal(t, exitUsage, r.code, line)
		assert.Empty(t, r.stdout)
	}
}

// A report while the run goes on, and after its process died, has what is
// published and what was committed.
func TestARunThatIsNotOverHasAReport(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob+"  limits: {requests: 20/s}\n")
	w.recipients("recipients.csv", 500)
	cmd := w.command("run", "send")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return w.api.AcceptedCount() > 30 }, time.Minute, 10*time.Millisecond)
	page := w.reportOf("send")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	assert.Equal(t, "running", page.facts["State"])
	assert.Equal(t, "not yet", page.facts["Ended"])
	assert.Contains(t, page.text, "The job is running")

	page = w.reportOf("send")
	assert.Equal(t, "interrupted", page.facts["State"])
	settled := map[string]string{}
	for _, row := range page.rows(t, "Rows by state", "Of 500 rows") {
		settled[row[0]] = row[1]
	}
	done := w.queryHere("select count(*) as n from results where state = 'done'")[0]["n"]
	assert.EqualValues(t, fmt.Sprint(done), settled["done"])
	assert.Equal(t, count(500-whole(done)), settled["not settled"])
}

func TestSamplesAreJoinedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	var samples []sinks.Pace
	start := instant("2026-03-04T00:00:00Z")
	for i := range 1000 {
		at := start.Add(time.Duration(i+1) * time.Second)
		if i >= 500 {
			at = at.Add(time.Hour) // another process
		}
		samples = append(samples, sinks.Pace{At: at, Seconds: 1, Rows: 1, Records: 2, Requests: 3, Retries: 4, Throttled: 5, Calls: int64(i % 2), LatencyMS: 7, InFlight: int64(i % 9), Limit: 10})
	}
	samples = append(samples, sinks.Pace{At: start}) // of no time
	kept := thinned(samples, 300)
	assert.LessOrEqual(t, len(kept), 300)
	assert.Greater(t, len(kept), 100)
	var all sinks.Pace
	for _, s := range kept {
		assert.InDelta(t, 7, s.LatencyMS, 1e-9)
		assert.Less(t, s.Seconds, 60.0, "no sample is over the gap")
		all = join(all, s)
	}
	assert.Equal(t, []int64{1000, 2000, 3000, 4000, 5000, 500}, []int64{all.Rows, all.Records, all.Requests, all.Retries, all.Throttled, all.Calls})
	assert.InDelta(t, 1000, all.Seconds, 1e-9)
	assert.Empty(t, thinned(nil, 300))
}

func TestMessagesOfCenturiesAreCountedByTheYear(t *testing.T) {
	t.Parallel()
	for last, want := range map[string]string{"2026-06-01T00:00:00Z": "day", "2030-06-01T00:00:00Z": "month", "2226-06-01T00:00:00Z": "year"} {
		all := []archived{{instant("2026-02-03T00:00:00Z"), "SMS", "TO_APP", 3}, {instant(last), "SMS", "TO_CONTACT", 4}, {time.Time{}, "SMS", "", 1}}
		chart, table := messagesByTime(all)
		assert.Equal(t, "Messages by "+want+" and direction, as numbers", table.Caption)
		assert.LessOrEqual(t, len(table.Rows), 301)
		assert.InDelta(t, 4, chart.Most(), 0)
		assert.Equal(t, []string{"3", "0"}, []string{table.Rows[0][1].Text, table.Rows[0][2].Text})
		assert.Equal(t, []string{"0", "4"}, []string{table.Rows[len(table.Rows)-1][1].Text, table.Rows[len(table.Rows)-1][2].Text})
	}
}
