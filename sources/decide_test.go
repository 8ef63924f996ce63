package sources

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mustDecide decides the fates of an input and returns them by row, read from
// row from on.
func mustDecide(t testing.TB, in Intake, from int64, earlier ...string) (Decided, map[int64]Fate) {
	t.Helper()
	out, temp := filepath.Join(t.TempDir(), "fates.parquet"), t.TempDir()
	decided, err := Decide(t.Context(), DecideOptions{Input: in.Path, Key: in.Key, Earlier: earlier, Out: out, TempDir: temp})
	require.NoError(t, err)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files are left")
	info, err := os.Stat(out)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	return decided, mustReadFates(t, in.Path, out, from)
}

func mustReadFates(t testing.TB, input, path string, from int64) map[int64]Fate {
	t.Helper()
	in, err := OpenInput(input, path, from)
	require.NoError(t, err)
	fates := map[int64]Fate{}
	for range in.Rows() - from {
		row, fate, err := in.Next()
		require.NoError(t, err)
		if fate != nil {
			fates[row.Seq] = *fate
		}
	}
	require.NoError(t, in.Close())
	return fates
}

// mustResults writes a Parquet file of earlier results; every line is key,
// state, run, and the hour of 2026-03-01 when it finished.
func mustResults(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.parquet")
	var rows []string
	for _, line := range lines {
		f := strings.Split(line, " ")
		rows = append(rows, fmt.Sprintf("(%s, %s, %s, timestamptz '2026-03-01 %s:00:00+00')", literal(f[0]), literal(f[1]), literal(f[2]), f[3]))
	}
	mustDuck(t, "copy (select * from (values "+strings.Join(rows, ", ")+") r(key, state, run_id, finished_at)) to "+literal(path))
	return path
}

func TestFates(t *testing.T) {
	t.Parallel()
	first := mustResults(t,
		"done done R1 10", "twice done R1 10", "doubt in_doubt R1 10", "settled in_doubt R1 10", "failed failed R1 10",
		"again in_doubt R1 10", "never invalid R1 10", "dup in_doubt R1 10", "dup invalid R1 11", "lost done R1 10")
	second := mustResults(t,
		"done skipped R2 12", "twice done R2 12", "doubt in_doubt R2 12", "settled done R2 12", "again failed R2 12", "lost in_doubt R2 12")
	for _, c := range []struct {
		name string
		keys []string
		want map[int64]Fate
	}{
		{"keys that are there once", []string{"a", "b"}, map[int64]Fate{}},
		{"a key of an earlier run that failed", []string{"failed", "a"}, map[int64]Fate{}},
		{"keys are compared as text", []string{"a", "A", " a", "a ", "01", "1", "é", "e\u0301"}, map[int64]Fate{}},
		{"the first of a key counts", []string{"a", "b", "a", "a"}, map[int64]Fate{
			2: {"invalid", "duplicate key: first on line 2"}, 3: {"invalid", "duplicate key: first on line 2"}}},
		{"a row without key", []string{"a", `""`, `""`}, map[int64]Fate{1: {"invalid", "empty key"}, 2: {"invalid", "empty key"}}},
		{"done in an earlier run", []string{"done"}, map[int64]Fate{0: {"skipped", "done in run R1 at 2026-03-01T10:00:00Z"}}},
		{"done in two", []string{"twice"}, map[int64]Fate{0: {"skipped", "done in run R1 at 2026-03-01T10:00:00Z"}}},
		{"done, and in doubt later", []string{"lost"}, map[int64]Fate{0: {"skipped", "done in run R1 at 2026-03-01T10:00:00Z"}}},
		{"in doubt, then done", []string{"settled"}, map[int64]Fate{0: {"skipped", "done in run R2 at 2026-03-01T12:00:00Z"}}},
		{"in doubt", []string{"doubt"}, map[int64]Fate{0: {"in_doubt", "in doubt since run R1; not repeated"}}},
		// The user let it be repeated, and then it was refused: nothing is in doubt.
		{"in doubt, then failed", []string{"again"}, map[int64]Fate{}},
		{"never sent earlier", []string{"never"}, map[int64]Fate{}},
		// The earlier run's duplicate of a key says nothing about the key.
		{"in doubt, and duplicated in that run", []string{"dup"}, map[int64]Fate{0: {"in_doubt", "in doubt since run R1; not repeated"}}},
		{"duplicates win", []string{"done", "done", "doubt", "doubt"}, map[int64]Fate{
			0: {"skipped", "done in run R1 at 2026-03-01T10:00:00Z"}, 1: {"invalid", "duplicate key: first on line 2"},
			2: {"in_doubt", "in doubt since run R1; not repeated"}, 3: {"invalid", "duplicate key: first on line 4"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := mustWrite(t, map[string]string{"a.csv": "id\n" + strings.Join(c.keys, "\n") + "\n"})
			in := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "id")
			decided, fates := mustDecide(t, in, 0, first, second)
			assert.Equal(t, c.want, fates)
			var want Decided
			for _, f := range c.want {
				switch {
				case f.State == "skipped":
					want.Skipped++
				case f.State == "in_doubt":
					want.InDoubt++
				case f.Error == "empty key":
					want.Empty++
				default:
					want.Duplicates++
				}
			}
			assert.Equal(t, want, decided)
		})
	}
}

func TestADuplicateOverSeveralFilesNamesTheFile(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id\n1\n2\n", "b'.csv": "id\n\n3\n4\n", "c.csv": "id\n2\n4\n"})
	_, fates := mustDecide(t, mustTake(t, Spec{CSV: "*.csv"}, Options{Dir: dir}, "id"), 0)
	assert.Equal(t, map[int64]Fate{
		4: {"invalid", "duplicate key: first on line 3 of a.csv"},
		5: {"invalid", "duplicate key: first on line 4 of b'.csv"},
	}, fates)
}

