package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// outcome is what became of a row that a call was made for.
type outcome int64

const (
	outcomeNone outcome = iota // no call was made, or it does not count
	outcomeDone
	outcomeFailed
	outcomeInDoubt
)

// unknownTime stands for a result that does not say when.
const unknownTime = math.MaxInt64

// result is an earlier result of a key.
type result struct {
	key   []byte // valid until the next
	run   int    // in the order in which they are met
	state outcome
	at    int64 // in microseconds
}

// earlier reads the earlier results that a call was made for; not those in
// doubt where these are to be sent again, and not those of cancelled batches.
type earlier struct {
	o         DecideOptions
	cancelled map[string]bool
	runs      []string // that were met
	number    map[string]int
	began     []int64 // the earliest time of each
	rank      []int   // of each in the order in which they began
	byRank    []string
}

func newEarlier(o DecideOptions) *earlier {
	e := &earlier{o: o, cancelled: map[string]bool{}, number: map[string]int{}}
	for _, id := range o.Cancelled {
		e.cancelled[id] = true
	}
	return e
}

// size is about how many results there are.
func (e *earlier) size() (int64, error) {
	var n int64
	for _, path := range e.o.Earlier {
		rows, err := openParquet(path)
		if err != nil {
			return 0, err
		}
		n += rows.file.NumRows()
		if err := rows.close(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// each calls f with every result that counts, and orders the runs.
func (e *earlier) each(ctx context.Context, f func(result) error) error {
	for _, path := range e.o.Earlier {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := e.of(path, f); err != nil {
			return err
		}
	}
	e.order()
	return nil
}

func (e *earlier) of(path string, f func(result) error) (err error) {
	columns := []string{"key", "state", "run_id", "finished_at"}
	if len(e.cancelled) > 0 {
		columns = append(columns, "ref")
	}
	rows, err := openColumns(path, columns...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.close()) }()
	if !inMicroseconds(rows.schema, "finished_at") {
		return fmt.Errorf("read %s: its column finished_at has no times in microseconds, as those of results are", path)
	}
	for {
		values, err := rows.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r := result{key: values[0].ByteArray(), state: e.outcome(values), at: unknownTime}
		if len(r.key) == 0 || r.state == outcomeNone {
			continue
		}
		if !values[3].IsNull() {
			r.at = values[3].Int64()
		}
		r.run = e.run(values[2].ByteArray(), r.at)
		if err := f(r); err != nil {
			return err
		}
	}
}

func (e *earlier) outcome(values []parquet.Value) outcome {
	switch string(values[1].ByteArray()) {
	case "done":
		if len(e.cancelled) > 0 && e.cancelled[batchOf(string(values[4].ByteArray()))] {
			return outcomeNone
		}
		return outcomeDone
	case "failed":
		return outcomeFailed
	case "in_doubt":
		if !e.o.Resend {
			return outcomeInDoubt
		}
	}
	return outcomeNone
}

// batchOf is the id of the batch that a row's ref, BATCH_ID:INDEX, speaks of.
func batchOf(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i >= 0 && i+1 < len(ref) && strings.Trim(ref[i+1:], "0123456789") == "" {
		return ref[:i]
	}
	return ref
}

// run numbers a run, which it notes the earliest time of.
func (e *earlier) run(id []byte, at int64) int {
	n, met := e.number[string(id)]
	if !met {
		n = len(e.runs)
		e.number[string(id)], e.runs, e.began = n, append(e.runs, string(id)), append(e.began, unknownTime)
	}
	e.began[n] = min(e.began[n], at)
	return n
}

// order puts the runs into the order in which they began.
func (e *earlier) order() {
	inOrder := make([]int, len(e.runs))
	for i := range inOrder {
		inOrder[i] = i
	}
	slices.SortFunc(inOrder, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(slices.Index(e.o.Runs, e.runs[a]), slices.Index(e.o.Runs, e.runs[b])),
			cmp.Compare(e.began[a], e.began[b]), cmp.Compare(e.runs[a], e.runs[b]))
	})
	e.rank = make([]int, len(e.runs))
	for rank, n := range inOrder {
		e.rank[n] = rank
		e.byRank = append(e.byRank, e.runs[n])
	}
}

// past is what became of a key in earlier runs. Runs are told by their rank.
type past struct {
	done  int   // the first run that did it; none where it was never done
	at    int64 // when it was first done
	doubt int   // the first run that left it in doubt
	last  int   // the last run with a result of it
	ended int   // the last run that left it in doubt
}

const none = math.MaxInt

var newPast = past{done: none, at: unknownTime, doubt: none, last: -1, ended: -1}

func (p *past) add(run int, state outcome, at int64) {
	p.last = max(p.last, run)
	switch state {
	case outcomeDone:
		p.done, p.at = min(p.done, run), min(p.at, at)
	case outcomeInDoubt:
		p.doubt, p.ended = min(p.doubt, run), max(p.ended, run)
	}
}

// finding is what follows for the first row of the key.
func (p *past) finding() finding {
	switch {
	case p.done != none:
		return finding{why: keyDone, run: p.done, at: p.at}
	case p.doubt != none && p.ended == p.last: // else it was tried again, and refused
		return finding{why: keyInDoubt, run: p.doubt}
	}
	return finding{why: keyNew}
}

// inMicroseconds says whether a column has times as batch writes them.
func inMicroseconds(schema *parquet.Schema, column string) bool {
	leaf, ok := schema.Lookup(column)
	if !ok || leaf.Node.Type().LogicalType() == nil {
		return false
	}
	t, ok := leaf.Node.Type().LogicalType().Value.(*format.TimestampType)
	if !ok {
		return false
	}
	_, ok = t.Unit.Value.(*format.MicroSeconds)
	return ok
}
