package sources

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"convbatch/internal/zstd"

	"github.com/parquet-go/parquet-go"
)

// reason is why a row has a fate.
type reason int64

const (
	keyNew reason = iota // it has none
	keyEmpty
	keyRepeated
	keyDone
	keyInDoubt
)

// finding is what was found out about a row that has a fate. Its words are made
// when it is written.
type finding struct {
	seq         int64
	why         reason
	line, first int64 // of the row that has the key first
	run         int   // the rank of that in which the key was done, or left in doubt
	at          int64 // when it was done
}

func (f finding) put(s *spool) {
	s.numbers(f.seq, int64(f.why), f.line, f.first, int64(f.run), f.at)
}

func readFinding(r *spoolReader) finding {
	return finding{seq: r.number(), why: reason(r.number()), line: r.number(), first: r.number(), run: int(r.number()), at: r.number()}
}

// fate puts a finding into words.
func (d *decider) fate(f finding) Fate {
	switch f.why {
	case keyEmpty:
		return Fate{State: "invalid", Error: "empty key"}
	case keyRepeated:
		said := fmt.Sprintf("duplicate key: first on line %d", f.line)
		if len(d.about.Files) > 1 { // a line alone would say too little
			said += " of " + d.about.fileOf(f.first)
		}
		return Fate{State: "invalid", Error: said}
	case keyDone:
		said := "done in run " + d.earlier.byRank[f.run]
		if f.at != unknownTime {
			said += " at " + time.UnixMicro(f.at).UTC().Format(time.RFC3339)
		}
		return Fate{State: "skipped", Error: said}
	}
	if d.o.ByHand != "" {
		return Fate{State: "done", Error: d.o.ByHand}
	}
	return Fate{State: "in_doubt", Error: "in doubt since run " + d.earlier.byRank[f.run] + "; not repeated"}
}

// merge yields the findings of spools, each of which is sorted by row, in order.
type merge []*merged

type merged struct {
	next   finding
	reader *spoolReader
}

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].next.seq < m[j].next.seq }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*merged)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// add adds a spool that is not empty.
func (m *merge) add(s *spool) error {
	r, err := s.reader()
	if err == nil && r.more() {
		heap.Push(m, &merged{readFinding(r), r})
	}
	if err == nil {
		err = r.failed()
	}
	return err
}

// pop returns the finding of the row that is next.
func (m *merge) pop() (finding, error) {
	first := (*m)[0]
	f := first.next
	if first.reader.more() {
		first.next = readFinding(first.reader)
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return f, first.reader.failed()
}

// write writes the fates, in order, to a file that appears whole or not at all.
func (d *decider) write(ctx context.Context) (err error) {
	var all merge
	for _, s := range append(d.found, d.empty) {
		if err := all.add(s); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(d.o.Out+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := newFatesWriter(out)
	for len(all) > 0 && err == nil {
		var f finding
		if f, err = all.pop(); err == nil {
			err = w.write(f.seq, d.fate(f))
		}
		if w.rows%1024 == 0 && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		err = w.close()
	}
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return publish(out.Name(), d.o.Out)
}

// fatesWriter writes the Parquet file that fates are read from.
type fatesWriter struct {
	out   *parquet.GenericWriter[any]
	batch []parquet.Row
	rows  int64
}

func newFatesWriter(out *os.File) *fatesWriter {
	schema := parquet.NewSchema("fates", ordered{fields: []parquet.Field{
		field{parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked), "seq"},
		field{parquet.Encoded(parquet.String(), &parquet.RLEDictionary), "state"},
		field{parquet.String(), "error"},
	}})
	return &fatesWriter{out: parquet.NewGenericWriter[any](out, schema, parquet.Compression(&zstd.Codec{}))}
}

func (w *fatesWriter) write(seq int64, f Fate) error {
	w.batch = append(w.batch, parquet.Row{
		parquet.Int64Value(seq).Level(0, 0, 0), parquet.ByteArrayValue([]byte(f.State)).Level(0, 0, 1), parquet.ByteArrayValue([]byte(f.Error)).Level(0, 0, 2),
	})
	w.rows++
	if len(w.batch) < batchRows {
		return nil
	}
	return w.flush()
}

func (w *fatesWriter) flush() error {
	_, err := w.out.WriteRows(w.batch)
	w.batch = w.batch[:0]
	if err == nil && w.rows%groupRows < batchRows {
		err = w.out.Flush()
	}
	return err
}

func (w *fatesWriter) close() error {
	_, err := w.out.WriteRows(w.batch)
	return errors.Join(err, w.out.Close())
}
