package sources

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// decideMemory bounds what DuckDB's operators hold while fates are decided;
// the rest is on disk.
const decideMemory = "160MB"

// bucketKeys is about how many keys are compared at once. DuckDB's grouping
// and joining spill to disk, but fail now and then when a group is close to
// the limit of memory; this many are not.
const bucketKeys = 500_000

// DecideOptions says what fates are decided over.
type DecideOptions struct {
	Input string // an input that was taken down
	Key   string // the column of the keys

	// Earlier holds the Parquet files of earlier results of the job, with the
	// columns key, state, run_id and finished_at.
	Earlier []string
	// Runs holds the ids of the runs of the job, the oldest first: clocks are
	// set back. Runs that it does not name come before, in order of time.
	Runs []string

	// Cancelled holds the ids of batches that were taken back before they were
	// sent. Earlier has a column ref then; rows whose ref is BATCH_ID:INDEX of
	// one of them were not sent.
	Cancelled []string

	// Resend lets rows be sent whose key is in doubt since an earlier run.
	Resend bool
	// ByHand, unless "", makes such rows done, and says why.
	ByHand string

	Out     string // the Parquet file of the fates
	TempDir string // for what does not fit into memory
}

// Decided counts the fates.
type Decided struct {
	Duplicates int64 // rows whose key was there before, in the same input
	Empty      int64 // rows without key
	Skipped    int64 // rows whose key was done in an earlier run
	InDoubt    int64 // rows whose key is in doubt since an earlier run, or was until ByHand
}

// Decide decides, before anything is sent, what needs no sending, and writes
// it to o.Out: seq, state and error of each row that has a fate, sorted by
// seq. The file appears whole and on disk or not at all. Keys are compared as
// text, byte for byte. Memory hardly depends on the number of rows.
//
// The first row of a key counts; that it was done earlier does not make its
// duplicates anything else. Of earlier results only those say something that
// a call was made for: done, failed and in_doubt.
func Decide(ctx context.Context, o DecideOptions) (Decided, error) {
	fail := func(err error) (Decided, error) {
		return Decided{}, fmt.Errorf("look for duplicate keys and keys of earlier runs: %w", err)
	}
	input, err := OpenInput(o.Input, "", 0)
	if err != nil {
		return fail(err)
	}
	about := input.about
	if err := input.Close(); err != nil {
		return fail(err)
	}
	at := position(about.Columns, o.Key)
	if at < 0 {
		return fail(fmt.Errorf("the input has no column %q", o.Key))
	}
	d, err := openDuck(ctx, o.TempDir, decideMemory, 1)
	if err != nil {
		return fail(err)
	}
	decided, err := decide(ctx, d, o, about, at)
	if err := errors.Join(err, d.close()); err != nil {
		return fail(err)
	}
	return decided, nil
}

// decide works on keys bucket after bucket, and sorts numbers at the end.
func decide(ctx context.Context, d *duck, o DecideOptions, about about, at int) (Decided, error) {
	for _, statement := range []string{
		rowsView(o.Input, about.Columns[at]),
		filesVariable(about.Files),
		earlierView(o.Earlier, o.Resend, o.Cancelled),
		runsTable(o.Runs),
		runsVariable,
		fatedTable,
	} {
		if err := d.exec(ctx, statement); err != nil {
			return Decided{}, err
		}
	}
	var keys int64
	if err := d.conn.QueryRowContext(ctx, countKeys).Scan(&keys); err != nil {
		return Decided{}, err
	}
	buckets := keys/bucketKeys + 1
	for bucket := range buckets {
		part := fmt.Sprintf("hash(key) %% %d = %d", buckets, bucket)
		for _, statement := range []string{bucketTable + part, earlierTable(part), firstsTable, insertFated} {
			if err := d.exec(ctx, statement); err != nil {
				return Decided{}, err
			}
		}
	}
	if err := d.copyTo(ctx, fatesQuery(o.ByHand), o.Out); err != nil {
		return Decided{}, err
	}
	var c Decided
	err := d.conn.QueryRowContext(ctx, countFated).Scan(&c.Duplicates, &c.Empty, &c.Skipped, &c.InDoubt)
	return c, err
}

// copyTo writes the rows of a query to a Parquet file, which appears whole and
// on disk or not at all.
func (d *duck) copyTo(ctx context.Context, query, path string) error {
	temp := path + ".tmp"
	err := os.WriteFile(temp, nil, 0o600)
	if err == nil {
		err = d.exec(ctx, "copy ("+query+") to "+literal(temp)+" (format parquet, compression zstd, row_group_size 50000, use_tmp_file false)")
	}
	if err == nil {
		err = syncFile(temp)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(temp))
	}
	return publish(temp, path)
}

// syncFile puts a file that DuckDB wrote on disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
