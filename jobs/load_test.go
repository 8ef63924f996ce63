package jobs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/client"
	"convbatch/sources"
)

const goodAPI = `version: 1
api: {project: "${PROJECT}", region: eu, key_id: k, key_secret: "${KEY_SECRET}"}
`

const goodFile = goodAPI + `
jobs:
  nightly:
    kind: message_archive
    app: ${APP}
  offer:
    kind: bulk_send
    app: 01HAPP00000000000000000002
    from: {csv: recipients.csv, header: false, columns: [phone, name]}
    key: phone
    limits: {requests: 600/m, in_flight: "${COUNT}"}
    stop_after: 5%
    request: {message: {text_message: {text: "Hi {{.name}}"}}}
`

func mustWrite(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func mustLoad(t *testing.T, text string) *File {
	t.Helper()
	file, err := Load(mustWrite(t, "jobs.yaml", text, 0o600), testEnv)
	require.NoError(t, err)
	mustFitSchema(t, text)
	return file
}

func loadProblems(t *testing.T, text string) Problems {
	t.Helper()
	_, err := Load(mustWrite(t, "jobs.yaml", text, 0o600), testEnv)
	var problems Problems
	require.ErrorAs(t, err, &problems)
	return problems
}

func TestAGoodFileIsLoadedWithItsDefaults(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, goodFile)
	assert.Empty(t, f.Warnings)
	assert.Equal(t, API{
		Project: "project-1", Region: "eu", KeyID: "k", KeySecret: client.Secret("hunter3"),
		Auth: "oauth2", Timeout: 30 * time.Second,
	}, f.API)
	assert.Equal(t, filepath.Join(f.Dir, "batch-data"), f.StorePath())
	assert.Equal(t, Limits{Requests: 800, InFlight: 64}, f.Limits)
	assert.Equal(t, Retry{Attempts: 8, First: Duration(500 * time.Millisecond), Max: Duration(time.Minute)}, f.Retry)
	assert.Equal(t, []string{"nightly", "offer"}, f.Names(), "in the order of the file")

	nightly, ok := f.Job("nightly")
	require.True(t, ok)
	assert.Equal(t, "01HAPP00000000000000000001", nightly.App)
	assert.Equal(t, Limits{Requests: NoLimit, InFlight: 64}, nightly.Limits)
	assert.True(t, nightly.StopAfter.IsZero())
	assert.Equal(t, Duration(180*24*time.Hour), nightly.Spec.(*MessageArchive).Since)

	offer, ok := f.Job("offer")
	require.True(t, ok)
	assert.Equal(t, "01HAPP00000000000000000002", offer.App)
	assert.Equal(t, Limits{Requests: 10, InFlight: 7}, offer.Limits)
	assert.Equal(t, Share{Percent: 5}, offer.StopAfter)
	header := false
	spec := offer.Spec.(*BulkSend)
	assert.Equal(t, sources.Spec{CSV: "recipients.csv", Header: &header, Columns: []string{"phone", "name"}}, spec.From)
	assert.Equal(t, "single", spec.Mode)

	_, ok = f.Job("other")
	assert.False(t, ok)
}

func TestTextsStayAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"+491701234567", "012", "1e3", "0x10", "yes", "2026-01-02", "1_000", "true"} {
		f := mustLoad(t, strings.Replace(goodFile, "key: phone", "key: "+text, 1))
		offer, _ := f.Job("offer")
		assert.Equal(t, text, offer.Spec.(*BulkSend).Key)
	}
}

func TestAMarkAndLineEndsOfOtherSystemsAreTaken(t *testing.T) {
	t.Parallel()
	assert.Len(t, mustLoad(t, "\ufeff"+goodFile).Jobs, 2)
	assert.Len(t, mustLoad(t, strings.ReplaceAll(goodFile, "\n", "\r\n")).Jobs, 2)
	problems := loadProblems(t, strings.ReplaceAll("\ufeff# first\n"+goodFile+"strore: x\n", "\n", "\r\n"))
	require.Len(t, problems, 1)
	assert.Equal(t, 1+strings.Count(goodFile, "\n")+1, problems[0].Line)
	assert.Equal(t, "strore: x", problems[0].Source)
}

func TestAnAliasStandsForAWholeValue(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, strings.Replace(goodFile, "request: {", "request: &body {", 1)+`
  other:
    kind: bulk_send
    app: 01HAPP00000000000000000002
    from: {csv: others.csv}
    key: phone
    request: *body
`)
	digest := func(name string) string {
		j, _ := f.Job(name)
		return j.Spec.(*BulkSend).request.Digest()
	}
	assert.Equal(t, digest("offer"), digest("other"))
}

