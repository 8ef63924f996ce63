package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/sinks"
)

func (p *program) pruneCommand() *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove what is old from the store; without --yes it only says what would go",
		Description: "Of a dataset by date whole days; of snapshots old runs, but never the latest of a list and the one it is\n" +
			"compared with; of jobs the input that was taken down and the results of runs. Results by which a job knows\n" +
			"which keys were done are kept: without them these would be sent again. What was pruned of an archive is\n" +
			"not read again. A name stands for the dataset and the job\n" +
			"that have it; without names it is about everything in the store.",
		UsageText: "batch prune --older-than 90d\n" +
			"batch prune --older-than 90d --yes messages\n" +
			"batch prune --older-than 730d --forget-keys spring-offer   # its keys may be sent again then",
		ArgsUsage: "[DATASET|JOB…]",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "older-than", Usage: "what ended so long ago goes: `TIME` as 90d, a day at least", EnvVars: []string{"BATCH_OLDER_THAN"}},
			&cli.BoolFlag{Name: "yes", Usage: "remove it", EnvVars: []string{"BATCH_YES"}},
			&cli.BoolFlag{Name: "forget-keys", Usage: "of the jobs named, also results by which keys that were done are known", EnvVars: []string{"BATCH_FORGET_KEYS"}},
		},
		Action: p.prune,
	}
}

// pruneReport is what a prune says with --json.
type pruneReport struct {
	Before  time.Time       `json:"before"`
	Removed bool            `json:"removed"` // else it would go
	Files   int             `json:"files"`
	Bytes   int64           `json:"bytes"`
	Items   []sinks.Removal `json:"items"`
	Kept    []sinks.Kept    `json:"kept"`
}

// pruneTarget is what one prune is about: a dataset or a job.
type pruneTarget struct {
	set *sinks.Dataset
	job string
}

func (p *program) prune(c *cli.Context) error {
	before, err := p.prunedBefore(c.String("older-than"))
	if err != nil {
		return err
	}
	if c.Bool("forget-keys") && !c.Args().Present() {
		return usageError("--forget-keys: name the jobs whose keys may be done again")
	}
	store, once, err := p.pruneStore(c)
	if err != nil {
		return err
	}
	targets, err := pruneTargets(store, c.Args().Slice())
	if err != nil {
		return err
	}
	o := sinks.PruneOptions{Before: before, Remove: c.Bool("yes"), Forget: func(run sinks.Run) bool { return c.Bool("forget-keys") || !once(run) }}
	report := pruneReport{Before: before, Removed: o.Remove, Items: []sinks.Removal{}, Kept: []sinks.Kept{}}
	locked, err := report.prune(c.Context, store, targets, o)
	if p.flag(c, "json") {
		err = errors.Join(err, writeJSON(p.stdout, report))
	} else {
		fmt.Fprintln(p.stdout, report.words())
	}
	if err != nil {
		return err
	}
	return locked
}

// prunedBefore reads --older-than.
func (p *program) prunedBefore(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, usageError("prune: say what is old, for example `batch prune --older-than 90d`")
	}
	age, err := jobs.ParseDuration(text)
	if err != nil || age.Duration() < 24*time.Hour {
		return time.Time{}, usageError("--older-than %s: want a time of a day at least, such as 90d", text)
	}
	return p.now().UTC().Add(-age.Duration()), nil
}

// pruneStore opens the store that the line names. The function says of a run
// whether its job does each key once. Of a job that has rows the job file alone
// can tell; where that does not, it is taken for so.
func (p *program) pruneStore(c *cli.Context) (_ *sinks.Store, once func(sinks.Run) bool, err error) {
	unknown := func(run sinks.Run) bool { return !pulls(run.Kind) }
	if dir := c.Path("store"); dir != "" {
		store, err := sinks.OpenStore(dir)
		return store, unknown, err
	}
	file, err := p.load(c)
	if err != nil {
		return nil, nil, err
	}
	store, err := sinks.OpenStore(file.StorePath())
	return store, func(run sinks.Run) bool {
		job, known := file.Job(run.Job)
		spec, pushes := job.Spec.(jobs.Pusher)
		if !known || !pushes || job.Kind != run.Kind {
			return unknown(run)
		}
		return spec.Once()
	}, err
}

