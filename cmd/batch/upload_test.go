package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
	"convbatch/internal/s3test"
	"convbatch/sinks"
)

// triedTwice makes a bucket that does not answer be given up soon.
const triedTwice = "retry: {attempts: 2, first: 10ms, max: 20ms}\n"

// remote is where the jobs of a workbench upload to.
type remote struct {
	url      string
	env      []string
	download func(t *testing.T) (dir string) // what it has, in a folder
	gone     func() (back func())            // it does not answer any more
}

// remotes are the places that every test of uploads is made with: a folder, and
// with `make test-s3` a real server.
func remotes(t *testing.T) map[string]remote {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bucket")
	all := map[string]remote{"file": {
		url:      "file://" + dir,
		download: func(*testing.T) string { return dir },
		gone: func() func() { // a file in its place
			require.NoError(t, os.Rename(dir, dir+".gone"))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
			return func() {
				require.NoError(t, os.Remove(dir))
				require.NoError(t, os.Rename(dir+".gone", dir))
			}
		},
	}}
	if server := s3test.Start(t); server != nil {
		all["s3"] = remote{
			url: "s3://" + s3test.Bucket + "/some/where",
			env: server.Env(),
			download: func(t *testing.T) string {
				into := t.TempDir()
				server.Download("some/where/", into)
				return into
			},
			gone: func() func() { server.Stop(); return server.Begin },
		}
	}
	return all
}

// newUploadBench is a workbench whose jobs upload to a place.
func newUploadBench(t *testing.T, to remote, o emulator.Options, settings, jobsYAML string) *workbench {
	t.Helper()
	w := newWorkbench(t, o, triedTwice+"upload: "+to.url+"\n"+settings, jobsYAML)
	w.env = to.env
	return w
}

// parquetFiles returns the sizes of the datasets' and results' files in a folder.
func parquetFiles(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || d.IsDir() || !strings.HasPrefix(rel, "datasets/") && !strings.Contains(rel, "/results/") {
			return err
		}
		info, err := d.Info()
		all[rel] = info.Size()
		return err
	}))
	return all
}

// assertUploaded asserts that the place has the files of the store, no others,
// and in those below folder the same rows, each once, by the column key.
func (w *workbench) assertUploaded(t *testing.T, to remote, folder, key string) {
	t.Helper()
	dir, store := to.download(t), filepath.Join(w.dir, "store")
	require.NotEmpty(t, parquetFiles(t, store))
	assert.Equal(t, parquetFiles(t, store), parquetFiles(t, dir))
	var counts [][]map[string]any
	for _, root := range []string{store, dir} {
		args, files := []string{"sql", "--format", "json"}, []string{}
		for name := range parquetFiles(t, root) {
			if strings.HasPrefix(name, folder+"/") {
				path := filepath.Join(root, name)
				args, files = append(args, "--read", path), append(files, "'"+path+"'")
			}
		}
		query := fmt.Sprintf("select count(*) as n, count(distinct %[1]s) as keys, bit_xor(hash(f)) as rows from read_parquet([%[2]s], hive_partitioning = false) as f",
			key, strings.Join(files, ", "))
		counts = append(counts, w.batch(append(args, query)...).rows(t))
	}
	require.Equal(t, counts[0], counts[1])
	assert.NotZero(t, counts[0][0]["n"])
	assert.Equal(t, counts[0][0]["n"], counts[0][0]["keys"], "no row is there twice")
}

// Promises 1 and 2 hold for the bucket: whatever the moments of death, it has
// what the store has once the job was run to its end.
func TestKillsOfAnArchiveLeaveTheBucketAsTheStore(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := emulator.Options{Messages: 10_000, Conversations: 300, Contacts: 300, Latency: 10 * time.Millisecond}
			w := newUploadBench(t, to, o, "limits: {requests: 30/s, in_flight: 16}", archiveJob)
			w.killing("archive", 12, uint64(time.Now().UnixNano()), 900*time.Millisecond)
			s, r := w.run("archive")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.Equal(t, "completed", s.State)
			assertArchived(t, w)
			w.assertUploaded(t, to, "datasets/messages", "id")
		})
	}
}

func TestKillsOfASendLeaveTheBucketAsTheStore(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 12_000
			w := newUploadBench(t, to, emulator.Options{Latency: 5 * time.Millisecond}, "limits: {requests: 1500/s, in_flight: 32}", holdJob)
			w.recipients("recipients.csv", rows)
			w.killing("send", 8, uint64(time.Now().UnixNano()), 1500*time.Millisecond)
			s, r := w.run("send")
			require.Contains(t, []int{exitDone, exitIncomplete}, r.code, r.stderr)
			assert.EqualValues(t, rows, s.settled())
			w.assertUploaded(t, to, "jobs/send/results", "seq")
		})
	}
}

func TestABucketThatDoesNotAnswerRefusesTheRunBeforeItsFirstCall(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploadBench(t, to, emulator.Options{}, "", sendJob).asTested()
			w.recipients("recipients.csv", 5)
			if name == "file" {
				require.NoError(t, os.Mkdir(strings.TrimPrefix(to.url, "file://"), 0o700))
			}
			back := to.gone()
			s, r := w.run("send")
			require.Equal(t, exitFailed, r.code, r.stdout)
			assert.Contains(t, s.Message, "upload: put store into "+to.url+": ")
			hint := map[string]string{"file": "the folder of upload: has to be there", "s3": "right, and can it be reached from here?"}[name]
			assert.Contains(t, s.Message, hint)
			w.assertUntouched()
			back()
			s, r = w.run("send")
			require.Zero(t, r.code, r.stdout)
			assert.EqualValues(t, 5, s.Done)
			w.assertUploaded(t, to, "jobs/send/results", "seq")
		})
	}
}

