package main

import (
	"github.com/urfave/cli/v2"

	"convbatch/sinks"
)

func storeFlag() cli.Flag {
	return &cli.PathFlag{Name: "store", Usage: "the `FOLDER` of the store; no job file and no secrets are needed then", EnvVars: []string{"BATCH_STORE"}}
}

// readStore opens the store for a command that only reads, and returns the jobs
// to speak of: those of the job file, or with --store those that the store knows.
func (p *program) readStore(c *cli.Context) (*sinks.Store, []string, error) {
	if dir := c.Path("store"); dir != "" {
		store, err := sinks.OpenStore(dir)
		if err != nil {
			return nil, nil, err
		}
		names, err := store.Jobs()
		return store, names, err
	}
	file, err := p.load(c)
	if err != nil {
		return nil, nil, err
	}
	store, err := sinks.OpenStore(file.StorePath())
	return store, file.Names(), err
}
