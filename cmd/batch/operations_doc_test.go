package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

var fenced = regexp.MustCompile("(?ms)^```([^\n]+)\n(.*?)^```$")

// operationsBlocks are the blocks of docs/OPERATIONS.md of a language, and its text.
func operationsBlocks(t *testing.T, language string) (blocks []string, text string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATIONS.md"))
	require.NoError(t, err)
	for _, m := range fenced.FindAllStringSubmatch(string(raw), -1) {
		require.Contains(t, []string{"sh", "yaml", "yaml jobs", "ini", "crontab", "promql"}, m[1], "a block that no test reads")
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	require.NotEmpty(t, blocks, language)
	return blocks, string(raw)
}

// What the page says to type works, in the order of the page.
func TestTheShellOfTheOperationsPageRuns(t *testing.T) {
	t.Parallel()
	blocks, _ := operationsBlocks(t, "sh")
	w := newWorkbench(t, emulator.Options{Messages: 50, Conversations: 5, Contacts: 5}, "", strings.Replace(archiveJob, "archive:", "nightly-archive:", 1))
	heart := newTold(t)
	cmd := w.bash("-euo", "pipefail", "-c", strings.Join(blocks, "\n"))
	cmd.Env = append(cmd.Env, "STORE="+filepath.Join(w.dir, "store"), "METRICS="+filepath.Join(w.dir, "batch.prom"), "HEARTBEAT="+heart.URL+"/uuid")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	paths, _ := heart.all()
	assert.Equal(t, []string{"POST /uuid"}, paths)
	assert.Contains(t, w.read("batch.prom"), `batch_run_state{job="nightly-archive",state="completed"} 1`)
	assert.FileExists(t, filepath.Join(w.dir, "restored", "jobs", "nightly-archive", "ledger.duckdb"))
}

// While a copy holds the lock, a run says that the job is taken.
func TestACopyKeepsAJobOff(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 1)
	require.Zero(t, w.here("run", "send").code)
	cmd := exec.Command("flock", "-n", filepath.Join(w.dir, "store", "jobs", "send", "lock"), "sh", "-c", "echo held; read _")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 5))
	require.NoError(t, err)
	assert.Equal(t, exitLocked, w.here("run", "send").code)
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	assert.Zero(t, w.here("run", "send").code)
}

