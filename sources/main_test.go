package sources

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustWrite writes files into a new folder and returns it.
func mustWrite(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// mustRead returns the columns and all rows of a source.
func mustRead(t testing.TB, s Spec, o Options) ([]Column, []Row) {
	t.Helper()
	columns, rows, err := read(t, s, o)
	require.NoError(t, err)
	return columns, rows
}

func read(t testing.TB, s Spec, o Options) ([]Column, []Row, error) {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	rows, err := Open(t.Context(), s, o)
	if err != nil {
		return nil, nil, err
	}
	var all []Row
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			require.NoError(t, rows.Close())
			return nil, nil, err
		}
		all = append(all, row)
	}
	columns := rows.Columns()
	require.NoError(t, rows.Close())
	left, err := os.ReadDir(o.TempDir)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files are left")
	return columns, all, nil
}

// mustTake takes a source down into a new folder.
func mustTake(t testing.TB, s Spec, o Options, key string) Intake {
	t.Helper()
	in, err := take(t.Context(), t, s, o, key)
	require.NoError(t, err)
	return in
}

func take(ctx context.Context, t testing.TB, s Spec, o Options, key string) (Intake, error) {
	t.Helper()
	rows, err := Open(ctx, s, o)
	if err != nil {
		return Intake{}, err
	}
	defer func() { require.NoError(t, rows.Close()) }()
	return TakeDown(ctx, rows, filepath.Join(t.TempDir(), "input.parquet"), TakeOptions{Key: key})
}

// mustReadBack returns the rows of an input from a row on.
func mustReadBack(t testing.TB, path string, from int64) []Row {
	t.Helper()
	in, err := OpenInput(path, "", from)
	require.NoError(t, err)
	var all []Row
	for {
		row, fate, err := in.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Nil(t, fate)
		all = append(all, row)
	}
	require.NoError(t, in.Close())
	return all
}

func no() *bool { b := false; return &b }

// column returns the values of one column.
func column(rows []Row, i int) []string {
	var values []string
	for _, r := range rows {
		values = append(values, r.Values[i])
	}
	return values
}
