package sinks

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"convbatch/pipeline"
)

// The log has a row for each commit; see migrations/0003_log.sql. Its JSON is
// put together by hand, for there is some for every outcome.

// position is where a run stands, as committed.
type position struct {
	run     string
	mark    int64
	next    int64
	commits int64
	Counts
}

func (p *position) json() string {
	b := append([]byte(nil), '{')
	for i, f := range []struct {
		name  string
		value int64
	}{
		{"mark", p.mark}, {"next_seq", p.next}, {"done", p.Done}, {"failed", p.Failed}, {"invalid", p.Invalid},
		{"suppressed", p.Suppressed}, {"skipped", p.Skipped}, {"in_doubt", p.InDoubt}, {"records", p.Records},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.name...), `":`...)
		b = strconv.AppendInt(b, f.value, 10)
	}
	return string(append(b, '}'))
}

// claimJSON is the claim of a commit, nil for none. That its time is not known
// is said by leaving that out.
func claimJSON(c *pipeline.Claim) driver.Value {
	if c == nil {
		return nil
	}
	b := fmt.Appendf(nil, `{"from_seq":%d,"to_seq":%d`, c.From, c.To)
	if !c.At.IsZero() {
		b = fmt.Appendf(b, `,"claimed_at":%d`, c.At.UnixMicro())
	}
	return string(append(b, '}'))
}

// appendOutcomes appends outcomes as a JSON object of lists, one for each column:
// that is shorter, and quicker to read, than a list of objects. A column that is
// empty or 0 throughout is left out.
func appendOutcomes(b []byte, outcomes []pipeline.Outcome) []byte {
	b = append(b, '{')
	b = appendNumbers(b, "seq", outcomes, func(o *pipeline.Outcome) int64 { return o.Seq })
	b = appendNumbers(b, "finished_at", outcomes, func(o *pipeline.Outcome) int64 { return o.FinishedAt.UnixMicro() })
	b = appendNumbers(b, "http_status", outcomes, func(o *pipeline.Outcome) int64 { return int64(o.HTTPStatus) })
	b = appendNumbers(b, "attempts", outcomes, func(o *pipeline.Outcome) int64 { return int64(o.Attempts) })
	b = appendTexts(b, "key", outcomes, func(o *pipeline.Outcome) string { return o.Key })
	b = appendTexts(b, "error_code", outcomes, func(o *pipeline.Outcome) string { return o.ErrorCode })
	b = appendTexts(b, "error", outcomes, func(o *pipeline.Outcome) string { return o.Error })
	b = appendTexts(b, "ref", outcomes, func(o *pipeline.Outcome) string { return o.Ref })
	b = appendTexts(b, "response", outcomes, func(o *pipeline.Outcome) string { return o.Response })
	b = appendTexts(b, "state", outcomes, func(o *pipeline.Outcome) string { return string(o.State) })
	b[len(b)-1] = '}' // for the comma; there always is a state
	return b
}

// appendNumbers appends a column of numbers and a comma.
func appendNumbers(b []byte, name string, outcomes []pipeline.Outcome, of func(*pipeline.Outcome) int64) []byte {
	before, some := len(b), false
	b = append(append(append(b, '"'), name...), `":[`...)
	for i := range outcomes {
		n := of(&outcomes[i])
		some = some || n != 0
		b = append(strconv.AppendInt(b, n, 10), ',')
	}
	if !some {
		return b[:before]
	}
	b[len(b)-1] = ']'
	return append(b, ',')
}

// appendTexts appends a column of texts and a comma.
func appendTexts(b []byte, name string, outcomes []pipeline.Outcome, of func(*pipeline.Outcome) string) []byte {
	before, some := len(b), false
	b = append(append(append(b, '"'), name...), `":[`...)
	for i := range outcomes {
		text := of(&outcomes[i])
		some = some || text != ""
		b = append(appendText(b, text), ',')
	}
	if !some {
		return b[:before]
	}
	b[len(b)-1] = ']'
	return append(b, ',')
}

