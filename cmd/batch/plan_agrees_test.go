package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

// agrees makes a plan of all rows, runs the job, and holds each row of the plan
// against what became of it. It returns the rows of the plan.
func (w *workbench) agrees(job string) []map[string]any {
	w.t.Helper()
	file := filepath.Join(w.dir, "plan.parquet")
	before := w.effects()
	r := w.here("plan", "--json", "--out", file, job)
	require.Zero(w.t, r.code, r.stderr)
	made := gjson.Parse(r.stdout)
	require.Equal(w.t, before, w.effects(), "a plan changes nothing")

	s, r := w.runHere(job)
	assert.Equal(w.t, "completed", s.State, "%s%s", r.stdout, r.stderr)
	assert.Equal(w.t, made.Get("rows").Int(), s.Rows)
	assert.Equal(w.t, made.Get("send").Int(), s.Done)
	assert.Equal(w.t, made.Get("invalid").Int(), s.Invalid)
	assert.Equal(w.t, made.Get("suppressed").Int(), s.Suppressed)
	assert.Equal(w.t, made.Get("skipped").Int(), s.Skipped)

	r = w.here("sql", "--format", "json", "--read", file, fmt.Sprintf(`
		SELECT seq, p.key, p.state AS planned, r.state AS became, p.reason, r.error, r.key AS sent_key, p.request, p.sms_parts, p.sms_encoding
		FROM read_parquet('%s') p FULL JOIN (FROM results WHERE run_id = '%s') r USING (seq) ORDER BY seq`, file, s.RunID))
	require.Zero(w.t, r.code, r.stderr)
	var rows []map[string]any
	for _, row := range gjson.Parse(r.stdout).Array() {
		one := row.Value().(map[string]any)
		rows = append(rows, one)
		want := one["planned"]
		if want == stateSend {
			want = "done"
		}
		require.Equal(w.t, want, one["became"], "%v", one)
		require.Equal(w.t, one["key"], one["sent_key"], "%v", one)
		if one["became"] != "done" {
			reason, _ := one["reason"].(string)
			require.Contains(w.t, one["error"], reason, "%v", one)
			require.NotEmpty(w.t, reason, "%v", one)
		}
	}
	require.Len(w.t, rows, int(s.Rows))
	return rows
}

func TestThePlanAndTheRunAgreeRowForRow(t *testing.T) {
	t.Parallel()
	for _, kind := range jobs.Kinds() {
		if _, pushes := kind.New().(jobs.Pusher); !pushes {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			loadKindCase(t, kind.Name).workbench(t, 0).agrees("it")
		})
	}
}

const mixedJob = `
spring:
  kind: bulk_send
  app: APP
  from: {csv: recipients.csv}
  key: id
  suppress: "select '+46700000007'"%s
  request:
    recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
    message: {text_message: {text: "Hi {{.name}}"}}
`

func TestThePlanOfAMixedInputAgreesToTheLetter(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "\n  mode: batch"} {
		w := newWorkbench(t, emulator.Options{}, "", fmt.Sprintf(mixedJob, mode))
		w.mixed(0, 40)
		first := w.agrees("spring")
		w.mixed(0, 80) // what was done is skipped, what was not is planned again
		second := w.agrees("spring")

		texts := map[string]int{}
		var planned []string
		for _, row := range append(first, second...) {
			if row["planned"] == stateSend {
				texts[fmt.Sprint(row["sms_parts"], row["sms_encoding"])]++
				planned = append(planned, fmt.Sprint(row["request"]))
			}
		}
		assert.Equal(t, map[string]int{"1GSM-7": 24, "2GSM-7": 8, "2UCS-2": 8}, texts)
		if mode == "" {
			sent := w.took("Messages_SendMessage")
			assert.ElementsMatch(t, planned, sent, "each request went out as it was planned")
		}
	}
}

// mixed writes rows of which every tenth is one that is not sent: without a
// number, opted out, twice the same key, or with a number that can not be.
func (w *workbench) mixed(from, to int) {
	var b strings.Builder
	b.WriteString("id,phone,name\n")
	for i := from; i < to; i++ {
		id, phone, name := fmt.Sprint("r", i), number(i+100), "Ada"
		switch i % 10 {
		case 1:
			phone = ""
		case 3:
			phone = number(7)
		case 4:
			id = fmt.Sprint("r", i-4)
		case 6:
			phone = "0700"
		case 7:
			id = ""
		case 8:
			name = strings.Repeat("å", 200)
		case 9:
			name = strings.Repeat("я", 100)
		}
		fmt.Fprintf(&b, "%s,%s,%s\n", id, phone, name)
	}
	w.write("recipients.csv", b.String())
}
