package sources

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
)

// bucketKeys is about how many keys are compared at once: that is what memory
// is taken for. The others wait on disk. More than mostBuckets there are not,
// for each has files that are open.
const (
	bucketKeys  = 25_000
	mostBuckets = 256
)

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
	d, err := decide(ctx, o, bucketKeys)
	if err != nil {
		return Decided{}, fmt.Errorf("look for duplicate keys and keys of earlier runs: %w", err)
	}
	return d, nil
}

// decider puts keys into buckets by their hash, so that equal ones meet, and
// then compares those of one bucket after another. What it finds out about rows
// waits in spools, each sorted by row, to be merged.
type decider struct {
	o       DecideOptions
	about   about
	seed    maphash.Seed
	buckets []*bucket
	earlier *earlier
	keys    []known        // of the bucket that is compared
	places  map[string]int // where each is in keys
	empty   *spool         // fates of rows without key
	found   []*spool       // those of the others
	decided Decided
}

// bucket holds the rows and the earlier results of some of the keys.
type bucket struct{ rows, results spool }

func decide(ctx context.Context, o DecideOptions, perBucket int64) (_ Decided, err error) {
	d := &decider{o: o, seed: maphash.MakeSeed(), places: map[string]int{}, empty: &spool{dir: o.TempDir}, earlier: newEarlier(o)}
	input, err := openParquet(o.Input)
	if err != nil {
		return Decided{}, err
	}
	defer func() { err = errors.Join(err, input.close(), d.close()) }()
	if d.about, err = aboutFile(input.file); err != nil {
		return Decided{}, err
	}
	if position(d.about.Columns, o.Key) < 0 {
		return Decided{}, fmt.Errorf("the input has no column %q", o.Key)
	}
	if err := input.only([]string{seqColumn, lineColumn, o.Key}); err != nil {
		return Decided{}, err
	}
	keys, err := d.earlier.size()
	if err != nil {
		return Decided{}, err
	}
	keys += input.file.NumRows()
	for range min(keys/perBucket+1, mostBuckets) {
		d.buckets = append(d.buckets, &bucket{rows: spool{dir: o.TempDir}, results: spool{dir: o.TempDir}})
	}
	if err := d.sortRows(ctx, input); err != nil {
		return Decided{}, err
	}
	if err := d.earlier.each(ctx, func(r result) error {
		s := &d.bucketOf(r.key).results
		s.numbers(int64(r.run), int64(r.state), r.at)
		s.text(r.key)
		return s.end()
	}); err != nil {
		return Decided{}, err
	}
	for _, b := range d.buckets {
		if err := context.Cause(ctx); err != nil {
			return Decided{}, err
		}
		if err := d.compare(b); err != nil {
			return Decided{}, err
		}
	}
	return d.decided, d.write(ctx)
}

func (d *decider) close() error {
	err := d.empty.close()
	for _, b := range d.buckets {
		err = errors.Join(err, b.rows.close(), b.results.close())
	}
	for _, s := range d.found {
		err = errors.Join(err, s.close())
	}
	return err
}

func (d *decider) bucketOf(key []byte) *bucket {
	return d.buckets[maphash.Bytes(d.seed, key)%uint64(len(d.buckets))]
}

// sortRows puts the rows of the input into buckets. Those without key have
// their fate at once.
func (d *decider) sortRows(ctx context.Context, input *parquetRows) error {
	column := d.about.Columns[position(d.about.Columns, d.o.Key)]
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		values, err := input.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		seq, line, key := values[0].Int64(), values[1].Int64(), values[2].ByteArray()
		if column.JSON {
			row := Row{Line: line, File: d.about.fileOf(seq)}
			row.Values, row.Null = texts(values[2:])
			text, err := row.Text(0, column)
			if err != nil {
				return err
			}
			key = []byte(text)
		}
		s := d.empty
		if len(key) > 0 {
			s = &d.bucketOf(key).rows
			s.numbers(seq, line)
			s.text(key)
		} else {
			d.decided.Empty++
			finding{seq: seq, why: keyEmpty}.put(s)
		}
		if err := s.end(); err != nil {
			return err
		}
	}
}

// known is what is known of a key: the first row that has it, and what became
// of it in earlier runs.
type known struct {
	seq, line int64
	past      past
}

// compare finds out about the keys of a bucket, which it empties.
func (d *decider) compare(b *bucket) error {
	repeated, past := &spool{dir: d.o.TempDir}, &spool{dir: d.o.TempDir}
	d.found = append(d.found, repeated, past)
	d.keys = d.keys[:0]
	clear(d.places)
	if err := d.firsts(b, repeated); err != nil {
		return err
	}
	if err := d.recall(b); err != nil {
		return err
	}
	for i := range d.keys { // in the order of their first rows
		f := d.keys[i].past.finding()
		switch f.why {
		case keyNew:
			continue
		case keyDone:
			d.decided.Skipped++
		default:
			d.decided.InDoubt++
		}
		f.seq = d.keys[i].seq
		f.put(past)
		if err := past.end(); err != nil {
			return err
		}
	}
	return errors.Join(b.rows.close(), b.results.close())
}

// firsts keeps the keys of a bucket's rows in the order of their first rows. The
// other rows that have them are repeated.
func (d *decider) firsts(b *bucket, repeated *spool) error {
	rows, err := b.rows.reader()
	if err != nil {
		return err
	}
	for rows.more() {
		seq, line := rows.number(), rows.number()
		text := rows.text()
		if rows.err != nil {
			break
		}
		i, there := d.places[string(text)]
		if !there {
			d.places[string(text)] = len(d.keys)
			d.keys = append(d.keys, known{seq: seq, line: line, past: newPast})
			continue
		}
		d.decided.Duplicates++
		finding{seq: seq, why: keyRepeated, line: d.keys[i].line, first: d.keys[i].seq}.put(repeated)
		if err := repeated.end(); err != nil {
			return err
		}
	}
	return rows.failed()
}

// recall adds to the keys what became of them in earlier runs.
func (d *decider) recall(b *bucket) error {
	results, err := b.results.reader()
	if err != nil {
		return err
	}
	for results.more() {
		run, state, at := results.number(), results.number(), results.number()
		key := results.text()
		if i, asked := d.places[string(key)]; asked && results.err == nil {
			d.keys[i].past.add(d.earlier.rank[run], outcome(state), at)
		}
	}
	return results.failed()
}
