package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// again takes rows down once more and returns what is read back.
func again(t *testing.T, rows Rows, key string) (Intake, []Row) {
	t.Helper()
	in, err := TakeDown(t.Context(), rows, filepath.Join(t.TempDir(), "again.parquet"), TakeOptions{Key: key})
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	return in, mustReadBack(t, in.Path, 0)
}

func TestRowsWithKeysKeepTheirLines(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{
		"a.csv": "id,n\n1,a\n01,b\n2,c\n", "b.csv": "id,n\n\"x,y\",d\n1,e\n",
		"a.jsonl": "{\"id\":1}\n{\"id\":\"1\"}\n{\"id\":\"\\u0031\"}\n{\"id\":1.0}\n{\"id\":null}\n",
	})
	rows, err := Open(t.Context(), Spec{CSV: "*.csv"}, Options{Dir: dir})
	require.NoError(t, err)
	k := WithKeys(rows, "id", []string{"x,y", "1", "3", "0"})
	in, got := again(t, k, "id")
	assert.Equal(t, []string{"0", "3"}, k.Missing())
	require.Len(t, got, 3)
	assert.Equal(t, []string{"a", "d", "e"}, column(got, 1))
	for i, want := range []Row{{Seq: 0, Line: 2, File: "a.csv"}, {Seq: 1, Line: 2, File: "b.csv"}, {Seq: 2, Line: 3, File: "b.csv"}} {
		assert.Equal(t, want, Row{Seq: got[i].Seq, Line: got[i].Line, File: got[i].File})
	}
	assert.Equal(t, mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "id").Columns, in.Columns)

	rows, err = Open(t.Context(), Spec{JSONL: "a.jsonl"}, Options{Dir: dir})
	require.NoError(t, err)
	_, got = again(t, WithKeys(rows, "id", []string{"1"}), "id")
	assert.Equal(t, []string{"1", `"1"`, `"\u0031"`}, column(got, 0), "keys are compared by their text")

	rows, err = Open(t.Context(), Spec{CSV: "a.csv"}, Options{Dir: dir})
	require.NoError(t, err)
	_, err = TakeDown(t.Context(), WithKeys(rows, "nope", []string{"1"}), filepath.Join(t.TempDir(), "x"), TakeOptions{Key: "nope"})
	require.ErrorContains(t, err, `the input has no column "nope"`)
	require.NoError(t, rows.Close())
}

func TestRowsAreGathered(t *testing.T) {
	t.Parallel()
	const n = 60_000 // over several row groups
	rows := &memoryRows{columns: []Column{{Name: "id"}}}
	for i := range n {
		rows.rows = append(rows.rows, Row{Line: int64(i%1000 + 2), File: fmt.Sprintf("%d.csv", i/1000), Values: []string{fmt.Sprint(i)}})
	}
	want := rows.rows
	in, err := TakeDown(t.Context(), rows, filepath.Join(t.TempDir(), "input.parquet"), TakeOptions{Key: "id"})
	require.NoError(t, err)
	for name, first := range map[string]func(i int) bool{
		"a few":  func(i int) bool { return i%17_000 == 16_999 },
		"most":   func(i int) bool { return i%3 != 0 },
		"all":    func(int) bool { return true },
		"none":   func(int) bool { return false },
		"behind": func(i int) bool { return i >= n/2 },
	} {
		opened, err := OpenInput(in.Path, "", 0)
		require.NoError(t, err)
		_, got := again(t, opened.Gathered(func(row Row) bool { return first(int(row.Seq)) }), "id")
		require.Len(t, got, n, name)
		at := 0
		for _, wanted := range []bool{true, false} {
			for i, row := range want {
				if first(i) == wanted {
					row.Seq = int64(at)
					require.Equal(t, row, got[at], name)
					at++
				}
			}
		}
	}
}