func TestASecretInTheFileIsAWarning(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"hunter2",             // as it is
		"hunt${EMPTY}er2",     // in part
		"${NOT_SET:-hunter2}", // as a default
	} {
		f := mustLoad(t, strings.Replace(goodFile, "${KEY_SECRET}", text, 1))
		assert.Equal(t, "hunter2", f.API.KeySecret.Reveal())
		require.Len(t, f.Warnings, 1)
		assert.Contains(t, f.Warnings[0].Error(), "api.key_secret: the secret stands in the file")
		assert.NotContains(t, f.Warnings[0].Error(), "hunter")
		assert.NotContains(t, fmt.Sprintf("%+v %#v", *f, f.API), "hunter")
	}
}

func TestASecretIsReadFromItsFile(t *testing.T) {
	t.Parallel()
	load := func(text string, mode os.FileMode) (*File, error) {
		secret := mustWrite(t, "key", text, mode)
		file := strings.Replace(goodFile, `"${KEY_SECRET}"`, `{file: "`+secret+`"}`, 1)
		return Load(mustWrite(t, "jobs.yaml", file, 0o600), testEnv)
	}
	f, err := load("hunter2\n", 0o600)
	require.NoError(t, err)
	assert.Equal(t, "hunter2", f.API.KeySecret.Reveal())
	assert.Empty(t, f.Warnings)

	f, err = load("hunter2\r\n", 0o644)
	require.NoError(t, err)
	assert.Equal(t, "hunter2", f.API.KeySecret.Reveal())
	require.Len(t, f.Warnings, 1)
	assert.Contains(t, f.Warnings[0].Error(), "others can read the file of the secret (mode 0644); chmod 600 it")

	for text, want := range map[string]string{
		"":                                 "is empty",
		"\n":                               "is empty",
		"hunter2\nhunter3\n":               "more than one line",
		strings.Repeat("x", maxSecret+100): "more than one line",
	} {
		_, err = load(text, 0o600)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "hunter")
	}
}

func TestAFileOfTheSecretIsFoundFromTheJobFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("hunter2"), 0o600))
	path := filepath.Join(dir, "jobs.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(goodFile, `"${KEY_SECRET}"`, `{file: key}`, 1)), 0o600))
	f, err := Load(path, testEnv)
	require.NoError(t, err)
	assert.Equal(t, "hunter2", f.API.KeySecret.Reveal())
}

func TestAPlainAddressIsRefusedUnlessItIsThisMachine(t *testing.T) {
	t.Parallel()
	with := func(url string) string {
		return strings.Replace(goodFile, "region: eu", `region: eu, urls: {batch: "`+url+`"}`, 1)
	}
	load := func(url string) *File { return mustLoad(t, with(url)) }
	assert.Empty(t, load("http://127.0.0.1:8080/").Warnings)
	assert.Empty(t, load("https://gateway.example").Warnings)
	assert.Equal(t, "http://127.0.0.1:8080", load("http://127.0.0.1:8080/").API.URLs.Batch)
	for _, url := range []string{"http://gateway.example", "http://127.gateway.example", "http://10.0.0.1"} {
		_, err := Load(mustWrite(t, "jobs.yaml", with(url), 0o600), testEnv)
		require.Error(t, err, url)
		assert.Contains(t, err.Error(), "api.urls.batch: must be https", url)
	}
}

func TestAFileThatCanNotBeReadIsSaidSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	require.NoError(t, os.WriteFile(big, make([]byte, maxFile+1), 0o600))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "there is no such file",
		dir:                             "is a folder",
		big:                             "is larger than a job file can be (1 MiB)",
		"bad\x00name":                   "can not be opened",
	} {
		_, err := Load(path, testEnv)
		require.ErrorContains(t, err, want)
		assert.Equal(t, 1, strings.Count(err.Error()+"\n", "\n"), "no line is shown")
	}
}

func TestAProblemCanBeReportedAtAKeyAfterLoading(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, goodFile)
	offer, _ := f.Job("offer")
	p := offer.Problem("request.message.text_message", "is odd")
	assert.Equal(t, "jobs.offer.request.message.text_message", p.Path)
	assert.Contains(t, p.Source, "text_message: {text")
	assert.Equal(t, 39, p.Column)

	p = offer.Problem("hours.from", "is missing") // nothing of it is in the file
	assert.Contains(t, p.Source, "offer:")
	p = offer.Problem("", "is odd")
	assert.Equal(t, "jobs.offer", p.Path)
	p = offer.Problem("from.columns[1]", "is odd")
	assert.Contains(t, p.Error(), "jobs.offer.from.columns[1]: is odd")
	assert.Equal(t, strings.Index(p.Source, "name]")+1, p.Column)
}