func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(text) // a string always has a JSON text
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// enter enters a commit in the log, within the caller's transaction, and
// returns how many bytes its outcomes take there.
func (l *Ledger) enter(after *position, c pipeline.Commit) (int64, error) {
	var outcomes driver.Value // NULL where there are none
	size := 0
	if len(c.Outcomes) > 0 {
		l.scratch = appendOutcomes(l.scratch[:0], c.Outcomes)
		outcomes, size = l.scratch, len(l.scratch)
	}
	err := l.duck.appendLog(after.run, after.commits, after.json(), claimJSON(c.Claim), int64(len(c.Outcomes)), outcomes)
	if err != nil {
		return 0, fmt.Errorf("append to the log: %w", err)
	}
	return int64(size), nil
}

// commits returns the number of a run's last commit.
func (l *Ledger) commits(ctx context.Context, run string) (n int64, err error) {
	err = l.duck.conn.QueryRowContext(ctx, `SELECT max(commits)
		FROM (SELECT run_id, commits FROM positions UNION ALL SELECT run_id, commits FROM log) WHERE run_id = ?`, run).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("read where run %s stands: %w", run, err)
	}
	return n, nil
}

// catchUp brings the positions to where the log is, within the caller's
// transaction, when a process has ended without folding it.
func (l *Ledger) catchUp(ctx context.Context) error {
	err := l.duck.exec(ctx, `UPDATE positions SET commits = last.commits, mark = p.mark, next_seq = p.next_seq, done = p.done,
			failed = p.failed, invalid = p.invalid, suppressed = p.suppressed, skipped = p.skipped, in_doubt = p.in_doubt,
			records = p.records
		FROM (SELECT run_id, commits, from_json(position, '{"mark": "BIGINT", "next_seq": "BIGINT", "done": "BIGINT",
				"failed": "BIGINT", "invalid": "BIGINT", "suppressed": "BIGINT", "skipped": "BIGINT", "in_doubt": "BIGINT",
				"records": "BIGINT"}') AS p
			FROM log WHERE position IS NOT NULL
			QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY commits DESC) = 1) AS last
		WHERE positions.run_id = last.run_id AND positions.commits < last.commits`)
	if err != nil {
		return fmt.Errorf("read where the last run stands: %w", err)
	}
	return nil
}

// fold takes what the log says of a run into the tables behind it, and empties
// it, within the caller's transaction. Of claims only those stay that the mark
// has not passed.
func (l *Ledger) fold(ctx context.Context, p *position) error {
	for _, query := range []string{
		"INSERT INTO claims BY NAME SELECT * FROM log_claims WHERE run_id = $1 AND to_seq > $2",
		"DELETE FROM claims WHERE run_id = $1 AND to_seq <= $2",
	} {
		if err := l.duck.exec(ctx, query, p.run, p.mark); err != nil {
			return fmt.Errorf("fold the claims of run %s: %w", p.run, err)
		}
	}
	if err := l.duck.exec(ctx, "DELETE FROM log WHERE run_id = ?", p.run); err != nil {
		return fmt.Errorf("empty the log of run %s: %w", p.run, err)
	}
	result, err := l.duck.conn.ExecContext(ctx, `UPDATE positions SET mark = ?, next_seq = ?, commits = ?, done = ?,
		failed = ?, invalid = ?, suppressed = ?, skipped = ?, in_doubt = ?, records = ? WHERE run_id = ? AND commits < ?`,
		p.mark, p.next, p.commits, p.Done, p.Failed, p.Invalid, p.Suppressed, p.Skipped, p.InDoubt, p.Records, p.run, p.commits)
	if err != nil {
		return fmt.Errorf("move the mark: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		// A COMMIT that failed may have had its effect: the next start goes on from there.
		return errors.Join(fmt.Errorf("move the mark: run %s is not before commit %d", p.run, p.commits), err)
	}
	return nil
}
