package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var question = regexp.MustCompile("(?ms)^### ([^\n]+)\n\n```sql\n(.*?)^```\n\n([^\n]+)\n")

// cookbook is docs/SQL.md: the query of each question, and what stands behind
// the last question.
func cookbook(t *testing.T) (queries map[string]string, others string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "SQL.md"))
	require.NoError(t, err)
	questions, others, found := strings.Cut(string(text), "\n## In other tools\n")
	require.True(t, found)
	queries = map[string]string{}
	for _, m := range question.FindAllStringSubmatch(questions, -1) {
		queries[m[1]] = m[2]
		assert.True(t, strings.HasSuffix(m[3], "."), "%s: a sentence says how to read the answer", m[1])
	}
	assert.Len(t, queries, strings.Count(questions, "\n### "), "each question has its query and a sentence")
	return queries, others
}

// What the queries of docs/SQL.md answer over cookbookStore.
var cookbookAnswers = map[string]string{
	"How much goes over which channel, day by day?": `
		date,channel,sent,received
		2026-02-10,SMS,1,0
		2026-03-02,SMS,3,1
		2026-03-02,WHATSAPP,1,1
		2026-03-03,SMS,0,2
		2026-03-03,WHATSAPP,1,0`,
	"Of the people we wrote to, how many wrote back?": `
		channel,people,replied,percent
		SMS,2,1,50
		WHATSAPP,1,1,100`,
	"How long does somebody wait for our first answer?": `
		channel,questions,answered,median_minutes
		SMS,2,1,20
		WHATSAPP,1,1,60`,
	"Which conversations wait for an answer?": `
		conversation_id,contact_id,since,said
		v4,c3,2026-03-03T09:05:00Z,Anybody?`,
	"Who said something about an invoice?": `
		accept_time,channel,contact_id,text
		2026-03-02T08:10:00Z,SMS,c1,Where is my Invoice?
		2026-03-02T23:30:00Z,WHATSAPP,c2,"The invoice, please"`,
	"At which hour do people write?": `
		hour,received
		10,2
		0,1
		9,1`,
	"Who writes most?": `
		contact_id,name,received,last
		c3,Cy,2,2026-03-03T09:05:00Z
		c1,Ada L.,1,2026-03-02T08:10:00Z
		c2,Bo,1,2026-03-02T23:30:00Z`,
	"How many messages does a contact get and send?": `
		messages,contacts
		3,2
		4,1`,
	"Which contacts were never written to?": `
		id,display_name
		c4,A. L.
		c5,Eve`,
	"Which contacts are the same person?": `
		number,contacts
		46700000001,"[""c1"",""c4""]"`,
	"What changed between the last two exports?": `
		change,id,name_before,name_after
		changed,c1,Ada,Ada L.
		added,c4,,A. L.
		added,c5,,Eve
		removed,c6,Finn,`,
	"Of those in a hashed archive, who is a contact?": `
		channel,people,contacts
		SMS,2,2
		WHATSAPP,1,1`,
	"How many opted out after a campaign?": `
		reached,opted_out,percent
		3,1,33.3`,
	"Why did rows fail?": `
		state,http_status,error_code,rows,for_example
		failed,400,INVALID_ARGUMENT,2,no such channel
		failed,404,NOT_FOUND,1,no such app
		invalid,0,,1,no phone number`,
	"What became of each row of a run?": `
		key,state,channel,accept_time,wrote_back
		+46700000001,done,SMS,2026-03-02T08:00:00Z,true
		+46700000002,done,WHATSAPP,2026-03-02T08:00:01Z,true
		+46700000003,done,SMS,2026-03-02T08:00:02Z,true
		+46700000010,done,,,false`,
	"What drives the cost of our SMS?": `
		alphabet,parts,messages,billed,longest
		GSM-7,1,1,1,14
		GSM-7,2,1,2,161
		UCS-2,1,1,1,70
		UCS-2,2,1,2,71`,
	"How does the archive grow?": `
		month,messages,bytes,messages_so_far
		2026-02,1,24,1
		2026-03,9,216,10`,
}

func TestTheCookbookIsTrue(t *testing.T) {
	t.Parallel()
	queries, others := cookbook(t)
	s := cookbookStore(t)
	for name, query := range queries {
		r := inProcess(t, program{}, "sql", "--store", s.Dir(), "--format", "csv", query)
		require.Zero(t, r.code, "%s: %s", name, r.stderr)
		want := strings.ReplaceAll(strings.TrimPrefix(cookbookAnswers[name], "\n"), "\t", "") + "\n"
		assert.Equal(t, want, r.stdout, name)
	}
	for name := range cookbookAnswers {
		assert.Contains(t, queries, name)
	}
	t.Run("the same in a DuckDB of one's own", func(t *testing.T) {
		_, statements, found := strings.Cut(others, "```sql\n")
		require.True(t, found)
		statements, _, _ = strings.Cut(statements, "```")
		db, err := sql.Open("duckdb", "")
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		_, err = db.ExecContext(t.Context(), strings.ReplaceAll(statements, "batch-data", s.Dir()))
		require.NoError(t, err)
		for query, want := range map[string]string{
			"select count(*) from messages where date = '2026-03-02'":                             "6",
			"select string_agg(id || display_name, ' ' order by id) from contacts":                "c1Ada L. c2Bo c3Cy c4A. L. c5Eve",
			"select job || count(*) from results where state = 'done' and ref <> '' group by job": "spring-offer4",
			"select count(*) from runs": "6",
		} {
			var got string
			require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&got), query)
			assert.Equal(t, want, got, query)
		}
	})
}
