package jobs

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the messages that testdata/invalid wants anew")

// testEnv holds the variables that the job files of the tests may use.
func testEnv(name string) (string, bool) {
	value, set := map[string]string{
		"PROJECT":    "project-1",
		"KEY_ID":     "key-1",
		"KEY_SECRET": "hunter3",
		"EMPTY":      "",
		"YAML":       "{requests: 1/s} # ${KEY_SECRET} {{.name}}",
		"APP":        "01HAPP00000000000000000001",
		"COUNT":      "7",
		"COLUMN":     "first name",
	}[name]
	return value, set
}

// Each file of testdata/invalid is a broken job file with the exact text that
// its author is shown.
func TestInvalidJobFilesAreExplainedExactly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "testdata", "invalid")
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 30)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, err := Load(file, testEnv)
			var problems Problems
			require.ErrorAs(t, err, &problems)
			got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
			assert.NotContains(t, got, "hunter", "a secret is shown")
			want := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(want, []byte(got), 0o600))
			}
			text, err := os.ReadFile(want)
			require.NoError(t, err)
			assert.Equal(t, string(text), got)
		})
	}
}
