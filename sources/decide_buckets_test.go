package sources

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plainly decides in the plainest way: with everything in memory.
func plainly(keys []string, results [][4]string) map[int64]Fate {
	type past struct{ done, doubt, last string }
	known := map[string]past{}
	for _, r := range results { // in the order of the runs
		p := known[r[0]]
		switch r[1] {
		case "done":
			if p.done == "" {
				p.done = r[2] + " at " + r[3]
			}
		case "in_doubt":
			if p.doubt == "" {
				p.doubt = r[2]
			}
		case "failed":
		default:
			continue
		}
		p.last = r[1]
		known[r[0]] = p
	}
	fates, first := map[int64]Fate{}, map[string]int{}
	for i, key := range keys {
		p := known[key]
		at, there := first[key]
		switch {
		case key == "":
			fates[int64(i)] = Fate{"invalid", "empty key"}
		case there:
			fates[int64(i)] = Fate{"invalid", fmt.Sprintf("duplicate key: first on line %d", at+2)}
		case p.done != "":
			fates[int64(i)] = Fate{"skipped", "done in run " + p.done}
		case p.last == "in_doubt":
			fates[int64(i)] = Fate{"in_doubt", "in doubt since run " + p.doubt + "; not repeated"}
		}
		if !there {
			first[key] = i
		}
	}
	return fates
}

// Keys meet whatever bucket they are in, and those of many buckets come out in
// the order of their rows.
func TestFatesAreThoseThatAreFoundInMemory(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	key := func() string {
		if n := random.IntN(6000); n > 0 {
			return fmt.Sprintf("key %d %s", n, strings.Repeat("x", n%50))
		}
		return ""
	}
	rows := &memoryRows{columns: []Column{{Name: "name"}, {Name: "id"}}}
	var keys []string
	for i := range 20_000 {
		keys = append(keys, key())
		rows.rows = append(rows.rows, Row{Line: int64(i + 2), Values: []string{"n", keys[i]}})
	}
	var results [][4]string
	var files, runs []string
	for run := range 3 {
		var values []string
		runs = append(runs, fmt.Sprint("R", run))
		of := map[string]bool{}
		for range 1500 {
			k := key()
			if k == "" || of[k] {
				continue
			}
			of[k] = true
			state := []string{"done", "failed", "in_doubt", "invalid"}[random.IntN(4)]
			at := time.Date(2026, 3, 1+run, 0, 0, random.IntN(3600), 0, time.UTC)
			results = append(results, [4]string{k, state, runs[run], at.Format(time.RFC3339)})
			values = append(values, fmt.Sprintf("(%s, '%s', '%s', timestamptz '%s')", literal(k), state, runs[run], at.Format(time.RFC3339)))
		}
		files = append(files, filepath.Join(t.TempDir(), "results.parquet"))
		mustDuck(t, "copy (select * from (values "+strings.Join(values, ", ")+") r(key, state, run_id, finished_at)) to "+literal(files[run]))
	}
	dir := t.TempDir()
	in, err := TakeDown(t.Context(), rows, filepath.Join(dir, "input.parquet"), TakeOptions{Key: "id"})
	require.NoError(t, err)
	want := plainly(keys, results)
	for _, perBucket := range []int64{bucketKeys, 1000, 10} {
		temp, out := t.TempDir(), filepath.Join(dir, "fates.parquet")
		decided, err := decide(t.Context(), DecideOptions{Input: in.Path, Key: "id", Earlier: files, Runs: runs, Out: out, TempDir: temp}, perBucket)
		require.NoError(t, err)
		require.Equal(t, want, mustReadFates(t, in.Path, out, 0))
		assert.Equal(t, int64(len(want)), decided.Duplicates+decided.Empty+decided.Skipped+decided.InDoubt)
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		require.Empty(t, left, "temporary files are left")
	}
}

func TestASpoolReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, records := range []int{0, 1, 10_000} { // the last goes to disk
		s := &spool{dir: t.TempDir()}
		for i := range records {
			s.numbers(int64(i), -int64(i)*1e12)
			s.text([]byte(strings.Repeat("é", i%40)))
			require.NoError(t, s.end())
		}
		r, err := s.reader()
		require.NoError(t, err)
		for i := range records {
			require.True(t, r.more())
			require.Equal(t, []int64{int64(i), -int64(i) * 1e12}, []int64{r.number(), r.number()})
			require.Equal(t, strings.Repeat("é", i%40), string(r.text()))
		}
		require.False(t, r.more())
		require.NoError(t, r.failed())
		require.NoError(t, s.close())
		left, err := os.ReadDir(s.dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestASpoolThatWasCutIsNotTakenForItsEnd(t *testing.T) {
	t.Parallel()
	s := &spool{dir: t.TempDir()}
	s.numbers(1 << 40)
	s.text([]byte("a key"))
	s.memory = s.memory[:len(s.memory)-2]
	r, err := s.reader()
	require.NoError(t, err)
	require.True(t, r.more())
	assert.Equal(t, int64(1<<40), r.number())
	r.text()
	require.False(t, r.more())
	require.ErrorContains(t, r.failed(), "unexpected EOF")
}
