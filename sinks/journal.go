package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"convbatch/pipeline"
)

// A journal notes each item at the moment before its call goes out, in one byte
// of a file that is not synced. So it costs next to nothing, and outlives the
// process but not the machine: it narrows what is in doubt after a kill from
// what was claimed to what was on the wire. It is believed only on the boot on
// which it was written; otherwise, and when it is missing or of another run,
// every claimed item counts as sent.
type journal struct{ marks }

const (
	journalFile = "sending"
	journalHead = 128 // bytes before that of item 0
)

// bootID tells one boot of the machine from another; "" where that can not be
// told, and then no journal is believed.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
}

func journalHeader(run string) []byte {
	head := fmt.Appendf(nil, "batch sending 1\n%s\n%s\n", bootID(), run)
	return append(head, make([]byte, max(0, journalHead-len(head)))...)[:journalHead]
}

// openJournal opens the journal of a run and returns which of the items from
// the mark on may have been sent. A journal that is believed knows that by
// itself, also when the ledger is older than it. One that is not is replaced by
// one that has everything claimed, on disk before it counts, so that the next
// start does not believe less than this one.
func (l *Ledger) openJournal(run string, mark int64, claims []pipeline.Claim) (_ *journal, sent []pipeline.Claim, err error) {
	path := filepath.Join(l.dir, journalFile)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		j := newJournal(f)
		if j.believed(run, claims) {
			var noted []pipeline.Range
			if noted, err = j.since(mark); err == nil {
				return j, withTimes(noted, claims), nil
			}
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read what was being sent: %w", err)
	}
	if f, err = l.freshJournal(path, run, claims); err != nil {
		return nil, nil, fmt.Errorf("begin to note what is being sent: %w", withAdvice(err))
	}
	return newJournal(f), claims, nil
}

func newJournal(f *os.File) *journal { return &journal{marks{file: f}} }

func (l *Ledger) freshJournal(path, run string, claims []pipeline.Claim) (*os.File, error) {
	fresh := filepath.Join(l.dir, stagingDir, journalFile)
	f, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(journalHeader(run))
	for _, c := range claims {
		if err == nil {
			_, err = f.WriteAt(bytes.Repeat([]byte{1}, int(c.To-c.From)), journalHead+c.From)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// believed says whether the journal is whole and of this run and boot: it is
// made long enough for a claim before that is on disk.
func (j *journal) believed(run string, claims []pipeline.Claim) bool {
	head := make([]byte, journalHead)
	_, err := io.ReadFull(j.file, head)
	info, errStat := j.file.Stat()
	whole := len(claims) == 0 || errStat == nil && info.Size() >= journalHead+claims[len(claims)-1].To
	return err == nil && whole && bootID() != "" && bytes.Equal(head, journalHeader(run))
}

// checkJournal returns a *DamagedError where the ledger does not have the run
// that the journal is of: a run is in the ledger before it has a journal, which
// goes when it is completed, so the ledger's last commits are gone, and keys would
// be sent again. A journal that can not be read tells nothing, and costs only
// doubt.
func (l *Ledger) checkJournal(ctx context.Context) error {
	head := make([]byte, journalHead)
	f, err := os.Open(filepath.Join(l.dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = io.ReadFull(f, head)
		err = errors.Join(err, f.Close())
	}
	lines := bytes.Split(head, []byte("\n"))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && len(lines) < 4:
		return nil
	case err != nil:
		return fmt.Errorf("read what was being sent: %w", withAdvice(err))
	}
	run := string(lines[2])
	var known bool
	err = l.duck.conn.QueryRowContext(ctx, "SELECT count(*) > 0 FROM runs WHERE run_id = ?", run).Scan(&known)
	if err == nil && !known {
		return &DamagedError{Path: l.path, Cause: fmt.Errorf("it has lost run %s, which began to send; %s.wal, where that stood, was cut or removed, or the ledger is an older one", run, ledgerFile)}
	}
	return err
}

// reserve makes room for the items of a claim, so that a journal which was cut is
// told from one that noted nothing.
func (j *journal) reserve(items pipeline.Range) error {
	if err := j.marks.reserve(journalHead+items.From, journalHead+items.To); err != nil {
		return fmt.Errorf("make room to note what is being sent: %w", err)
	}
	return nil
}

// since returns the items from mark on that were noted, in order.
func (j *journal) since(mark int64) ([]pipeline.Range, error) {
	info, err := j.file.Stat()
	if err != nil {
		return nil, err
	}
	marks := make([]byte, max(0, info.Size()-journalHead-mark))
	if _, err := j.file.ReadAt(marks, journalHead+mark); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var noted []pipeline.Range
	for i, sent := range marks {
		seq := mark + int64(i)
		switch n := len(noted); {
		case sent == 0:
		case n > 0 && noted[n-1].To == seq:
			noted[n-1].To++
		default:
			noted = append(noted, pipeline.Range{From: seq, To: seq + 1})
		}
	}
	return noted, nil
}

// Sending notes that a call of items of the run that was begun or resumed is
// about to go out. Without it, an item that was claimed counts as never sent
// when the process dies; so a call must not go out when Sending fails. It may
// be called by many goroutines.
func (l *Ledger) Sending(seqs ...int64) error {
	for len(seqs) > 0 {
		n := 1
		for n < len(seqs) && seqs[n] == seqs[n-1]+1 {
			n++
		}
		if err := l.journal.set(journalHead+seqs[0], n); err != nil {
			return fmt.Errorf("note what is being sent: %w", withAdvice(err))
		}
		seqs = seqs[n:]
	}
	return nil
}

// releaseJournal forgets what this process noted and an orderly stop has found
// to be settled or never sent; kept may have been sent. That it can not be
// written does no harm: then the next start is in doubt about more than it had
// to be.
func (l *Ledger) releaseJournal(run string, kept []pipeline.Claim) {
	f, err := l.freshJournal(filepath.Join(l.dir, journalFile), run, kept)
	if err != nil {
		return
	}
	old := l.journal
	l.journal = newJournal(f)
	_ = old.close() // it has no name any more
}

// endJournal removes the journal of a run of which every row has an outcome in
// the results. That it can not be removed does no harm.
func (l *Ledger) endJournal() {
	_ = os.Remove(filepath.Join(l.dir, journalFile))
	_ = l.journal.close()
	l.journal = nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.marks.close()
}
