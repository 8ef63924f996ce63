package main

import (
	"context"

	"convbatch/client"
	"convbatch/pipeline"
)

// noted is the worker of a run as the engine has it, which is before it is
// opened: each call of an item is noted in the ledger at the moment before it
// goes out, whatever the kind.
type noted struct{ run *jobRun }

// notedGroups is noted for a kind whose worker takes groups: all items of one
// are noted before each of its calls.
type notedGroups struct{ noted }

// notedWorker is a GroupWorker only where the kind's is one.
func (j *jobRun) notedWorker() pipeline.Worker {
	if groupSize(j.job) > 1 {
		return notedGroups{noted{j}}
	}
	return noted{j}
}

// Do implements pipeline.Worker.
func (n noted) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	return n.run.worker.Do(client.BeforeSend(ctx, func() error { return n.run.ledger.Sending(item.Seq) }), item)
}

// DoGroup implements pipeline.GroupWorker.
func (n notedGroups) DoGroup(ctx context.Context, items []pipeline.Item) ([]pipeline.Outcome, error) {
	seqs := make([]int64, len(items))
	for i := range items {
		seqs[i] = items[i].Seq
	}
	worker := n.run.worker.(pipeline.GroupWorker) // openWorker saw to it
	return worker.DoGroup(client.BeforeSend(ctx, func() error { return n.run.ledger.Sending(seqs...) }), items)
}