func TestAnInputIsTakenDownAgainInPart(t *testing.T) {
	t.Parallel()
	const n = 120_000 // fates over several row groups
	rows := &memoryRows{columns: []Column{{Name: "id"}, {Name: "v", JSON: true}}}
	for i := range n {
		rows.rows = append(rows.rows, Row{Line: int64(i + 2), File: "m", Values: []string{fmt.Sprint(i), fmt.Sprintf(`{"i":%d}`, i)}})
	}
	in, err := TakeDown(t.Context(), rows, filepath.Join(t.TempDir(), "input.parquet"), TakeOptions{Key: "id"})
	require.NoError(t, err)
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.parquet"), filepath.Join(dir, "2.parquet")
	states := "case when seq % 3 = 1 then 'failed' when seq % 3 = 2 then 'in_doubt' else 'done' end as state"
	mustDuck(t, fmt.Sprintf("copy (select range as seq, %s from range(50000, %d) order by seq desc) to %s", states, n, literal(first)))
	mustDuck(t, "copy (select range as seq, "+states+" from range(50000)) to "+literal(second))
	out := filepath.Join(dir, "fates.parquet")
	require.NoError(t, FatesOfRun(t.Context(), []string{first, second}, []string{"failed", "in_doubt"}, out, dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 3, "temporary files are left")

	opened, err := OpenInput(in.Path, out, 0)
	require.NoError(t, err)
	_, got := again(t, opened.Fated(), "id")
	require.Len(t, got, n/3*2)
	for i, row := range got {
		from := i/2*3 + 1 + i%2
		require.Equal(t, Row{Seq: int64(i), Line: int64(from + 2), File: "m", Values: []string{fmt.Sprint(from), fmt.Sprintf(`{"i":%d}`, from)}}, row)
	}

	opened, err = OpenInput(in.Path, out, 0)
	require.NoError(t, err)
	toSend := 0
	_, got = again(t, opened.Until(func(_ Row, fate *Fate) bool {
		if fate == nil {
			toSend++
		}
		return toSend == 3
	}), "id")
	assert.Len(t, got, 7, "seq 0, 3 and 6 have no fate")

	require.NoError(t, FatesOfRun(t.Context(), nil, []string{"failed"}, out, dir))
	opened, err = OpenInput(in.Path, out, 0)
	require.NoError(t, err)
	_, got = again(t, opened.Fated(), "id")
	assert.Empty(t, got)
	require.Error(t, FatesOfRun(t.Context(), []string{in.Path + "none"}, []string{"failed"}, out, dir))
}

func TestDoubtIsDecidedByAPerson(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id\ndoubt\ndone\nfailed\nboth\ndoubt\nnew\n"})
	in := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "id")
	earlier := mustResults(t, "doubt in_doubt R1 10", "done done R1 10", "failed failed R1 10", "both done R1 10", "both in_doubt R2 11")
	skipped, again := Fate{"skipped", "done in run R1 at 2026-03-01T10:00:00Z"}, Fate{"invalid", "duplicate key: first on line 2"}
	for name, c := range map[string]struct {
		o    DecideOptions
		want map[int64]Fate
	}{
		"left alone": {DecideOptions{}, map[int64]Fate{0: {"in_doubt", "in doubt since run R1; not repeated"}, 1: skipped, 3: skipped, 4: again}},
		"sent again": {DecideOptions{Resend: true}, map[int64]Fate{1: skipped, 3: skipped, 4: again}},
		"by hand":    {DecideOptions{ByHand: "it's done"}, map[int64]Fate{0: {"done", "it's done"}, 1: skipped, 3: skipped, 4: again}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Input, c.o.Key, c.o.Earlier = in.Path, "id", []string{earlier}
			c.o.Out, c.o.TempDir = filepath.Join(t.TempDir(), "fates"), t.TempDir()
			_, err := Decide(t.Context(), c.o)
			require.NoError(t, err)
			assert.Equal(t, c.want, mustReadFates(t, in.Path, c.o.Out, 0))
		})
	}
}

// A key that failed and is in doubt since was not refused last, whatever the
// clock said in between.
func TestTheOrderOfRunsIsNotThatOfTheClock(t *testing.T) {
	t.Parallel()
	dir := mustWrite(t, map[string]string{"a.csv": "id\na\nb\n"})
	in := mustTake(t, Spec{CSV: "a.csv"}, Options{Dir: dir}, "id")
	earlier := mustResults(t, "a failed R1 12", "a in_doubt R2 11", "b in_doubt R0 13", "b failed R1 12")
	for name, c := range map[string]struct {
		runs []string
		want map[int64]Fate
	}{
		"by the clock alone":        {nil, map[int64]Fate{1: {"in_doubt", "in doubt since run R0; not repeated"}}},
		"as they began":             {[]string{"R0", "R1", "R2"}, map[int64]Fate{0: {"in_doubt", "in doubt since run R2; not repeated"}}},
		"of a ledger that was lost": {[]string{"R1", "R2"}, map[int64]Fate{0: {"in_doubt", "in doubt since run R2; not repeated"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "fates")
			_, err := Decide(t.Context(), DecideOptions{Input: in.Path, Key: "id", Earlier: []string{earlier}, Runs: c.runs, Out: out, TempDir: t.TempDir()})
			require.NoError(t, err)
			assert.Equal(t, c.want, mustReadFates(t, in.Path, out, 0))
		})
	}
}
