package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowedImports is the table of docs/ARCHITECTURE.md.
var allowedImports = map[string][]string{
	"convbatch":                     {},
	"convbatch/pipeline":            {},
	"convbatch/ratelimit":           {},
	"convbatch/client":              {"internal/jsonscan", "internal/wire"},
	"convbatch/internal/wire":       {},
	"convbatch/sources":             {"internal/zstd"},
	"convbatch/sinks":               {"pipeline", "internal/zstd"},
	"convbatch/jobs":                {"pipeline", "client", "sources", "internal/jsonscan"},
	"convbatch/internal/bucket":     {},
	"convbatch/internal/emulator":   {},
	"convbatch/internal/jsonscan":   {},
	"convbatch/internal/faultproxy": {},
	"convbatch/internal/live":       {},
	"convbatch/internal/screen":     {},
	"convbatch/internal/prompt":     {},
	"convbatch/internal/report":     {},
	"convbatch/internal/s3test":     {},
	"convbatch/internal/zstd":       {},
	"convbatch/cmd/batch":           {"the root", "pipeline", "ratelimit", "client", "sources", "sinks", "jobs", "internal/bucket", "internal/emulator", "internal/live", "internal/prompt", "internal/report"},
}

// allowedLibraries keeps a library in the packages that ADR 4 names.
var allowedLibraries = map[string][]string{
	"github.com/urfave/cli/v2":              {"cmd/batch"},
	"golang.org/x/time/rate":                {"ratelimit"},
	"github.com/cenkalti/backoff/v4":        {"ratelimit", "internal/bucket"},
	"github.com/minio/minio-go/v7":          {"internal/bucket", "internal/s3test"},
	"golang.org/x/oauth2":                   {"client"},
	"go.yaml.in/yaml/v4":                    {"jobs"},
	"github.com/duckdb/duckdb-go/v2":        {"sinks", "sources"},
	"github.com/parquet-go/parquet-go":      {"sinks", "sources", "internal/zstd"},
	"github.com/DataDog/zstd":               {"internal/zstd"},
	"github.com/klauspost/compress":         {"sources"},
	"golang.org/x/text":                     {"sources"},
	"github.com/prometheus/client_golang":   {"cmd/batch"},
	"github.com/go-logr/logr":               {"cmd/batch"},
	"go.opentelemetry.io/otel":              {"cmd/batch"},
	"go.opentelemetry.io/proto/otlp":        {},
	"google.golang.org/protobuf":            {},
	"golang.org/x/term":                     {"cmd/batch", "internal/prompt"},
	"golang.org/x/sys":                      {"sinks", "cmd/batch"},
	"golang.org/x/net":                      {"internal/wire"},
	"github.com/mattn/go-runewidth":         {"sinks", "cmd/batch"},
	"github.com/oklog/ulid/v2":              {"cmd/batch", "internal/emulator"},
	"github.com/nyaruka/phonenumbers":       {"jobs"},
	"github.com/tidwall/gjson":              {"client", "jobs", "sources", "internal/emulator", "internal/jsonscan", "cmd/batch"},
	"github.com/cenkalti/backoff":           {"ratelimit", "internal/bucket"},
	"github.com/getkin/kin-openapi":         {},
	"github.com/stretchr/testify":           {},
	"go.uber.org/goleak":                    {},
	"pgregory.net/rapid":                    {},
	"github.com/rogpeppe/go-internal":       {},
	"golang.org/x/sync":                     {},
	"github.com/santhosh-tekuri/jsonschema": {},
}

func TestNoPackageImportsAgainstTheTable(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "convbatch/...").Output()
	require.NoError(t, err)
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		err := d.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		seen++
		allowed, known := allowedImports[pkg.ImportPath]
		if strings.HasPrefix(pkg.ImportPath, "convbatch/bench") {
			continue
		}
		require.True(t, known, "%s is not in the table of docs/ARCHITECTURE.md", pkg.ImportPath)
		name := strings.TrimPrefix(pkg.ImportPath, "convbatch/")
		for _, imported := range pkg.Imports {
			if imported == "convbatch" {
				imported += "/the root"
			}
			if ours, ok := strings.CutPrefix(imported, "convbatch/"); ok {
				assert.Contains(t, allowed, ours, "%s imports %s", name, imported)
				continue
			}
			checkLibrary(t, name, imported)
		}
	}
	assert.GreaterOrEqual(t, seen, len(allowedImports))
}

func checkLibrary(t *testing.T, name, imported string) {
	t.Helper()
	if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return // the standard library
	}
	for module, allowed := range allowedLibraries {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			assert.Contains(t, allowed, name, "%s imports %s", name, imported)
			return
		}
	}
	t.Errorf("%s imports %s, which docs/adr/0004-dependencies.md does not know", name, imported)
}