// pulls says whether jobs of a kind read, and so have no keys.
func pulls(kind string) bool {
	for _, k := range jobs.Kinds() {
		if k.Name == kind {
			_, is := k.New().(jobs.Puller)
			return is
		}
	}
	return false
}

// pruneTargets are the datasets and jobs of these names, all when there are none.
func pruneTargets(store *sinks.Store, names []string) (targets []pruneTarget, err error) {
	sets, err := store.Datasets(datasets())
	if err != nil {
		return nil, err
	}
	jobNames, err := store.Jobs()
	if err != nil {
		return nil, err
	}
	asked := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	known := slices.Clone(jobNames)
	for _, set := range sets {
		known = append(known, set.Name)
		if asked(set.Name) {
			targets = append(targets, pruneTarget{set: &set})
		}
	}
	for _, job := range jobNames {
		if asked(job) {
			targets = append(targets, pruneTarget{job: job})
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usageError("prune: the store %s has no dataset and no job %q; %s", store.Dir(), name,
				near(name, known, "it has "+cmp.Or(strings.Join(known, ", "), "none")))
		}
	}
	return targets, nil
}

// prune does one target after the other. What a process works on is left out,
// and locked says so at the end.
func (r *pruneReport) prune(ctx context.Context, store *sinks.Store, targets []pruneTarget, o sinks.PruneOptions) (locked, err error) {
	for _, target := range targets {
		var done sinks.Pruned
		kept := sinks.Kept{Job: target.job, What: "everything"}
		if target.set != nil {
			kept.Dataset = target.set.Name
			done, err = store.PruneDataset(ctx, *target.set, o)
		} else {
			done, err = store.PruneJob(ctx, target.job, o)
		}
		var busy *sinks.LockedError
		if errors.As(err, &busy) {
			locked, kept.Why = err, busy.Error()
			r.Kept = append(r.Kept, kept)
			continue
		}
		if err != nil {
			return locked, fmt.Errorf("prune %s: %w", cmp.Or(kept.Dataset, kept.Job), err)
		}
		r.Items, r.Kept = append(r.Items, done.Removed...), append(r.Kept, done.Kept...)
		for _, item := range done.Removed {
			r.Files, r.Bytes = r.Files+item.Files, r.Bytes+item.Bytes
		}
	}
	return locked, nil
}

// words is the report for a person.
func (r pruneReport) words() string {
	lines := []string{"older than " + r.Before.Format(time.RFC3339) + ":"}
	for at := 0; at < len(r.Items); {
		first, end := r.Items[at], at
		var all sinks.Removal
		for ; end < len(r.Items) && r.Items[end].Dataset == first.Dataset && r.Items[end].Job == first.Job; end++ {
			all.Files, all.Bytes = all.Files+r.Items[end].Files, all.Bytes+r.Items[end].Bytes
		}
		what := first.What
		if n := end - at; n > 1 {
			what = fmt.Sprintf("%s … %s (%d)", what, r.Items[end-1].What, n)
		}
		lines = append(lines, fmt.Sprintf("  %s: %s, %s in %s", cmp.Or(first.Dataset, first.Job), what, size(all.Bytes), plural(int64(all.Files), "file")))
		at = end
	}
	for _, kept := range r.Kept {
		lines = append(lines, fmt.Sprintf("  %s: kept: %s: %s", cmp.Or(kept.Dataset, kept.Job), kept.What, kept.Why))
	}
	total := fmt.Sprintf("%s in %s", size(r.Bytes), plural(int64(r.Files), "file"))
	switch {
	case len(r.Items) == 0:
		lines = append(lines, "nothing goes")
	case r.Removed:
		lines = append(lines, "removed: "+total)
	default:
		lines = append(lines, "would go: "+total+"; --yes removes it")
	}
	return strings.Join(lines, "\n")
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, larger
	}
	if unit == "B" {
		return count(bytes) + " B"
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
