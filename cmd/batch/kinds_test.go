package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	yaml "go.yaml.in/yaml/v4"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

// kindCase is a folder of testdata/kinds: a job of a kind in job.yaml, its rows
// in rows.csv or made of what the emulator holds, and in expect.yaml what the
// kind promises of it.
type kindCase struct {
	kind string
	job  string // the keys of the job
	rows string // the text of rows.csv

	Seed string `yaml:"seed"` // of which list of the emulator the rows are made; see workbench.seed

	// Of kinds that call once for each row:
	Operation string `yaml:"operation"` // what they call
	Effect    string `yaml:"effect"`    // where the emulator's ledger has the row's key; empty where it has none
	Again     string `yaml:"again"`     // the state of all rows in a second run: done or skipped
	// Lost is what becomes of a call whose answer is lost: repeated, so that it
	// takes effect again and does no harm; found to have taken effect, so that
	// it does so once; or held, in doubt.
	Lost string `yaml:"lost"`

	// Of kinds that read:
	Oracle string `yaml:"oracle"` // what must be in the datasets; see workbench.oracle
	Calls  int    `yaml:"calls"`  // made at least
}

const (
	lostRepeated = "repeated"
	lostFound    = "found"
	lostHeld     = "held"
)

func (k *kindCase) reads() bool { return k.Oracle != "" }

// Every kind there is, as the registry lists them, keeps the promises of the
// product: in a run where all is well, with an API that fails in every way that
// it documents, and when its process is killed.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(kindFolder(""))
	require.NoError(t, err)
	assert.Len(t, folders, len(jobs.Kinds()), "testdata/kinds has a folder for each kind, and no other")
	for _, kind := range jobs.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			k := loadKindCase(t, kind.Name)
			for name, test := range map[string]func(*testing.T, *kindCase){
				"clean": kindClean, "faults": kindWithFaults, "killed": kindKilled,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, k)
				})
			}
		})
	}
}

func kindFolder(kind string) string { return filepath.Join("..", "..", "testdata", "kinds", kind) }

func loadKindCase(t *testing.T, kind string) *kindCase {
	t.Helper()
	k := &kindCase{kind: kind}
	job, err := os.ReadFile(filepath.Join(kindFolder(kind), "job.yaml"))
	require.NoError(t, err, "a new kind needs a folder testdata/kinds/%s with job.yaml and expect.yaml", kind)
	expect, err := os.ReadFile(filepath.Join(kindFolder(kind), "expect.yaml"))
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(expect))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(k))
	rows, err := os.ReadFile(filepath.Join(kindFolder(kind), "rows.csv"))
	require.Equal(t, !k.reads() && k.Seed == "", err == nil, "rows are in rows.csv or made from a seed")
	k.job, k.rows = string(job), string(rows)
	require.Contains(t, k.job, "kind: "+kind+"\n")
	if k.reads() {
		require.Positive(t, k.Calls)
		return k
	}
	require.NotEmpty(t, k.Operation)
	require.Contains(t, []string{"done", "skipped"}, k.Again)
	require.Contains(t, []string{lostRepeated, lostFound, lostHeld}, k.Lost)
	return k
}

// kindRows is how many rows there are of every kind.
const kindRows = 24

// workbench has the job of the kind as it, and its rows.
func (k *kindCase) workbench(t *testing.T, latency time.Duration) *workbench {
	t.Helper()
	o := emulator.Options{Contacts: 4 * kindRows, Conversations: 2 * kindRows, Messages: 10 * kindRows, Latency: latency}
	o.Start, o.End = time.Now().Add(-28*24*time.Hour), time.Now().Add(-time.Hour)
	w := newWorkbench(t, o, "limits: {in_flight: 4}\nretry: {attempts: 8, first: 2ms, max: 10ms}", "it:\n"+indent(k.job))
	if k.rows != "" {
		w.write("rows.csv", k.rows)
	}
	if k.Seed != "" {
		w.seed(k.Seed, kindRows)
	}
	switch k.Oracle {
	case "webhooks":
		w.addWebhooks(3)
	case "consents":
		w.optOuts(60)
	}
	w.api.ResetCounters()
	return w
}

func kindClean(t *testing.T, k *kindCase) {
	w := k.workbench(t, 0)
	s, r := w.runHere("it")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, s.Rows, s.Done, "%s", r.stdout)
	k.assertState(t, w, s)
	calls := len(w.api.Requests())
	if !k.reads() {
		assert.EqualValues(t, kindRows, s.Rows)
		assert.Equal(t, kindRows, w.api.Requests().Count(k.Operation, 200))
	}

	s, r = w.runHere("it")
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	switch {
	case k.Again == "skipped":
		assert.Equal(t, s.Rows, s.Skipped)
		assert.Equal(t, kindRows, w.api.Requests().Count(k.Operation, 200), "nothing is done twice")
	case k.reads():
		assert.Greater(t, len(w.api.Requests()), calls, "it is read anew")
	default:
		assert.Equal(t, s.Rows, s.Done)
		assert.Equal(t, 2*kindRows, w.api.Requests().Count(k.Operation, 200), "it is done anew")
	}
	k.assertData(t, w)
}

// kindFaults spoil the first calls, two of them in each way.
func kindFaults(operation string) (faults []emulator.Fault) {
	for _, f := range []emulator.Fault{
		{Kind: "429", RetryAfter: "0"}, {Kind: "503"}, {Kind: "503", RetryAfter: "0"}, {Kind: "500"}, {Kind: "500", Accepted: true},
		{Kind: emulator.FaultResetAfter}, {Kind: emulator.FaultTruncate},
	} {
		f.Operation, f.First = operation, 2
		faults = append(faults, f)
	}
	return faults
}

