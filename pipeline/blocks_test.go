package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"convbatch/pipeline"
)

// grouped lets a function be a GroupWorker.
type grouped func(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error)

func (g grouped) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	return g(ctx, items)
}

func (g grouped) Do(context.Context, pipeline.Item) (pipeline.Outcome, error) {
	return pipeline.Outcome{}, errors.New("an item of a group is worked on alone")
}

// doneAll is what a call brings that succeeds.
func doneAll(items []pipeline.Item) []pipeline.Outcome {
	return slices.Repeat([]pipeline.Outcome{{State: pipeline.Done}}, len(items))
}

// blocks is an input of n rows, some of whose fates were decided beforehand,
// and a disk that takes the others by whole blocks alone.
type blocks struct {
	*memory
	n, size int64
	fated   func(seq int64) bool
}

// toDo are the items of the block that seq is in, without those that have a fate.
func (b blocks) toDo(seq int64) (seqs []int64) {
	from := seq / b.size * b.size
	for seq := from; seq < min(from+b.size, b.n); seq++ {
		if !b.fated(seq) {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// Commit turns down what would settle a part of a block, or claim one.
func (b blocks) Commit(ctx context.Context, c pipeline.Commit) error {
	var settled []int64
	for _, o := range c.Outcomes {
		settled = append(settled, o.Seq)
	}
	whole := func(seq int64, has func(seq int64) bool) error {
		if b.fated(seq) {
			return nil
		}
		for _, other := range b.toDo(seq) {
			if !has(other) {
				return fmt.Errorf("the commit has item %d and not %d of its block", seq, other)
			}
		}
		return nil
	}
	slices.Sort(settled)
	for _, seq := range settled {
		if err := whole(seq, func(seq int64) bool { _, ok := slices.BinarySearch(settled, seq); return ok }); err != nil {
			return err
		}
	}
	if c.Claim != nil {
		if err := errors.Join(whole(c.Claim.From, c.Claim.Contains), whole(c.Claim.To-1, c.Claim.Contains)); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
	}
	return b.memory.Commit(ctx, c)
}

// source yields what is not settled, as a ledger and an input would.
func (b blocks) source() *list {
	b.inherited = slices.Clone(b.claims)
	var l list
	for seq := b.mark; seq < b.n; seq++ {
		item := pipeline.Item{Seq: seq, Key: fmt.Sprint(seq)}
		switch _, settled := b.outcomes[seq]; {
		case settled:
			continue
		case b.fated(seq):
			item.Settled = &pipeline.Outcome{Seq: seq, State: pipeline.Skipped}
		default:
			item.Doubt = b.doubt(seq)
		}
		l = append(l, item)
	}
	return &l
}

func newBlocks(n, size int64, fated ...int64) blocks {
	return blocks{newMemory(), n, size, func(seq int64) bool { return slices.Contains(fated, seq) }}
}

// options are those of a run that goes on from the disk.
func (b blocks) options(worker grouped) pipeline.Options {
	return pipeline.Options{
		Source: b.source(), Sink: b, Worker: worker, Group: int(b.size), Chunk: 1, InFlight: 3,
		Mark: b.mark, Settled: b.settledBeyond(),
	}
}

func seqsOf(items []pipeline.Item) (seqs []int64) {
	for _, item := range items {
		seqs = append(seqs, item.Seq)
	}
	return seqs
}
