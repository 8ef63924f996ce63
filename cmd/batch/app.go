package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	exitLocked     = 4   // another process runs this job
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
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &locked):
		return exitLocked
	}
	return exitFailed
}

// run runs one command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	app := &cli.App{
		Name:      "batch",
		Usage:     "bulk jobs against the Conversation API",
		Version:   version,
		Reader:    p.stdin,
		Writer:    p.stdout,
		ErrWriter: p.stderr,
		Flags:     sharedFlags(),
		Before:    p.before,
		Commands: []*cli.Command{
			p.runCommand(), p.retryCommand(), p.validateCommand(), p.planCommand(), p.statusCommand(),
			p.runsCommand(), p.resultsCommand(), p.cancelCommand(), p.sqlCommand(), p.doctorCommand(), p.emulatorCommand(), p.schemaCommand(),
			p.versionCommand(),
		},
		HideVersion:          true,
		HideHelpCommand:      true,
		ExitErrHandler:       func(*cli.Context, error) {}, // run reports, once
		OnUsageError:         func(_ *cli.Context, err error, _ bool) error { return usageError("%w; see `batch --help`", err) },
		CommandNotFound:      nil,
		EnableBashCompletion: false,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError("batch: no command %q; `batch --help` lists them", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, cmd := range app.Commands {
		cmd.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
			return usageError("%w; see `batch %s --help`", err, cmd.Name)
		}
		cmd.Flags = append(cmd.Flags, sharedFlagsAfter()...)
		cmd.Before, cmd.HideHelpCommand = p.beforeCommand, true // a job may be called help
	}
	err := app.RunContext(ctx, args)
	for _, end := range p.atEnd {
		err = errors.Join(err, end())
	}
	var exit *exitError
	if err != nil && (!errors.As(err, &exit) || exit.err != nil) {
		fmt.Fprintln(p.stderr, "batch: "+strings.TrimPrefix(err.Error(), "batch: "))
	}
	return exitCode(err)
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
		return usageError("batch %s takes no arguments, and %q is one", c.Command.Name, args[0])
	}
	for i, arg := range args { // the first is no flag, or stands after --
		if i > 0 && len(arg) > 1 && arg[0] == '-' {
			return usageError("flags come before arguments: put %s before %q", arg, args[0])
		}
	}
	return p.before(c)
}

func (p *program) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.text(c, "log-level"))); err != nil {
		return nil, usageError("--log-level %q: want debug, info, warn or error", p.text(c, "log-level"))
	}
	o := &slog.HandlerOptions{Level: level}
	switch format := p.text(c, "log-format"); format {
	case "text":
		return slog.New(slog.NewTextHandler(p.stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(p.stderr, o)), nil
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
			return nil, usageError("no job %q in %s; it has %s", name, file.Path, strings.Join(file.Names(), ", "))
		}
		chosen = append(chosen, job)
	}
	return chosen, nil
}
