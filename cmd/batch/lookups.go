package main

import (
	"context"
	"slices"
	"time"

	"convbatch/client"
	"convbatch/jobs"
	"convbatch/sinks"
)

// env is what a job works with, but for its run.
func (r *runner) env(job jobs.Job, api *client.Client) jobs.Env {
	return jobs.Env{
		Client: api, Project: r.file.API.Project, Region: r.file.API.Region, App: job.App, InFlight: job.Limits.InFlight, Now: r.p.now, Log: r.log.With("job", job.Name),
		Archived: func(ctx context.Context, from, to time.Time) (map[string]struct{}, error) {
			return r.store.Archived(ctx, messages(), job.App, from, to)
		},
		Newest: func(ctx context.Context) (time.Time, error) { return r.store.Newest(ctx, messages(), job.App) },
		Pruned: func() (time.Time, error) { return r.store.PrunedBefore(messages()) },
		Has:    r.store.HasDataset,
		Query: func(ctx context.Context, query string, row func(values []any) error) error {
			return r.store.Stream(ctx, query, r.store.ViewsFor(query, datasetsWith(job)), sinks.QueryOptions{MemoryMiB: 256, Threads: 1}, row)
		},
	}
}

// datasetsWith are those that every reader of the store knows, and those of the
// job, of which there may be no file yet.
func datasetsWith(job jobs.Job) []sinks.Dataset {
	sets := datasets()
	for _, own := range inStore(job.Datasets()) {
		if !slices.ContainsFunc(sets, func(d sinks.Dataset) bool { return d.Name == own.Name }) {
			sets = append(sets, own)
		}
	}
	return sets
}

// messages is the dataset that archives are kept in.
func messages() sinks.Dataset {
	return sinks.Dataset{Name: "messages", Row: jobs.Message{}, PartitionBy: "date"}
}
