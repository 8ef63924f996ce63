package sinks

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"convbatch/pipeline"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStoreIsMadeForItsOwnerAndOpensAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		s, err := OpenStore(dir)
		require.NoError(t, err)
		assert.Equal(t, dir, s.Dir())
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	marker, err := os.ReadFile(filepath.Join(dir, "store"))
	require.NoError(t, err)
	assert.Equal(t, "batch store, format 1\n", string(marker))
}

func TestAStoreThatCanNotBeSaysWhy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := OpenStore(file)
	require.ErrorContains(t, err, "is not a folder")
	_, err = OpenStore(filepath.Join(file, "below"))
	require.ErrorContains(t, err, "not a directory")
	for _, name := range []string{"what?", `back\slash`} {
		_, err = OpenStore(filepath.Join(t.TempDir(), name))
		require.ErrorContains(t, err, "a question mark or a backslash")
	}

	dir := t.TempDir()
	marker := filepath.Join(dir, "store")
	require.NoError(t, os.WriteFile(marker, []byte("batch store, format 2\n"), 0o600))
	_, err = OpenStore(dir)
	var version *VersionError
	require.ErrorAs(t, err, &version)
	assert.Equal(t, 2, version.Found)
	require.NoError(t, os.WriteFile(marker, []byte("groceries\n"), 0o600))
	_, err = OpenStore(dir)
	require.ErrorContains(t, err, "is "+dir+" the right folder?")
}

func TestAStoreThatCanOnlyBeReadIsRead(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Log("root writes anywhere: what refuses to be written is imitated by a file in the folder's place")
	}
	s := mustOpenStore(t)
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir(), "jobs"), 0o700))
	require.NoError(t, os.WriteFile(s.JobDir("offer"), nil, 0o600))
	_, err := s.Ledger(t.Context(), "offer")
	require.ErrorContains(t, err, "folder of job offer")
	again, err := OpenStore(s.Dir())
	require.NoError(t, err)
	jobs, err := again.Jobs()
	require.NoError(t, err)
	assert.Empty(t, jobs)
}

func TestAStatusIsReadWhileTheJobRunsAndAfter(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	none, err := s.Statuses()
	require.NoError(t, err)
	assert.Empty(t, none)
	l := mustLedger(t, s, "offer")
	require.NoError(t, l.WriteStatus(map[string]string{"waits_for": "the app's queue"}))
	mustBegin(t, l, "R1")
	for _, pid := range []int{os.Getpid(), 0} {
		all, err := s.Statuses()
		require.NoError(t, err)
		require.Len(t, all, 1)
		assert.Equal(t, "offer", all[0].Job)
		assert.Equal(t, pid, all[0].PID)
		assert.JSONEq(t, `{"waits_for":"the app's queue"}`, string(all[0].Said))
		assert.False(t, all[0].Written.IsZero())
		runs, err := s.Runs("")
		require.NoError(t, err)
		require.Len(t, runs, 1)
		assert.Equal(t, map[bool]RunState{true: Running, false: Interrupted}[pid != 0], runs[0].State)
		require.NoError(t, l.Close())
	}
}

func TestResultsOfARunThatDiedAreBroughtIntoTheirPlace(t *testing.T) {
	t.Parallel()
	s := mustOpenStore(t)
	l := mustLedger(t, s, "offer")
	mustBegin(t, l, "R1")
	require.NoError(t, l.Sink("R1", nil).Commit(t.Context(), pipeline.Commit{
		Outcomes: append(outcomesOf(0, 3), outcomesOf(5, 6)...), Mark: 3, Claim: &pipeline.Claim{Range: pipeline.Range{From: 0, To: 10}}}))
	require.NoError(t, errors.Join(l.Sending(4), l.Sending(5)))
	files, err := s.Results(t.Context(), "offer", "R1")
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Empty(t, files, "and beside it what is published")
	require.NoError(t, l.Close()) // without Finish, as when the process dies

	files, err = s.Results(t.Context(), "offer", "R1")
	require.NoError(t, err)
	require.Len(t, files, 1)
	again, err := s.Results(t.Context(), "offer", "R1")
	require.NoError(t, err)
	assert.Equal(t, files, again)
	runs, err := s.Runs("offer")
	require.NoError(t, err)
	assert.Equal(t, Interrupted, runs[0].State)
	assert.Equal(t, int64(4), runs[0].Done)

	l = mustLedger(t, s, "offer")
	p, err := l.Resume(t.Context(), "R1")
	require.NoError(t, err)
	assert.Equal(t, &Position{Mark: 3, NextSeq: 10, Settled: []pipeline.Range{{From: 5, To: 6}}, Claims: []pipeline.Claim{{Range: pipeline.Range{From: 4, To: 6}}}}, p)
	none, err := s.ResultFiles("offer", "R") // a run whose id another's begins with
	require.NoError(t, err)
	assert.Empty(t, none)
	none, err = s.Results(t.Context(), "unknown", "R1")
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestRunsHaveTheContractsNames(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(Run{StartedAt: noon})
	require.NoError(t, err)
	assert.Equal(t, `{"job":"","run_id":"","kind":"","state":"","resumed":0,"rows":0,"done":0,"failed":0,"invalid":0,"suppressed":0,`+
		`"skipped":0,"in_doubt":0,"records":0,"requests":0,"retries":0,"throttled":0,"started_at":"2026-03-01T12:00:00Z","elapsed_s":0,"message":""}`, string(data))
}
