package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The text of a command's UsageText are examples, here as in the manual.
const commandHelp = `NAME:
   {{template "helpNameTemplate" .}}

USAGE:
   {{.HelpName}} [command options]{{with .ArgsUsage}} {{.}}{{end}}{{if .Description}}

DESCRIPTION:
   {{template "descriptionTemplate" .}}{{end}}{{if .UsageText}}

EXAMPLES:
   {{wrap .UsageText 3}}{{end}}

OPTIONS:{{template "visibleFlagTemplate" .}}
`

// manualTemplate is docs/CLI.md and, with a section number, the page for man.
const manualTemplate = `{{define "flags"}}{{range .}}
- **{{range $i, $name := .Names}}{{if $i}}**, **{{end}}{{if gt (len $name) 1}}--{{else}}-{{end}}{{$name}}{{end}}**
{{- if .TakesValue}} *VALUE*{{end}}: {{.GetUsage}}{{if .TakesValue}}{{with .GetDefaultText}} (default {{.}}){{end}}{{end}}{{range .GetEnvVars}} [${{.}}]{{end}}
{{- end}}{{end -}}

{{if .SectionNum}}% batch {{.SectionNum}}

# NAME

batch - {{.App.Usage}}

# SYNOPSIS

**batch** [*options*] *command* [*options*] [*arguments*]

# OPTIONS
{{else}}# Commands

` + "What `batch` takes on its command line. Made by `make docs` from the commands; `batch COMMAND --help` says the same, and `batch man` prints it for man." + `

## Options of every command
{{end}}
They stand before the name of the command or behind it, and before its arguments.
{{template "flags" .App.Flags}}
{{if .SectionNum}}
# COMMANDS
{{end}}{{range .App.Commands}}
## batch {{.Name}}{{with .ArgsUsage}} {{.}}{{end}}

*{{.Usage}}*
{{with .Description}}
{{.}}
{{end}}
` + "```\n{{.UsageText}}\n```" + `
{{with .VisibleFlags}}{{template "flags" .}}
{{end}}{{end}}{{if .SectionNum}}
# EXIT STATUS
{{else}}
## Exit codes
{{end}}
` + exitCodes

// exitCodes are those of exitCode, in words.
const exitCodes = `- 0: all rows done
- 1: the run failed
- 2: usage, job file or input wrong; nothing was sent
- 3: finished, but rows failed, are invalid or in doubt
- 4: another process runs this job
- 130, 143: stopped by SIGINT or SIGTERM; the same command resumes
`

// The library has the template of a process in a variable.
func init() { cli.MarkdownDocTemplate = manualTemplate }

// manualSection is that of commands.
const manualSection = 1

func (p *program) manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page of batch",
		UsageText: "batch man > batch.1 && man ./batch.1",
		Action: func(*cli.Context) error {
			page, err := p.manual().ToManWithSection(manualSection)
			if err != nil {
				return fmt.Errorf("write the manual page: %w", err)
			}
			_, err = fmt.Fprint(p.stdout, page)
			return err
		},
	}
}

// manual is batch as the manual has it: its commands without the options that
// they all have.
func (p *program) manual() *cli.App {
	return &cli.App{Name: "batch", Usage: usage, Flags: sharedFlags(), Commands: p.commands()}
}
