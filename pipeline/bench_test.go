package pipeline_test

import (
	"context"
	"io"
	"testing"

	"convbatch/pipeline"
)

type counted struct{ at, n int64 }

func (c *counted) Next(context.Context) (pipeline.Item, error) {
	if c.at == c.n {
		return pipeline.Item{}, io.EOF
	}
	c.at++
	return pipeline.Item{Seq: c.at - 1}, nil
}

type lost struct{}

func (lost) Commit(context.Context, pipeline.Commit) error { return nil }

// BenchmarkItems is what the engine costs an item.
func BenchmarkItems(b *testing.B) {
	b.ReportAllocs()
	e := pipeline.New(pipeline.Options{
		Source: &counted{n: int64(b.N)}, Sink: lost{}, InFlight: 16, Chunk: 100, RunAhead: 100_000,
		Worker: pipeline.WorkerFunc(func(context.Context, pipeline.Item) (pipeline.Outcome, error) {
			return pipeline.Outcome{State: pipeline.Done}, nil
		}),
	})
	if err := e.Run(b.Context(), b.Context()); err != nil {
		b.Fatal(err)
	}
}