// A bucket that goes away in the middle stops the run as a full disk does:
// nothing is lost, nothing is in doubt, and the same command goes on.
func TestABucketThatGoesAwayStopsTheRunAndItGoesOnWhenItIsBack(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 30_000
			w := newUploadBench(t, to, emulator.Options{Latency: 5 * time.Millisecond}, "limits: {requests: 4000/s, in_flight: 32}", sendJob)
			w.recipients("recipients.csv", rows)
			p := w.start("run", "--json", "send")
			w.accepts(2000)
			back := to.gone()
			r := p.end(time.Minute)
			require.Equal(t, exitFailed, r.code, "%s%s", r.stdout, r.stderr)
			s := r.summary(t)
			assert.Equal(t, "failed", s.State)
			assert.Contains(t, s.Message, "put jobs/send/results/")
			assert.Less(t, w.api.AcceptedCount(), rows, "it did not go on without keeping what it did")
			back()
			s, r = w.run("send")
			require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
			assert.EqualValues(t, rows, s.Done, "each call that came back was kept")
			assertOnce(t, w)
			w.assertUploaded(t, to, "jobs/send/results", "seq")
		})
	}
}

// What was written before upload: was set is brought by `batch upload`.
func TestUploadBringsWhatWasWrittenBefore(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploadBench(t, to, emulator.Options{Messages: 500, Conversations: 20, Contacts: 20}, "", archiveJob)
			w.edit("upload: "+to.url+"\n", "")
			r := w.batch("upload")
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.stderr, "jobs.yaml does not say where to; add upload: s3://BUCKET/PREFIX to it")
			_, r = w.run("archive")
			require.Zero(t, r.code, r.stderr)
			w.edit("store: ./store\n", "store: ./store\nupload: "+to.url+"\n")

			var plan, did, again sinks.Uploaded
			for _, c := range []struct {
				args []string
				into *sinks.Uploaded
			}{{[]string{"upload", "--json", "--dry-run"}, &plan}, {[]string{"upload", "--json"}, &did}, {[]string{"upload", "--json"}, &again}} {
				r := w.batch(c.args...)
				require.Zero(t, r.code, r.stderr)
				require.NoError(t, json.Unmarshal([]byte(r.stdout), c.into))
			}
			assert.NotZero(t, did.Files)
			assert.Equal(t, plan, did)
			assert.Equal(t, sinks.Uploaded{There: did.Files}, again)
			w.assertUploaded(t, to, "datasets/messages", "id")
			r = w.batch("upload")
			require.Zero(t, r.code, r.stderr)
			assert.Equal(t, fmt.Sprintf("0 files, 0 MiB, uploaded to %s; %d there\n", to.url, did.Files), r.stdout)
		})
	}
}

func TestTheDoctorTriesTheBucketOut(t *testing.T) {
	t.Parallel()
	for name, to := range remotes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploadBench(t, to, emulator.Options{}, "", sendJob)
			r := w.batch("doctor")
			assert.Contains(t, r.stdout, "ok        upload: "+to.url+" takes objects, lists them, gives them back and removes them\n")
			assert.Empty(t, parquetFiles(t, to.download(t)))
			if name == "s3" {
				w.env = append(slices.Clone(to.env), "AWS_SECRET_ACCESS_KEY=hunter-of-secrets")
				r = w.batch("doctor")
				assert.Equal(t, exitFailed, r.code)
				assert.Contains(t, r.stdout, "wrong     upload: put .batch-doctor-")
				assert.Contains(t, r.stdout, "403 SignatureDoesNotMatch")
				assert.Contains(t, r.stdout, "check the credentials: AWS_ACCESS_KEY_ID")
				assert.NotContains(t, r.stdout+r.stderr, "hunter")
			}
		})
	}
}

// Nothing of the credentials is in what batch says or keeps, also where it fails.
func TestCredentialsOfABucketAreNowhere(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	if server == nil {
		return // it takes a server to have credentials; TestAnAnswerSaysWhatToDo looks at the errors
	}
	to := remote{url: "s3://" + s3test.Bucket, env: server.Env()}
	w := newUploadBench(t, to, emulator.Options{}, "", sendJob)
	w.recipients("recipients.csv", 5)
	said := ""
	for _, args := range [][]string{
		{"validate"}, {"plan", "send"}, {"--log-level", "debug", "run", "send"}, {"--log-level", "debug", "upload"}, {"doctor"}, {"status"},
	} {
		r := w.batch(args...)
		said += r.stdout + r.stderr
	}
	server.Stop()
	r := w.batch("--log-level", "debug", "run", "send")
	assert.Equal(t, exitFailed, r.code)
	said += r.stdout + r.stderr
	assert.Contains(t, said, "the bucket could not be used, and is tried again")
	assert.NotContains(t, said, server.Secret)
	assert.NotContains(t, said, server.KeyID)
	require.NoError(t, filepath.WalkDir(filepath.Join(w.dir, "store"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		assert.NotContains(t, string(text), server.Secret, path)
		return err
	}))
	server.Begin()
	for o := range server.Client.ListObjects(context.Background(), s3test.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(t, o.Err)
		assert.Contains(t, []string{"store", ""}, strings.Split(o.Key, "jobs/send/results/")[0])
	}
}
