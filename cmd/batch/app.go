package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/sinks"
)

// Exit codes, as the README documents them.
const (
	exitDone       = 0   // all rows done
	exitFailed     = 1   // the run failed
	exitUsage      = 2   // usage or job file wrong; nothing was sent
	exitIncomplete = 3   // finished, but rows failed, are invalid or in doubt
	exitLocked     = 4   // another process runs this job, or compacts
	exitSIGINT     = 130 // stopped; the same command resumes
	exitSIGTERM    = 143
)

// exitError is an error that decides the exit code. A nil err says that
// everything was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	var exit *exitError
	var locked *sinks.LockedError
	var compacting *sinks.CompactingError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &locked), errors.As(err, &compacting):
		return exitLocked
	}
	return exitFailed
}

// usage is what batch is, in a few words.
const usage = "bulk jobs against the Conversation API"

// run runs one command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	p.errs = &errs{w: p.stderr}
	app := p.app()
	err := app.RunContext(ctx, p.completing(flagsFirst(app, args)))
	for _, end := range p.atEnd {
		err = errors.Join(err, end())
	}
	var exit *exitError
	if err != nil && (!errors.As(err, &exit) || exit.err != nil) {
		fmt.Fprintln(p.stderr, "batch: "+strings.TrimPrefix(err.Error(), "batch: "))
	}
	return exitCode(err)
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:                 "batch",
		Usage:                usage,
		Version:              version,
		Reader:               p.stdin,
		Writer:               p.stdout,
		ErrWriter:            p.stderr,
		Flags:                sharedFlags(),
		Before:               p.before,
		Commands:             p.commands(),
		HideVersion:          true,
		HideHelpCommand:      true,
		ExitErrHandler:       func(*cli.Context, error) {}, // run reports, once
		OnUsageError:         func(c *cli.Context, err error, _ bool) error { return wrongFlag(err, c.App.Flags, "batch") },
		CommandNotFound:      func(c *cli.Context, _ string) { _ = cli.ShowSubcommandHelp(c) }, // --help before an argument
		EnableBashCompletion: true,
		BashComplete:         p.complete,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand(c.Args().First(), c.App.Commands)
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, cmd := range app.Commands {
		cmd.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return wrongFlag(err, cmd.Flags, "batch "+cmd.Name) }
		cmd.Flags = append(cmd.Flags, sharedFlagsAfter()...)
		cmd.Before, cmd.HideHelpCommand = p.beforeCommand, true // a job may be called help
		cmd.BashComplete, cmd.CustomHelpTemplate = p.complete, commandHelp
	}
	return app
}

// commands are all commands, in the order of the help.
func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		p.initCommand(), p.validateCommand(), p.planCommand(), p.runCommand(), p.retryCommand(), p.statusCommand(),
		p.runsCommand(), p.resultsCommand(), p.reportCommand(), p.cancelCommand(), p.sqlCommand(), p.compactCommand(), p.pruneCommand(), p.uploadCommand(), p.doctorCommand(), p.emulatorCommand(), p.schemaCommand(),
		p.completionCommand(), p.manCommand(), p.versionCommand(),
	}
}

// noCommand is said of a first word that is no command.
func noCommand(word string, commands []*cli.Command) error {
	var names []string
	for _, cmd := range commands {
		names = append(names, cmd.Name)
	}
	return usageError("batch: no command %q; %s", word, near(word, names, "`batch --help` lists them"))
}

// wrongFlag says what to do about an error of the flags of a command.
func wrongFlag(err error, flags []cli.Flag, command string) error {
	hint := "see `" + command + " --help`"
	if word, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
		var names []string
		for _, f := range flags {
			names = append(names, "--"+f.Names()[0])
		}
		hint = near("--"+word, names, hint)
	}
	return usageError("%w; %s", err, hint)
}

// near asks whether the candidate was meant that is spelt most like word;
// where there is none, otherwise stands for it.
func near(word string, candidates []string, otherwise string) string {
	if meant, ok := jobs.Nearest(word, candidates); ok {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return otherwise
}

// sharedFlags may stand before the name of a command.
func sharedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "the job file", Value: "jobs.yaml", EnvVars: []string{"BATCH_FILE"}},
		&cli.BoolFlag{Name: "json", Usage: "print the result as one JSON object", EnvVars: []string{"BATCH_JSON"}},
		&cli.BoolFlag{Name: "quiet", Usage: "no progress", EnvVars: []string{"BATCH_QUIET"}},
		&cli.StringFlag{Name: "log-format", Usage: "text or json", Value: "text", EnvVars: []string{"BATCH_LOG_FORMAT"}},
		&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "warn", EnvVars: []string{"BATCH_LOG_LEVEL"}},
		profileFlag(),
	}
}

