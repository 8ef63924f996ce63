package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// migration is docs/MIGRATION.md, done: its job files lie in a folder, its
// commands are run there, and its variables lead to two emulators.
type migration struct {
	*workbench                     // its api is the new side
	old        *emulator.Server    // the other
	blocks     map[string][]string // of commands, by heading, in order
	ran        map[string]bool     // which were run
	since      time.Time           // of the history that is carried
}

var (
	docBlock = regexp.MustCompile("(?ms)^## ([^\n]+)$|^```(sh|yaml)\n(.*?)^```$")
	docFile  = regexp.MustCompile(`^# (\w+\.yaml)\b`)
	docName  = regexp.MustCompile(`\b([A-Z_]+)=`)
)

// newMigration writes the job files of the document, puts `batch` where its
// commands find it, and starts both sides.
func newMigration(t *testing.T) *migration {
	t.Helper()
	now := time.Now()
	m := &migration{
		workbench: newWorkbench(t, emulator.Options{Seed: 2}, "", sendJob),
		blocks:    map[string][]string{}, ran: map[string]bool{}, since: now.Add(-28 * 24 * time.Hour).UTC().Truncate(24 * time.Hour),
	}
	old, err := emulator.Serve(context.Background(), "127.0.0.1:0", emulator.Options{
		Seed: 1, Contacts: 200, Conversations: 150, Messages: 1200, Start: now.Add(-60 * 24 * time.Hour), End: now.Add(-time.Hour), ExtraFields: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, old.Close()) })
	m.old = old
	m.readDocument()
	require.NoError(t, os.Mkdir(filepath.Join(m.dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(m.command().Path, filepath.Join(m.dir, "bin", "batch")))
	m.setVariables()
	return m
}

// readDocument takes the document apart.
func (m *migration) readDocument() {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "MIGRATION.md"))
	require.NoError(m.t, err)
	heading, fences := "", strings.Count(string(text), "\n```")
	for _, found := range docBlock.FindAllStringSubmatch(string(text), -1) {
		switch title, language, block := found[1], found[2], found[3]; {
		case title != "":
			heading, fences = title, fences+2
		case language == "yaml":
			name := docFile.FindStringSubmatch(block)
			require.NotNil(m.t, name, "a job file says its name in its first line: %s", block)
			m.write(name[1], block)
		default:
			m.blocks[heading] = append(m.blocks[heading], block)
		}
		fences -= 2
	}
	require.Zero(m.t, fences, "every block is a job file or commands")
}

// setVariables sets those that the document says have to be set, and those that
// the job files have for the URLs of an emulator.
func (m *migration) setVariables() {
	m.t.Helper()
	values := map[string]string{"HISTORY_FROM": m.since.Format(time.DateOnly)}
	values["OLD_REGION"], values["NEW_REGION"] = "us", "eu"
	for side, api := range map[string]*emulator.Server{"OLD_": m.old, "NEW_": m.api} {
		for _, pair := range accountEnv(api.Info()) {
			name, value, _ := strings.Cut(pair, "=")
			values[side+strings.TrimPrefix(name, "SINCH_")] = value
		}
	}
	var said []string
	for _, name := range docName.FindAllStringSubmatch(m.block("The job files", 0), -1) {
		said = append(said, name[1])
	}
	m.env = append(m.env, "BATCH_FORMAT=csv")
	for name, value := range values {
		m.env = append(m.env, name+"="+value)
		if !strings.HasSuffix(name, "_URL") {
			assert.Contains(m.t, said, name, "the document says what to set")
		}
	}
	assert.Len(m.t, said, 11)
}

// block is the text of a block of commands, which counts as run.
func (m *migration) block(heading string, n int) string {
	m.t.Helper()
	require.Greater(m.t, len(m.blocks[heading]), n, heading)
	m.ran[fmt.Sprint(heading, n)] = true
	return m.blocks[heading][n]
}

