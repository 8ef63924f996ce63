package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

const hashSecret = "0123456789abcdef0123456789abcdef"

// privateJobs keep of people what can be joined and counted, and not who they are.
const privateJobs = `
archive:
  kind: message_archive
  app: APP
  columns: {without: [text, body, metadata]}
  hash:
    secret: ${HASH_SECRET}
    columns: [identity, contact_id]
conversations:
  kind: conversation_export
  columns: {without: [metadata, metadata_json]}
  hash:
    secret: ${HASH_SECRET}
    columns: [contact_id, body]
contacts:
  kind: contact_export
  columns: {without: [metadata, display_name, email, external_id]}
  hash:
    secret: ${HASH_SECRET}
    columns: [identities, body]
`

// newPrivateBench is a workbench with a second job file beside it, plain.yaml,
// of the same jobs with a store of their own, which keep everything.
func newPrivateBench(t *testing.T) *workbench {
	t.Helper()
	w := newWorkbench(t, emulator.Options{Contacts: 50, Conversations: 30, Messages: 400}, "", privateJobs)
	w.env = []string{"HASH_SECRET=" + hashSecret}
	head, _, _ := strings.Cut(w.read("jobs.yaml"), "jobs:\n")
	w.write("plain.yaml", strings.Replace(head, "./store", "./plain", 1)+"jobs:\n  archive: {kind: message_archive, app: "+w.api.Info().App+
		"}\n  conversations: {kind: conversation_export}\n  contacts: {kind: contact_export}\n")
	return w
}

// plainly asks the store that keeps everything.
func (w *workbench) plainly(sql string) []map[string]any {
	w.t.Helper()
	return w.batch("-f", "plain.yaml", "sql", "--format", "json", sql).rows(w.t)
}

// held is all that the files of a folder hold, by path: those of Parquet and
// DuckDB as they are and with every value decompressed.
func held(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		switch {
		case err == nil && filepath.Ext(path) == ".parquet":
			all[path] = append(all[path], valuesOf(t, all[path])...)
		case err == nil && filepath.Ext(path) == ".duckdb":
			all[path] = append(all[path], tablesOf(t, path)...)
		}
		return err
	}))
	return all
}

// valuesOf are all values of a Parquet file, one a line.
func valuesOf(t *testing.T, file []byte) []byte {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	var all []byte
	buffer := make([]parquet.Row, 100)
	for _, group := range f.RowGroups() {
		rows := group.Rows()
		for n, err := 1, error(nil); n > 0 && !errors.Is(err, io.EOF); {
			n, err = rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				for _, v := range row {
					all = append(append(all, v.String()...), '\n')
				}
			}
		}
		require.NoError(t, rows.Close())
	}
	return all
}

// tablesOf are all rows of all tables of a DuckDB database, one a line.
func tablesOf(t *testing.T, path string) (all []byte) {
	t.Helper()
	db, err := sql.Open("duckdb", path+"?access_mode=read_only")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, table := range texts(t, db, "SELECT table_name FROM duckdb_tables()") {
		for _, row := range texts(t, db, `SELECT CAST(t AS VARCHAR) FROM "`+table+`" t`) {
			all = append(append(all, row...), '\n')
		}
	}
	require.NotEmpty(t, all)
	return all
}

func texts(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		all = append(all, text)
	}
	require.NoError(t, rows.Err())
	return all
}

func TestNothingOfPeopleIsInAStoreThatKeepsNone(t *testing.T) {
	t.Parallel()
	w := newPrivateBench(t)
	var said strings.Builder
	for _, job := range []string{"archive", "conversations", "contacts"} {
		r := w.batch("-f", "plain.yaml", "run", job)
		require.Zero(t, r.code, r.stderr)
		for _, command := range []string{"plan", "run", "status", "report"} {
			r = w.batch(command, job)
			require.Zero(t, r.code, r.stderr)
			said.WriteString(r.stdout + r.stderr)
		}
	}
	personal := column(w.plainly(`select distinct unnest([identity, contact_id, text, metadata]) as v from messages
		union select unnest(list_transform(identities, lambda i: i.identity)) from contacts
		union select unnest([display_name, email, external_id]) from contacts`), "v")
	all := held(t, filepath.Join(w.dir, "store"))
	all["what was said"] = []byte(said.String())
	var plain []byte
	for _, content := range held(t, filepath.Join(w.dir, "plain")) {
		plain = append(plain, content...)
	}
	searched := 0
	contacts := column(w.query("select id from contacts"), "id") // which are found by it
	for _, value := range append(personal, hashSecret) {
		if len(value) < 6 || slices.Contains(contacts, value) { // a Hi is anywhere by chance
			continue
		}
		searched++
		assert.True(t, value == hashSecret || bytes.Contains(plain, []byte(value)), "%q is nowhere, so looking for it proves nothing", value)
		for path, content := range all {
			assert.False(t, bytes.Contains(content, []byte(value)), "%q is in %s", value, path)
		}
	}
	assert.Greater(t, searched, 100)
	assert.Contains(t, said.String(), "leaves out: text, body, metadata\n  hashes: identity, contact_id\n")
}