func TestTheJobFilesOfTheOperationsPageAreRight(t *testing.T) {
	t.Parallel()
	blocks, _ := operationsBlocks(t, "yaml jobs")
	for _, block := range blocks {
		dir := t.TempDir()
		for name, text := range map[string]string{"jobs.yaml": block, "sinch-key-secret": "not-a-secret\n", "recipients.csv": "phone,name\n+46700000001,Ada\n"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		file, err := jobs.Load(filepath.Join(dir, "jobs.yaml"), func(name string) (string, bool) {
			return map[string]string{
				"SINCH_PROJECT_ID": "project", "SINCH_KEY_ID": "key", "SINCH_KEY_SECRET": "secret", "SINCH_APP_ID": "01E9DQJFPWGZ2N05JQAQK1K6XN", "CREDENTIALS_DIRECTORY": dir,
				"BATCH_HASH_SECRET": strings.Repeat("0123456789abcdef", 4),
			}[name], true
		})
		require.NoError(t, err, block)
		assert.Empty(t, file.Warnings)
	}
}

// Of two that are in the list, the one who got a message since is left out.
func TestWhoGotSomethingSinceTheBackupIsLeftOut(t *testing.T) {
	t.Parallel()
	blocks, _ := operationsBlocks(t, "yaml jobs")
	var file struct{ Jobs map[string]yaml.Node }
	require.NoError(t, yaml.Unmarshal([]byte(blocks[1]), &file))
	node := file.Jobs["spring-offer"]
	text, err := yaml.Marshal(&node)
	require.NoError(t, err)
	spring := "spring-offer:\n" + indent(strings.NewReplacer("${SINCH_APP_ID}", "APP", "'2026-11-20'", "'2020-01-01'").Replace(string(text)))
	w := newWorkbench(t, emulator.Options{}, "", sendJob+archiveJob+spring)
	w.recipients("recipients.csv", 1)
	require.Zero(t, w.here("run", "send").code)
	for len(w.queryHere("FROM messages")) == 0 { // the youngest messages are left to the next run
		_, r := w.runHere("archive")
		require.Zero(t, r.code, r.stderr)
	}
	w.recipients("recipients.csv", 2)
	s, r := w.runHere("spring-offer")
	require.Zero(t, r.code, r.stderr)
	assert.EqualValues(t, 1, s.Rows)
	w.assertAcceptedOnce(2)
}

// Every command line of cron, of a unit and of a manifest has flags that there are.
func TestTheUnitsAndManifestsOfTheOperationsPageAreRight(t *testing.T) {
	t.Parallel()
	var lines [][]string
	units, _ := operationsBlocks(t, "ini")
	for _, unit := range units {
		section := ""
		for line := range strings.SplitSeq(strings.TrimSpace(unit), "\n") {
			key, value, _ := strings.Cut(line, "=")
			switch {
			case line == "", strings.HasPrefix(line, "#"):
			case regexp.MustCompile(`^\[(Unit|Service|Timer|Install)\]$`).MatchString(line):
				section = line
			default:
				require.Regexp(t, `^[A-Z][A-Za-z]+=\S`, line)
				require.NotEmpty(t, section)
			}
			if key == "ExecStart" {
				lines = append(lines, strings.Fields(strings.TrimPrefix(value, "/usr/local/bin/batch ")))
			}
		}
	}
	tables, _ := operationsBlocks(t, "crontab")
	for line := range strings.SplitSeq(tables[0], "\n") {
		if _, args, is := strings.Cut(line, " batch "); is && !strings.HasPrefix(line, "#") {
			require.Regexp(t, `^([0-9*]+ ){5}\S`, line)
			lines = append(lines, strings.Fields(args))
		}
	}
	lines = append(lines, manifestLine(t))
	require.Len(t, lines, 4)
	for _, line := range lines {
		at := slices.IndexFunc(line, func(word string) bool { return word == "run" || word == "prune" })
		require.Positive(t, at+1, line)
		r := inProcess(t, program{}, slices.Insert(line, at+1, "--help")...)
		assert.Zero(t, r.code, "%s: %s", line, r.stderr)
	}
}

// manifestLine are the arguments of the CronJob, whose grace is looked at too.
func manifestLine(t *testing.T) []string {
	t.Helper()
	blocks, _ := operationsBlocks(t, "yaml")
	require.Len(t, blocks, 1)
	var m struct {
		Kind string
		Spec struct {
			ConcurrencyPolicy string `yaml:"concurrencyPolicy"`
			JobTemplate       struct {
				Spec struct {
					Template struct {
						Spec struct {
							Grace      int `yaml:"terminationGracePeriodSeconds"`
							Containers []struct {
								Args         []string
								VolumeMounts []struct{ Name string } `yaml:"volumeMounts"`
							}
							Volumes []struct{ Name string }
						}
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(blocks[0]), &m))
	pod := m.Spec.JobTemplate.Spec.Template.Spec
	assert.Equal(t, "CronJob", m.Kind)
	assert.Equal(t, "Forbid", m.Spec.ConcurrencyPolicy)
	assert.GreaterOrEqual(t, pod.Grace, int(tellWhenStopped.Seconds())+30+10)
	require.Len(t, pod.Containers, 1)
	assert.Equal(t, pod.Volumes, pod.Containers[0].VolumeMounts, "what is mounted is there")
	return pod.Containers[0].Args
}

// The page names every metric, and no other.
func TestTheOperationsPageNamesTheMetrics(t *testing.T) {
	t.Parallel()
	_, text := operationsBlocks(t, "promql")
	var want []string
	described := make(chan *prometheus.Desc, 100)
	new(metrics).Describe(described)
	close(described)
	for d := range described {
		want = append(want, regexp.MustCompile(`fqName: "(batch_[a-z_]+)"`).FindStringSubmatch(d.String())[1])
	}
	got := regexp.MustCompile(`\bbatch_[a-z_]+\b`).FindAllString(text, -1)
	slices.Sort(got)
	slices.Sort(want)
	assert.Equal(t, want, slices.Compact(got))
}
