package main

import (
	"github.com/urfave/cli/v2"

	"convbatch/jobs"
)

func (p *program) schemaCommand() *cli.Command {
	return &cli.Command{
		Name:  "schema",
		Usage: "print the JSON Schema of the job file, for editors",
		Description: "An editor that knows the schema completes keys and shows what they mean. For the YAML language\n" +
			"server, which VS Code and others use, a job file begins with the line\n\n" +
			"    # yaml-language-server: $schema=" + schemaFile,
		UsageText: "batch schema > " + schemaFile,
		Action: func(*cli.Context) error {
			text, err := jobs.Schema()
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(text)
			return err
		},
	}
}