func TestHashedColumnsCanBeJoinedAndCompared(t *testing.T) {
	t.Parallel()
	w := newPrivateBench(t)
	const questions = `select
		(select count(*) from messages m join (select id, unnest(identities) as i from contacts) c on m.identity = c.i.identity) as same_person,
		(select count(*) from messages m join conversations c on m.conversation_id = c.id and m.contact_id = c.contact_id) as same_contact,
		(select count(distinct identity) from messages) as people,
		(select count(*) from contacts_changes) as changes,
		(select count(*) from messages where identity = '') as nobody`
	export := func() {
		for _, job := range []string{"archive", "conversations", "contacts"} {
			for _, file := range []string{"plain.yaml", "jobs.yaml"} {
				r := w.batch("-f", file, "run", job)
				require.Zero(t, r.code, r.stderr)
			}
		}
	}
	export()
	want := w.plainly(questions)
	require.Greater(t, want[0]["same_person"], 100.0)
	require.Greater(t, want[0]["same_contact"], 100.0)
	assert.Equal(t, want, w.query(questions))
	assert.Equal(t, []map[string]any{{"n": 0.0}}, w.query("select count(*) as n from messages where coalesce(text, body, metadata) is not null"))

	ask, all := asking(t, w.api), onServer(t, w.api)
	ask("PATCH", "contacts/"+all[3].Get("id").Str, `{"display_name":"Renamed"}`)
	export()
	assert.Equal(t, []string{"changed"}, column(w.query("select change from contacts_changes"), "change"), "the hash of a body tells that it changed")
	assert.Equal(t, w.plainly(questions), w.query(questions), "a later run knows what was archived")
}

// The hash of a number is the one that anybody with the key makes of it, however
// it is written.
func TestAHashIsThatOfTheDigits(t *testing.T) {
	t.Parallel()
	w := newPrivateBench(t)
	for _, file := range []string{"plain.yaml", "jobs.yaml"} {
		r := w.batch("-f", file, "run", "archive")
		require.Zero(t, r.code, r.stderr)
	}
	pair := w.plainly("select id, identity from messages where channel = 'SMS' order by id limit 1")[0]
	got := w.query("select identity from messages where id = '" + pair["id"].(string) + "'")[0]["identity"].(string)
	assert.Equal(t, hmacOf(hashSecret, strings.TrimPrefix(pair["identity"].(string), "+")), got)
}

func TestAChangeOfWhatIsKeptIsTold(t *testing.T) {
	t.Parallel()
	w := newPrivateBench(t)
	for _, job := range []string{"contacts", "archive"} {
		r := w.batch("run", job)
		require.Zero(t, r.code, r.stderr)
	}
	w.env = []string{"HASH_SECRET=" + strings.ToUpper(hashSecret)}
	r := w.batch("run", "contacts")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stderr, "what is kept of columns changed")
	assert.Contains(t, r.stderr, "hash.secret is another")
	assert.NotContains(t, strings.ToLower(r.stderr), hashSecret)

	w.write("jobs.yaml", strings.Replace(w.read("jobs.yaml"), "    columns: {without: [text, body, metadata]}", "    columns: {without: [text, body, metadata, sender_id]}", 1))
	r = w.batch("run", "archive")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stderr, "columns.without was [text, body, metadata] and is [text, body, metadata, sender_id]")
	r = w.batch("run", "archive")
	require.Zero(t, r.code, r.stderr)
	assert.NotContains(t, r.stderr, "what is kept of columns changed", "it is told once")
	w.api.AddMessages(20, time.Now().Add(-time.Minute))
	r = w.batch("run", "archive")
	require.Zero(t, r.code, r.stderr)
	const count = "select count(*) as n, count(sender_id) > 0 and count(sender_id) < n as some from messages"
	before := w.query(count)
	assert.Equal(t, true, before[0]["some"], "files with and without a column are one view")
	r = w.batch("compact", "messages")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, before, w.query(count))
}

// Half of a snapshot with a column and half without would be neither.
func TestAnUnfinishedRunKeepsWhatItBeganWith(t *testing.T) {
	t.Parallel()
	fault := emulator.Fault{Operation: "Contact_ListContacts", Kind: "500", First: 1}
	w := newWorkbench(t, emulator.Options{Contacts: 50, Faults: []emulator.Fault{fault}}, "retry: {attempts: 1}",
		"contacts: {kind: contact_export, columns: {without: [email, body, metadata, display_name]}}")
	r := w.batch("run", "contacts")
	require.Equal(t, exitFailed, r.code, r.stderr)
	w.write("jobs.yaml", strings.Replace(w.read("jobs.yaml"), "without: [email, ", "without: [", 1))
	r = w.batch("run", "contacts")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stdout+r.stderr, "what it keeps of columns changed since run")
	assert.Contains(t, r.stdout+r.stderr, "`batch run --restart contacts`")
	r = w.batch("run", "--restart", "contacts")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, []map[string]any{{"n": 50.0, "emails": 50.0}}, w.query("select count(*) as n, count(email) as emails from contacts"))
}

func hmacOf(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// Whom a contact's identities say to be opted out is not known where they are
// hashed: nobody is sent anything then.
func TestHashedContactsAreNotSentToUnchecked(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{
		"\n  columns: {without: [body, metadata, display_name]}\n  hash: {secret: \"${HASH_SECRET}\", columns: [identities]}\n",
		"\n  columns: {without: [body, metadata, display_name, identities]}\n",
	} {
		w := newWorkbench(t, emulator.Options{Contacts: 5}, "", consentsJob+"contacts:\n  kind: contact_export"+settings+
			send("late", `{identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`, `{contact_id: "{{.id}}"}`,
				"{csv: recipients.csv}", `{sql: "select id, 'you' as name from contacts order by id"}`, "key: phone", "key: id"))
		w.env = []string{"HASH_SECRET=" + hashSecret}
		w.api.OptOut(emulator.OptOutAll, number(0))
		for _, job := range []string{"contacts", "consents"} {
			_, r := w.run(job)
			require.Zero(t, r.code, r.stderr)
		}
		r := w.batch("run", "late")
		assert.Equal(t, exitFailed, r.code)
		assert.Contains(t, r.stdout+r.stderr, "whose identities are hashed or left out")
	}
}