func kindWithFaults(t *testing.T, k *kindCase) {
	w := k.workbench(t, 0)
	operation := k.Operation
	if k.reads() {
		operation = "*"
		w.edit("attempts: 8", "attempts: 20") // all of them may hit one call
	}
	require.NoError(t, w.api.SetFaults(kindFaults(operation)))
	s, r := w.runHere("it")
	k.assertCode(t, s, r)
	if k.Lost == lostHeld {
		assert.EqualValues(t, 8, s.InDoubt, "what was not processed for certain is tried again, the rest is not")
	}
	if !k.reads() {
		for _, status := range []int{429, 503, 500, 0} {
			assert.Positive(t, w.api.Requests().Count(operation, status), "a call was to be answered %d", status)
		}
	}
	k.assertState(t, w, s)
	k.assertData(t, w)
}

func kindKilled(t *testing.T, k *kindCase) {
	const latency = 60 * time.Millisecond
	w := k.workbench(t, latency).asTested()
	most := k.Calls
	if !k.reads() {
		most = kindRows - 8
	}
	seed := uint64(time.Now().UnixNano())
	after := rand.New(rand.NewPCG(seed, 9)).IntN(most)
	p := w.start("run", "--json", "it")
	require.Eventually(t, func() bool {
		return len(w.api.Requests()) >= after && w.api.TokenRequests() > 0
	}, 20*time.Second, 2*time.Millisecond, "%s%s", &p.out, &p.errors)
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // the exit code says it
	require.Equal(t, -1, p.cmd.ProcessState.ExitCode(), "it was over before it was killed after %d calls: %s%s", after, &p.out, &p.errors)
	time.Sleep(2 * latency) // what was on the wire takes effect, and no event tells when

	begun := false // an archive asks about the app before its run begins
	if _, err := os.Stat(filepath.Join(w.dir, "store/jobs/it/runs.json")); err == nil {
		begun = len(w.history("it")) > 0
	}
	s, r := w.runHere("it")
	// The ledger knows of a run a moment before the history does.
	assert.True(t, s.Resumed || !begun, "killed after %d calls", after)
	k.assertCode(t, s, r)
	k.assertState(t, w, s)
	k.assertData(t, w)
}

// assertCode checks how a run ended in which answers were lost.
func (k *kindCase) assertCode(t *testing.T, s summary, r result) {
	t.Helper()
	require.Equal(t, "completed", s.State, "%s%s", r.stdout, r.stderr)
	assert.Equal(t, s.Rows, s.Done+s.InDoubt, "%s%s", r.stdout, r.stderr)
	if k.Lost != lostHeld {
		assert.Zero(t, s.InDoubt, r.stdout)
	}
	if s.InDoubt == 0 {
		assert.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	} else {
		assert.Equal(t, exitIncomplete, r.code)
	}
}

// assertState compares the results of a run with what the emulator accepted:
// every row is in one state, and what it says is true.
func (k *kindCase) assertState(t *testing.T, w *workbench, s summary) {
	t.Helper()
	assert.Equal(t, s.Rows, s.settled())
	if k.reads() {
		return
	}
	effects := map[string]int{}
	for _, a := range w.ledger(k.Operation) {
		if k.Effect != "" {
			effects[a.Get(k.Effect).String()]++
		}
	}
	rows := w.queryHere("select key, state from results where run_id = '" + s.RunID + "'")
	assert.Len(t, rows, kindRows)
	for _, row := range rows {
		key := row["key"].(string)
		n, known := effects[key]
		delete(effects, key)
		switch {
		case k.Effect == "":
		case row["state"] == "done" && k.Lost == lostRepeated:
			assert.True(t, known, "%s is done and has had no effect", key)
		case row["state"] == "done":
			assert.Equal(t, 1, n, "effects of %s, which is done", key)
		default:
			assert.LessOrEqual(t, n, 1, "effects of %s, which is in doubt", key)
		}
	}
	assert.Empty(t, effects, "effects of no row")
}

// ledger is what took effect of an operation, as JSON.
func (w *workbench) ledger(operation string) (entries []gjson.Result) {
	for _, a := range w.api.Accepted() {
		if a.Operation == operation {
			entries = append(entries, gjson.Parse(asJSON(w.t, a)))
		}
	}
	return entries
}

// assertData compares the datasets with what the emulator holds: each entry is
// there, once.
func (k *kindCase) assertData(t *testing.T, w *workbench) {
	t.Helper()
	if !k.reads() {
		return
	}
	want := map[string]int{}
	for _, id := range w.oracle(k.Oracle) {
		want[id]++
	}
	require.NotEmpty(t, want)
	query := "select body as id from (" + w.entriesOf("it") + ")"
	if k.Oracle != "inventory" {
		query = strings.Replace(query, "body", "id", 1)
	}
	got := map[string]int{}
	for _, row := range w.queryHere(query) {
		got[row["id"].(string)]++
	}
	assert.Equal(t, want, got)
}

// entriesOf selects id and body of all that the lists have brought that a job
// reads, in whatever dataset.
func (w *workbench) entriesOf(name string) string {
	w.t.Helper()
	file, err := jobs.Load(filepath.Join(w.dir, "jobs.yaml"), w.secretOnly)
	require.NoError(w.t, err)
	job, _ := file.Job(name)
	var selects []string
	for _, set := range job.Datasets() {
		switch set.Name {
		case "whatsapp_accounts", "rcs_questionnaires": // these are no lists
		case "consents":
			selects = append(selects, "select list || ' ' || identity as id, '' as body from consents where state = 'out'")
		case "consent_audits": // one of each who is on a list
			selects = append(selects, "select list || ' ' || identity || ' ' || operation as id, body from consent_audits")
		default:
			selects = append(selects, "select id, body from "+set.Name)
		}
	}
	return strings.Join(selects, " union all ")
}