func TestNoSecretIsShownWhereverItStands(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"key_secret: hunter2",
		"{key_id: x, key_secret: hunter2, region: eu}",
		`"key_secret" : "hunter2"`,
		"key_secret: |\n  hunter2\n  hunter3\nnext: 1",
		"key_secret:\n  hunter2",
		"api:\n  key_secret: |\n  hunter2", // which is not indented enough
		"api:\n  key_secret: >-\n  hunter2",
		"api:\n  key_secret: # the key\n  hunter2",
		"api:\n  key_secret: &a !!str |- # the key\n  hunter2",
		"key_secret: \"hun\nhunter2\"",
		"? key_secret\n: hunter2",
		"key-secret: hunter2",
		"key_scret: hunter2",
		"keysecret: hunter2",
		"client_secret: hunter2",
		"password: hunter2",
		"token: https://me:hunter2@host/x",
		"api: {key_secret:\nhunter2}",
		"- {channel: SMS, static_bearer: {claimed_identity: X, token: \"${T:-hunter2}\"}}",
		"mms_credentials: {api_key: hunter2}",
		"  aes-key: >-\n    hunter2",
	} {
		shown := strings.Join(maskSecrets(strings.Split(text, "\n")), "\n")
		assert.NotContains(t, shown, "hunter", text)
	}
	for _, text := range []string{
		"key_secret: ${KEY_SECRET}",
		`key_secret: "${KEY_SECRET}" # from the vault`,
		"key_id: abc",
		"token: https://host/oauth2/token",
		"- retry: {first: 1s}",
		"  token: \"${TOKEN}\"",
		"text: read about the token",
	} {
		assert.Equal(t, text, strings.Join(maskSecrets(strings.Split(text, "\n")), "\n"))
	}
	after := maskSecrets([]string{"api:", "  key_secret: |", "    hunter2", "  region: eu"})
	assert.Equal(t, []string{"api:", "  key_secret: ***", "    ***", "  region: eu"}, after)
}

func TestProblemsArePrintedInTheOrderOfTheFileAndOnce(t *testing.T) {
	t.Parallel()
	a := Problem{File: "f", Line: 2, Column: 1, Message: "a", Source: "x"}
	b := Problem{File: "f", Line: 1, Column: 3, Path: "p", Message: "b", Hint: "h", Source: "\tlong\x1b[2J"}
	assert.Equal(t, "f:1:3: p: b; h\n    1 | \tlong\uFFFD[2J\n      | \t ^\nf:2:1: a\n    2 | x\n      | ^", Problems{a, b, a}.Error())
	long := Problem{File: "f", Line: 1, Column: 500, Message: "m", Source: strings.Repeat("é", 499) + "X" + strings.Repeat("é", 500)}
	lines := strings.Split(long.Error(), "\n")
	assert.Equal(t, 'X', []rune(lines[1])[len([]rune(lines[2]))-1], "the caret stands under the column")
}

// Files that are made to be slow are refused in a moment. A quarter of the
// largest is enough to see what grows faster than the file.
func TestNoFileTakesLongToLoad(t *testing.T) {
	t.Parallel()
	many := func(line string) string {
		var b strings.Builder
		for i := 0; b.Len() < maxFile/4; i++ {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"jobs without keys": goodAPI + "jobs:\n" + many("  j%d: {}\n"),
		"unknown keys":      goodAPI + many("k%d: 1\n"),
		"bad values":        goodAPI + "jobs:\n  a:\n    kind: bulk_send\n    request:\n" + many("      k%d: 012\n"),
		"templates":         goodAPI + "jobs:\n  a:\n    kind: bulk_send\n    request:\n" + many("      k%d: '{{.a}}{{$.b | lower}}'\n"),
		"long keys":         goodAPI + many("? "+strings.Repeat("k", 1<<16)+"%d\n: 1\n"),
		"deep aliases":      "a0: &a0 [x]\n" + many("a%[1]d: &b%[1]d [*a0]\n"),
		"brackets":          strings.Repeat("[", maxFile-1),
		"one line":          strings.Repeat("x", maxFile-1),
		"secrets":           many("key_secret%d: x\n"),
	} {
		began := time.Now()
		problems := loadProblems(t, text)
		assert.LessOrEqual(t, len(problems), maxProblems+1, name)
		assert.NotEmpty(t, problems.Error())
		assert.Less(t, time.Since(began), 30*time.Second, name)
	}
}