// sharedFlagsAfter are the same flags after the name. The environment is left
// to those before it: what it says must not win over what was typed there.
func sharedFlagsAfter() []cli.Flag {
	flags := sharedFlags()
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.Usage, f.EnvVars = f.Usage+" [$"+f.EnvVars[0]+"]", nil
		case *cli.StringSliceFlag:
			f.Usage, f.EnvVars = f.Usage+" [$"+f.EnvVars[0]+"]", nil
		case *cli.BoolFlag:
			f.Usage, f.EnvVars = f.Usage+" [$"+f.EnvVars[0]+"]", nil
		}
	}
	return flags
}

// before checks the flags that every command has, and begins what they ask for.
func (p *program) before(c *cli.Context) error {
	if _, err := p.logger(c); err != nil {
		return err
	}
	end, err := beginProfiles(c.StringSlice("profile"))
	if err == nil {
		p.atEnd = append(p.atEnd, end)
	}
	return err
}

// beforeCommand checks what stands after the name of a command.
func (p *program) beforeCommand(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) > 0 && c.Command.ArgsUsage == "" {
		return usageError("batch %s takes no arguments, and %q is one; see `batch %[1]s --help`", c.Command.Name, args[0])
	}
	return p.before(c)
}

// flagsFirst puts the flags of a command before its arguments, since the library
// ends its flags there and people do not. What stands behind -- is no flag.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 || args[len(args)-1] == completionFlag { // which has to be the last
		return args
	}
	at := 1
	for at < len(args) && isFlag(args[at]) {
		at += wordsOf(app.Flags, args[at])
	}
	if at >= len(args) || app.Command(args[at]) == nil {
		return args
	}
	flags := app.Command(args[at]).Flags
	first, behind := slices.Clone(args[:at+1]), []string(nil)
	for at++; at < len(args) && args[at] != "--"; {
		n := 1
		if isFlag(args[at]) {
			if n = wordsOf(flags, args[at]); at+n > len(args) {
				return append(first, args[at]) // its value is missing, which the library says
			}
			first = append(first, args[at:at+n]...)
		} else {
			behind = append(behind, args[at])
		}
		at += n
	}
	if at < len(args) {
		first = append(first, "--")
		at++
	}
	return append(append(first, behind...), args[at:]...)
}

func isFlag(word string) bool { return len(word) > 1 && word[0] == '-' && word != "--" }

// wordsOf is how many words of a line a flag is, with its value.
func wordsOf(flags []cli.Flag, word string) int {
	if valued(flags, word) != nil {
		return 2
	}
	return 1
}

// valued is the flag of that name, if the word behind it is its value.
func valued(flags []cli.Flag, word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	for _, f := range flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && doc.TakesValue() && slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func (p *program) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.text(c, "log-level"))); err != nil {
		return nil, usageError("--log-level %q: want debug, info, warn or error", p.text(c, "log-level"))
	}
	o := &slog.HandlerOptions{Level: level}
	switch format := p.text(c, "log-format"); format {
	case "text":
		return slog.New(slog.NewTextHandler(p.errs, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(p.errs, o)), nil
	default:
		return nil, usageError("--log-format %q: want text or json", format)
	}
}

// text returns a shared flag, wherever on the line it was set.
func (p *program) text(c *cli.Context, name string) string { return where(c, name).String(name) }

func (p *program) flag(c *cli.Context, name string) bool { return where(c, name).Bool(name) }

// where is the part of the line, from the end, that sets a shared flag.
func where(c *cli.Context, name string) *cli.Context {
	for _, at := range c.Lineage() {
		if at.Command != nil && at.IsSet(name) {
			return at
		}
	}
	return c
}

// load reads the job file that the command line names.
func (p *program) load(c *cli.Context) (*jobs.File, error) {
	return p.loadFile(p.text(c, "file"))
}

// loadFile reads a job file. Warnings go to standard error.
func (p *program) loadFile(path string) (*jobs.File, error) {
	file, err := jobs.Load(path, p.env)
	if err != nil {
		return nil, &exitError{exitUsage, err} // whatever is wrong with it, nothing was sent
	}
	for _, w := range file.Warnings {
		fmt.Fprintln(p.stderr, "batch: warning: "+w.Error())
	}
	return file, nil
}

// choose returns the jobs that the command line names.
func choose(file *jobs.File, names []string) ([]jobs.Job, error) {
	var chosen []jobs.Job
	for _, name := range names {
		job, ok := file.Job(name)
		if !ok {
			return nil, noJob(name, file.Path, file.Names())
		}
		chosen = append(chosen, job)
	}
	return chosen, nil
}

// noJob is said of a name that no job has, in a job file or a store.
func noJob(name, where string, names []string) error {
	has := "it has none"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return usageError("no job %q in %s; %s", name, where, near(name, names, has+"; `batch init -f FILE KIND` writes an example of another"))
}
