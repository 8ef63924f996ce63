package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// damage is done to a file of the store between two processes.
type damage struct {
	name, file string // below the store
	do         func(r *round, text []byte) []byte
	want       string // a regular expression over what is said; "" where the run copes with it
	mayCope    bool   // it may hit what nobody needs
}

// damages are what can become of a store whose run is not over.
var damages = []damage{
	{"ledger cut", "jobs/send/ledger.duckdb", cut, `is damaged and was left as it is`, true},
	{"input cut", "jobs/send/input/*.parquet", cut, `input`, false},
	{"ledger newer", "jobs/send/ledger.duckdb", newerDuckDB, `was written by a newer DuckDB \(storage version 999\)`, false},
	{"store newer", "store", newerStore, `has format 2 and this batch knows formats up to 1: use the batch that wrote it, or a newer one`, false},
	{"journal cut", "jobs/send/sending", cut, "", false},
	{"log cut", "jobs/send/ledger.duckdb.wal", cut, `has lost run`, true},
	{"history cut", "jobs/send/runs.json", cut, "", false},
	{"status cut", "jobs/send/status.json", cut, "", false},
}

// resultsCut befalls a run that is over: what it did is the only record of
// which keys were done.
var resultsCut = damage{"results cut", "jobs/send/results/*.parquet", cut, `earlier runs`, false}

// cut leaves a part of a file.
func cut(r *round, text []byte) []byte { return text[:r.random.IntN(len(text))] }

func newerStore(*round, []byte) []byte { return []byte("batch store, format 2\n") }

// newerDuckDB raises the version in the head of a database, which is a
// checksum, the word DUCK, the version, and other things up to 4096 bytes.
func newerDuckDB(_ *round, text []byte) []byte {
	newer := slices.Clone(text)
	binary.LittleEndian.PutUint64(newer[12:], 999)
	sum := uint64(5381)
	for at := 8; at < 4096; at += 8 {
		sum ^= binary.LittleEndian.Uint64(newer[at:]) * 0xbf58476d1ce4e5b9
	}
	binary.LittleEndian.PutUint64(newer, sum)
	return newer
}

// sendDamaged: a file of the store is not what it was. Where that can not be
// made good it is said and nothing is sent; with the file back, the run goes on.
func sendDamaged(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	v := r.launch("run", "--json", "send")
	r.accepts(r.between(1, 200))
	v.kill()
	if v.killed() {
		r.tally.kill(anyInstant)
	}
	for range 3 {
		if !r.suffer(pick(r, damages)) {
			break // the store is what it became
		}
	}
	r.finishSend(rows, false)
	r.suffer(resultsCut)
}

// suffer does damage, and where the run can not cope with it looks that it says
// so and sends nothing, and brings the file back. It says whether all is as
// before.
func (r *round) suffer(d damage) (mended bool) {
	paths, err := filepath.Glob(filepath.Join(r.dir, "store", d.file))
	require.NoError(r.test, err)
	if len(paths) == 0 {
		return true // it does not come about in every run, such as a log
	}
	r.tally.harm("damage: " + d.name)
	path := pick(r, paths)
	text, err := os.ReadFile(path)
	require.NoError(r.test, err)
	changed := d.do(r, text)
	require.NoError(r.test, os.WriteFile(path, changed, 0o600))
	if d.want == "" {
		return false
	}
	r.quiet()
	before := r.api.AcceptedCount()
	res := r.launch("run", "--json", "send").end()
	if d.mayCope && (res.code == exitDone || res.code == exitIncomplete) {
		return false
	}
	assert.Equal(r.test, exitFailed, res.code, "%s: %d of %d bytes: %s%s", filepath.Base(path), len(changed), len(text), res.stdout, res.stderr)
	assert.Regexp(r.test, d.want, res.stdout+res.stderr)
	assert.Equal(r.test, before, r.api.AcceptedCount(), "nothing is sent")
	require.NoError(r.test, os.WriteFile(path, text, 0o600))
	return true
}