// sh runs a block of commands and returns how it ended.
func (m *migration) sh(heading string, n int) result {
	m.t.Helper()
	as := m.command()
	cmd := exec.Command("sh", "-eu", "-c", m.block(heading, n))
	cmd.Dir, cmd.Env = as.Dir, append(as.Env, "PATH="+filepath.Join(m.dir, "bin")+":"+os.Getenv("PATH"))
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(m.t, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// done runs a block of commands that must end well.
func (m *migration) done(heading string, n int) string {
	m.t.Helper()
	r := m.sh(heading, n)
	require.Zero(m.t, r.code, "%s\n%s%s", m.blocks[heading][n], r.stdout, r.stderr)
	return r.stdout
}

// kill runs a job of new.yaml and kills it in the middle: when so many calls of
// an operation were answered, and more have taken effect without an answer.
func (m *migration) kill(job, operation string, answered int) {
	m.t.Helper()
	before := m.calls(0)[operation]
	require.NoError(m.t, m.api.SetFaults([]emulator.Fault{
		{Operation: operation, Kind: emulator.FaultDelayAfter, After: answered, Delay: emulator.Duration(time.Minute)},
	}))
	p := m.start("-f", "new.yaml", "run", job)
	require.Eventually(m.t, func() bool { return m.calls(0)[operation] >= before+answered+unanswered }, time.Minute, 5*time.Millisecond, "%s%s", &p.out, &p.errors)
	require.NoError(m.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // the exit code says it
	require.Equal(m.t, -1, p.cmd.ProcessState.ExitCode(), "it was over before it was killed: %s%s", &p.out, &p.errors)
	require.NoError(m.t, m.api.SetFaults(nil))
}

// unanswered is how many calls took effect, at least, whose answers a process
// that is killed never had.
const unanswered = 10

// rows reads what a query printed.
func (m *migration) rows(printed string) (rows []map[string]string) {
	m.t.Helper()
	lines, err := csv.NewReader(strings.NewReader(printed)).ReadAll()
	require.NoError(m.t, err)
	require.NotEmpty(m.t, lines, "a query prints its columns at least")
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

const (
	stepRead     = "1. Read the old side"
	stepContacts = "2. Contacts"
	stepHistory  = "3. Conversations and messages"
	stepOptouts  = "4. Opt-outs"
	stepCheck    = "5. Check"
	stepDoubt    = "When it is interrupted"
)

var consentLists = []string{emulator.OptOutAll, emulator.OptOutMarketing, emulator.OptOutNotification}

// A migration as the document has it, with each of its imports killed once in
// the middle; then the old side changes, and the same commands again carry that
// and nothing else.
func TestAMigrationIsAsItsDocumentSays(t *testing.T) {
	t.Parallel()
	m := newMigration(t)
	people := onServer(t, m.old)
	for _, list := range consentLists {
		for i, c := range people[:40] {
			ids := c.Get("channel_identities").Array()
			m.old.OptOut(list, ids[i%len(ids)].Get("identity").Str)
		}
	}
	m.done(stepRead, 0)
	assert.Empty(t, m.rows(m.done(stepRead, 1)), "no two contacts with one identity")
	m.assertArchiveIsWhole()
	assert.NotEmpty(t, m.differences(), "the checks see that nothing was carried yet")
	m.firstTime()
	assert.Empty(t, m.differences())
	m.assertMigrated()

	before := m.calls(0)
	m.changeOld()
	m.done(stepRead, 0)
	m.done(stepContacts, 1)
	m.done(stepHistory, 0)
	m.done(stepOptouts, 0)
	m.done(stepCheck, 0)
	assert.Empty(t, m.differences())
	m.assertMigrated()
	after := m.calls(0)
	for operation, n := range before {
		after[operation] -= n
	}
	maps.DeleteFunc(after, func(_ string, n int) bool { return n == 0 })
	assert.Equal(t, map[string]int{
		"Contact_CreateContact": 1, "Contact_UpdateContact": 1, "Conversation_InjectMessage": 7, "Batch_InsertConsents": 1,
	}, after)
	m.assertRequestsPerContact()
	for heading, blocks := range m.blocks {
		for n := range blocks {
			assert.True(t, m.ran[fmt.Sprint(heading, n)], "block %d of %q is not tested", n+1, heading)
		}
	}
}

// firstTime goes from the first contacts to what the checks read, by way of a
// wave and of three kills.
func (m *migration) firstTime() {
	m.t.Helper()
	m.done(stepContacts, 0)
	assert.InDelta(m.t, 40, m.calls(0)["Contact_CreateContact"], 25, "a fifth of the contacts")
	m.kill("import-contacts", "Contact_CreateContact", 30)
	m.done(stepContacts, 1)
	m.done(stepContacts, 2)
	m.assertContactMap()

	m.kill("import-conversations", "Conversation_CreateConversation", 20)
	r := m.sh(stepHistory, 0)
	assert.Equal(m.t, exitIncomplete, r.code, "%s%s", r.stdout, r.stderr)
	m.done(stepDoubt, 0)
	m.kill("import-messages", "Conversation_InjectMessage", 50)
	m.done(stepHistory, 0)
	m.done(stepOptouts, 0)
	m.done(stepCheck, 0)
}

// changeOld changes a contact of the old side, adds another, messages and an
// opt-out.
func (m *migration) changeOld() {
	m.t.Helper()
	ask := asking(m.t, m.old)
	changed := onServer(m.t, m.old)[3].Get("id").Str
	ask(http.MethodPatch, "contacts/"+changed, `{"display_name":"Renamed"}`)
	ask(http.MethodPost, "contacts", `{"language":"SV","display_name":"New","channel_identities":[{"channel":"SMS","identity":"+46700000000"}]}`)
	m.old.AddMessages(7, time.Now().Add(-time.Minute))
	m.old.OptOut(emulator.OptOutAll, "46700000000")
}
