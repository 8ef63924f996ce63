package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// setArchive makes a round that archives, over lists that break.
func (r *round) setArchive(profile string) {
	o := emulator.Options{
		Profile: profile, Latency: 5 * time.Millisecond, End: time.Now().Add(-10 * time.Second),
		Messages: r.between(20_000, 80_000), Conversations: 300, Contacts: 300,
	}
	limits := "{requests: 40/s, in_flight: 16}"
	if profile == emulator.ProfileOld {
		o.Messages, limits = r.between(2000, 6000), "{requests: 300/s, in_flight: 16}"
	}
	if r.short {
		o.Messages /= 4
	}
	r.set(o, limits, archiveJob)
	r.spoil(mixed(0)...)
}

// finishArchive runs the job to its end, and checks that each message was
// archived once, as it is.
func (r *round) finishArchive() {
	r.test.Helper()
	s, _ := r.run("archive")
	require.EqualValues(r.test, s.Rows, s.Done, "windows")
	missing := make(map[string]string)
	for m := range r.api.Messages() {
		missing[m.ID] = fmt.Sprintf("%x", sha256.Sum256(m.Body))
	}
	r.tally.archived(len(missing))
	for _, row := range r.query("select id, lower(sha256(body)) as body, count(*) as n from messages group by all") {
		id := row["id"].(string)
		switch sum := missing[id]; {
		case sum == "" || row["n"].(float64) != 1:
			r.tally.twice()
			r.test.Errorf("twice, or nobody's: message %s", id)
		case sum != row["body"]:
			r.test.Errorf("changed: message %s", id)
		}
		delete(missing, id)
	}
	for id := range missing {
		r.tally.lost()
		r.test.Errorf("lost: message %s is not archived", id)
	}
}

// archiveKilled: messages are read by a process that dies.
func archiveKilled(r *round, profile string) {
	r.setArchive(profile)
	r.dies("archive", r.between(3, 8), moments...)
	r.finishArchive()
}

// archiveDiskFull: the disk fills up somewhere on the way and has room again.
func archiveDiskFull(r *round) {
	r.setArchive(emulator.ProfileNew)
	if !r.smallDisk("64m") {
		r.tally.shortfall("no disk can be mounted here: no archive met a full one")
		r.test.Log("NOT TRIED: an archive on a full disk")
	} else {
		for range r.between(1, 3) {
			r.fillWhile("archive", r.within(2*time.Second), nil)
		}
	}
	r.dies("archive", r.between(0, 2), atAnyInstant)
	r.finishArchive()
}

// fillWhile runs a job and fills the disk after some time, or when the time is
// ripe; at its end there is room again.
func (r *round) fillWhile(job string, after time.Duration, ripe func() bool) {
	r.test.Helper()
	v := r.launch("run", "--json", job)
	if ripe == nil {
		v.lives(after)
	} else {
		for v.lives(time.Millisecond) && !ripe() {
		}
	}
	makeRoom := r.fill(int64(r.random.IntN(256 << 10)))
	defer makeRoom()
	if r.random.IntN(4) == 0 && v.lives(r.within(500*time.Millisecond)) {
		v.kill()
	}
	res := v.end()
	r.tally.harm("disk full")
	switch {
	case v.killed():
		r.tally.kill("full disk")
	case res.code == exitFailed:
		assert.Contains(r.test, res.stdout+res.stderr, diskFull)
	default:
		require.Contains(r.test, []int{exitDone, exitIncomplete}, res.code, "%s%s", res.stdout, res.stderr)
	}
}