func TestTypedKeysAreComparedByTheirText(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.jsonl": strings.Join([]string{
		`{"odd \"key'": "a"}`, `{"odd \"key'": "\u0061"}`, `{"odd \"key'": 1}`, `{"odd \"key'": "1"}`, `{"odd \"key'": 1.0}`,
		`{"odd \"key'": null}`, `{}`, `{"odd \"key'": ""}`, `{"odd \"key'": 123456789012345678901}`, `{"odd \"key'": 123456789012345678902}`,
	}, "\n")})
	in := mustTake(t, Spec{JSONL: "a.jsonl"}, Options{Dir: dir}, `odd "key'`)
	_, fates := mustDecide(t, in, 0)
	assert.Equal(t, map[int64]Fate{
		1: {"invalid", "duplicate key: first on line 1"}, 3: {"invalid", "duplicate key: first on line 3"},
		5: {"invalid", "empty key"}, 6: {"invalid", "empty key"}, 7: {"invalid", "empty key"},
	}, fates)
}

func TestFatesAreFoundFromEveryRowOn(t *testing.T) {
	t.Parallel()
	const n = 150_000 // fates over several row groups
	rows := &memoryRows{columns: []Column{{Name: "id"}}}
	for i := range n {
		rows.rows = append(rows.rows, Row{Line: int64(i + 2), Values: []string{fmt.Sprint(i / 3)}})
	}
	path := filepath.Join(t.TempDir(), "input.parquet")
	in, err := TakeDown(t.Context(), rows, path, TakeOptions{Key: "id"})
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "fates.parquet")
	decided, err := Decide(t.Context(), DecideOptions{Input: in.Path, Key: "id", Out: out, TempDir: t.TempDir()})
	require.NoError(t, err)
	assert.Equal(t, Decided{Duplicates: n / 3 * 2}, decided)
	for _, from := range []int64{0, 1, 2, 49_999, 50_000, 74_998, 75_000, 75_001, n - 3, n - 2, n - 1, n} {
		in, err := OpenInput(path, out, from)
		require.NoError(t, err)
		for seq := from; seq < min(from+1000, n); seq++ {
			row, fate, err := in.Next()
			require.NoError(t, err)
			require.Equal(t, seq, row.Seq)
			require.Equal(t, seq%3 != 0, fate != nil)
			if fate != nil {
				require.Equal(t, fmt.Sprintf("duplicate key: first on line %d", seq/3*3+2), fate.Error)
			}
		}
		require.NoError(t, in.Close())
	}
}

func TestDecideFailsWithoutLeavingAnything(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id\n1\n", "damaged.parquet": "no parquet"})
	in := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "id")
	out := filepath.Join(t.TempDir(), "fates.parquet")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		o    DecideOptions
		want string
	}{
		{t.Context(), DecideOptions{Input: in.Path, Key: "nope"}, `the input has no column "nope"`},
		{t.Context(), DecideOptions{Input: filepath.Join(dir, "none"), Key: "id"}, "no such file"},
		{t.Context(), DecideOptions{Input: in.Path, Key: "id", Earlier: []string{filepath.Join(dir, "damaged.parquet")}}, "earlier runs"},
		{cancelled, DecideOptions{Input: in.Path, Key: "id"}, "context canceled"},
	} {
		c.o.Out, c.o.TempDir = out, t.TempDir()
		_, err := Decide(c.ctx, c.o)
		require.ErrorContains(t, err, c.want)
		files, err := os.ReadDir(filepath.Dir(out))
		require.NoError(t, err)
		require.Empty(t, files)
	}
}

// What a cancelled batch had is not done; what another had, is.
func TestRowsOfCancelledBatchesAreNotDone(t *testing.T) {
	t.Parallel()
	results := filepath.Join(t.TempDir(), "results.parquet")
	mustDuck(t, `copy (select * from (values
		('a', 'done', 'R1', timestamptz '2026-03-01 10:00:00+00', 'B1:0'), ('b', 'done', 'R1', timestamptz '2026-03-01 10:00:00+00', 'B2:0'),
		('c', 'done', 'R1', timestamptz '2026-03-01 10:00:00+00', null), ('d', 'in_doubt', 'R1', timestamptz '2026-03-01 10:00:00+00', ''),
		('e', 'done', 'R1', timestamptz '2026-03-01 10:00:00+00', 'B1:10'), ('f', 'done', 'R1', timestamptz '2026-03-01 10:00:00+00', 'B11:0')
		) r(key, state, run_id, finished_at, ref)) to `+literal(results))
	in := mustTake(t, Spec{CSV: "r.csv"}, Options{Dir: mustWrite(t, map[string]string{"r.csv": "id\na\nb\nc\nd\ne\nf\n"})}, "id")
	out := filepath.Join(t.TempDir(), "fates.parquet")
	decided, err := Decide(t.Context(), DecideOptions{
		Input: in.Path, Key: in.Key, Earlier: []string{results}, Cancelled: []string{"B1", "it's"}, Out: out, TempDir: t.TempDir(),
	})
	require.NoError(t, err)
	assert.Equal(t, Decided{Skipped: 3, InDoubt: 1}, decided)
	fates := mustReadFates(t, in.Path, out, 0)
	assert.NotContains(t, fates, int64(0))
	assert.NotContains(t, fates, int64(4))
}
