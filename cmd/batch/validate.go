package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
)

func (p *program) validateCommand() *cli.Command {
	return &cli.Command{
		Name:        "validate",
		Usage:       "check everything that can be checked without the network",
		Description: "Names every mistake with its line, all at once. Variables have to be set, to anything.",
		UsageText:   "batch validate\nbatch validate other.yaml",
		ArgsUsage:   "[FILE]",
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usageError("validate: name one job file; this line has %d", c.NArg())
			}
			path := p.text(c, "file")
			if c.Args().Present() {
				path = c.Args().First()
			}
			file, err := p.loadFile(path)
			if err != nil {
				return err
			}
			if p.flag(c, "json") {
				return writeJSON(p.stdout, map[string]any{"file": file.Path, "jobs": jobKinds(file)})
			}
			_, err = fmt.Fprintf(p.stdout, "%s: %s, no problems\n", file.Path, plural(int64(len(file.Names())), "job"))
			return err
		},
	}
}

func jobKinds(file *jobs.File) map[string]string {
	kinds := make(map[string]string)
	for _, name := range file.Names() {
		job, _ := file.Job(name)
		kinds[name] = job.Kind
	}
	return kinds
}
