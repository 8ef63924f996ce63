package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"convbatch/jobs"
	"convbatch/sinks"
)

// Free space of the store's disk, in MiB: below the first a run is in danger,
// below the second a large one.
const (
	leastFree  = 256
	littleFree = 2048
)

// lookAtStore opens the store, which makes it where it is not there, as every
// command does that needs it.
func lookAtStore(_ context.Context, x *examination) []finding {
	path := x.file.StorePath()
	store, err := sinks.OpenStore(path)
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	x.store = store
	info, err := os.Stat(store.Dir())
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	found := []finding{writable(store)}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		found = append(found, odd("chmod 700 "+store.Dir(), "others may read the store %s (mode %04o): there are messages and numbers of people in it", store.Dir(), mode))
	}
	return found
}

// writable tries to make a file.
func writable(store *sinks.Store) finding {
	f, err := os.CreateTemp(store.Dir(), ".doctor-*")
	if err != nil {
		return bad("", "%v", fmt.Errorf("the store %s: %w", store.Dir(), sinks.Advise(err)))
	}
	_, err = f.WriteString("ok")
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	if err != nil {
		return bad("", "%v", fmt.Errorf("the store %s: %w", store.Dir(), sinks.Advise(err)))
	}
	return good("%s can be written", store.Dir())
}

func lookAtDisk(_ context.Context, x *examination) []finding {
	const mend = "make room, or choose another folder (store: in the job file)"
	var fs unix.Statfs_t
	if err := unix.Statfs(x.store.Dir(), &fs); err != nil {
		return []finding{odd("", "how much room there is can not be found out: %v", err)}
	}
	free := int64(fs.Bavail) * int64(fs.Bsize) >> 20
	switch {
	case free < leastFree:
		return []finding{bad(mend, "the disk of the store is all but full: %s MiB are free", count(free))}
	case free < littleFree:
		return []finding{odd(mend, "the disk of the store has little room: %s MiB are free", count(free))}
	}
	return []finding{good("%s MiB are free", count(free))}
}

// lookAtDuckDB opens a ledger where the ledgers of jobs are, and removes it.
func lookAtDuckDB(ctx context.Context, x *examination) []finding {
	dir, err := os.MkdirTemp(x.store.Dir(), ".doctor-*")
	if err != nil {
		return []finding{bad("", "%v", sinks.Advise(err))}
	}
	var ledger *sinks.Ledger
	store, err := sinks.OpenStore(dir)
	if err == nil {
		ledger, err = store.Ledger(ctx, "doctor")
	}
	if err == nil {
		err = ledger.Close()
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return []finding{bad("", "no ledger can be opened in the store: %v", err)}
	}
	return []finding{good("opens, and keeps what it is given")}
}

// lookAtJobs says which jobs are run now, and which have something left.
func lookAtJobs(_ context.Context, x *examination) []finding {
	var found []finding
	for _, job := range x.chosen {
		found = append(found, x.lookAtJob(job)...)
	}
	if len(found) == 0 {
		return []finding{good("none is running, none has anything left to do")}
	}
	return found
}

func (x *examination) lookAtJob(job jobs.Job) []finding {
	pid, err := x.store.Holder(job.Name)
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	if pid != 0 {
		return []finding{odd("", "%s is being run by process %d: another run of it would end with exit code %d", job.Name, pid, exitLocked)}
	}
	runs, err := x.store.Runs(job.Name)
	if err != nil {
		return []finding{bad("", "%v", err)}
	}
	if len(runs) == 0 {
		return nil
	}
	var found []finding
	last := runs[len(runs)-1]
	if ahead := last.StartedAt.Sub(x.p.now()); ahead > time.Minute {
		found = append(found, bad("set the clock, best by NTP", "the last run of %s began %s from now: the clock was wrong then, or is now", job.Name, ahead.Round(time.Second)))
	}
	if goesOn(last) {
		found = append(found, odd(fmt.Sprintf("`batch run %s` goes on with it, `batch run --restart %[1]s` gives it up", job.Name),
			"run %s of %s is %s: %s of %s are left", last.ID, job.Name, last.State, count(last.Rows-last.Settled()), count(last.Rows)))
	}
	return found
}
