package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"convbatch/internal/emulator"
	"convbatch/jobs"
)

func (p *program) emulatorCommand() *cli.Command {
	return &cli.Command{
		Name:  "emulator",
		Usage: "an imitation of the API on loopback, for trying and testing",
		Description: "Once it listens it prints one JSON line with project, app, key_id, key_secret and urls.\n" +
			"Everything it makes up follows from the seed. GET /_emulator/accepted lists what it accepted.\n\n" +
			"A file of faults is a list of rules, for example\n\n" +
			"    [{\"operation\": \"Messages_SendMessage\", \"kind\": \"reset_after\", \"rate\": 0.02},\n" +
			"     {\"operation\": \"*\", \"kind\": \"429\", \"every\": 50, \"retry_after\": \"2\"}]\n\n" +
			"with operation (an operationId, \"token\" or \"*\"), kind (a status, reset_before, reset_after, delay,\n" +
			"delay_after, slow_body, truncate, garbage, html, empty, 401_expired, 403_billing), when (rate, first,\n" +
			"every, after) and how (delay, retry_after, retry_info, shape, status, accepted).",
		UsageText: "batch emulator\nbatch emulator --listen 127.0.0.1:0 --latency 20ms --limit 800/s --faults faults.json",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", Usage: "loopback address; port 0 chooses a free one", EnvVars: []string{"BATCH_EMULATOR_LISTEN"}},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "what everything is made up from", EnvVars: []string{"BATCH_EMULATOR_SEED"}},
			&cli.IntFlag{Name: "contacts", Value: 1000, Usage: "contacts at the start", EnvVars: []string{"BATCH_EMULATOR_CONTACTS"}},
			&cli.IntFlag{Name: "conversations", Value: 500, Usage: "conversations at the start", EnvVars: []string{"BATCH_EMULATOR_CONVERSATIONS"}},
			&cli.IntFlag{Name: "messages", Value: 10000, Usage: "messages at the start, over the last 30 days", EnvVars: []string{"BATCH_EMULATOR_MESSAGES"}},
			&cli.DurationFlag{Name: "latency", Usage: "of every call", EnvVars: []string{"BATCH_EMULATOR_LATENCY"}},
			&cli.StringFlag{Name: "limit", Value: "unlimited", Usage: "requests that are answered before 429, for example 800/s", EnvVars: []string{"BATCH_EMULATOR_LIMIT"}},
			&cli.IntFlag{Name: "queue-limit", Usage: "messages that the app's queue holds, 429 while it is full; needs drain-rate", DefaultText: "500000", EnvVars: []string{"BATCH_EMULATOR_QUEUE_LIMIT"}},
			&cli.StringFlag{Name: "drain-rate", Value: "unlimited", Usage: "messages that leave the app's queue, for example 25/s; without it they leave at once", EnvVars: []string{"BATCH_EMULATOR_DRAIN_RATE"}},
			&cli.DurationFlag{Name: "list-delay", Usage: "a message that was sent shows up in lists this much later", EnvVars: []string{"BATCH_EMULATOR_LIST_DELAY"}},
			&cli.DurationFlag{Name: "token-lifetime", Usage: "of access tokens", DefaultText: "1h", EnvVars: []string{"BATCH_EMULATOR_TOKEN_LIFETIME"}},
			&cli.StringFlag{Name: "api", Value: emulator.ProfileNew, Usage: "new, or old: the API before time filters", EnvVars: []string{"BATCH_EMULATOR_API"}},
			&cli.StringFlag{Name: "mode", Value: emulator.ModeConversation, Usage: "of the app: CONVERSATION or DISPATCH", EnvVars: []string{"BATCH_EMULATOR_MODE"}},
			&cli.IntFlag{Name: "dispatch-retention", Usage: "days that messages of DISPATCH mode are kept", EnvVars: []string{"BATCH_EMULATOR_DISPATCH_RETENTION"}},
			&cli.PathFlag{Name: "faults", Usage: "a JSON file of faults", EnvVars: []string{"BATCH_EMULATOR_FAULTS"}},
		},
		Action: p.emulate,
	}
}

func (p *program) emulate(c *cli.Context) error {
	limit, err := perSecond(c, "limit")
	if err != nil {
		return err
	}
	drain, err := perSecond(c, "drain-rate")
	if err != nil {
		return err
	}
	if c.IsSet("queue-limit") && drain == 0 {
		return usageError("--queue-limit needs --drain-rate: without it messages leave the queue at once")
	}
	o := emulator.Options{
		Seed: c.Uint64("seed"), Contacts: c.Int("contacts"), Conversations: c.Int("conversations"), Messages: c.Int("messages"),
		Latency: c.Duration("latency"), Profile: c.String("api"), Mode: c.String("mode"),
		DispatchRetentionDays: c.Int("dispatch-retention"),
		Limit:                 limit, QueueLimit: c.Int("queue-limit"), DrainRate: drain,
		ListDelay: c.Duration("list-delay"), TokenLifetime: c.Duration("token-lifetime"),
	}
	if o.Profile != emulator.ProfileNew && o.Profile != emulator.ProfileOld {
		return usageError("--api %q: want new or old", o.Profile)
	}
	if o.Mode != emulator.ModeConversation && o.Mode != emulator.ModeDispatch {
		return usageError("--mode %q: want CONVERSATION or DISPATCH", o.Mode)
	}
	if path := c.Path("faults"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return usageError("--faults: %w", err)
		}
		if o.Faults, err = emulator.ParseFaults(text); err != nil {
			return usageError("--faults %s: %w", path, err)
		}
	}
	// It keeps all messages in memory: with more of them than a job may take, it
	// would do nothing but collect garbage.
	p.limitMemory(math.MaxInt64)
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server, err := emulator.Serve(ctx, c.String("listen"), o)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	line, err := json.Marshal(server.Info())
	if err == nil {
		_, err = fmt.Fprintf(p.stdout, "%s\n", line)
	}
	if err != nil {
		return err
	}
	<-server.Done()
	return nil
}

// perSecond reads a flag that is a rate; 0 is no limit.
func perSecond(c *cli.Context, flag string) (float64, error) {
	rate, err := jobs.ParseRate(c.String(flag))
	switch {
	case err != nil:
		return 0, usageError("--%s %q %w", flag, c.String(flag), err)
	case rate.Unlimited():
		return 0, nil
	}
	return rate.PerSecond(), nil
}
