package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"convbatch/sinks"
)

func (p *program) compactCommand() *cli.Command {
	return &cli.Command{
		Name:  "compact",
		Usage: "merge the small Parquet files of a dataset into larger ones",
		Description: "Jobs may run and readers may read meanwhile: no row is ever lost or there twice, also when this is\n" +
			"killed; the same command goes on. Files of a run that is under way, or can be resumed, are left.\n" +
			"Another program that listed the files of a folder before, and opens them after, finds some of them\n" +
			"gone: ask it again. DuckDB's own shell can miss some without a word while a folder changes; start it\n" +
			"with `flock --shared STORE/store duckdb`, and this waits for it.",
		UsageText: "batch compact --dry-run messages\nbatch compact messages",
		ArgsUsage: "DATASET",
		Flags: []cli.Flag{
			storeFlag(),
			&cli.BoolFlag{Name: "dry-run", Usage: "only say what would be merged", EnvVars: []string{"BATCH_DRY_RUN"}},
		},
		Action: p.compact,
	}
}

func (p *program) compact(c *cli.Context) error {
	if c.NArg() != 1 {
		return usageError("compact: name one dataset, for example messages")
	}
	store, _, err := p.readStore(c)
	if err != nil {
		return err
	}
	set := sinks.Dataset{Name: c.Args().First()}
	if i := slices.IndexFunc(datasets(), func(d sinks.Dataset) bool { return d.Name == set.Name }); i >= 0 {
		set = datasets()[i]
	}
	done, err := store.Compact(c.Context, set, c.Bool("dry-run"))
	switch {
	case errors.Is(err, sinks.ErrNoDataset):
		return usageError("compact: %w; `ls %s/datasets` lists those there are", err, store.Dir())
	case err != nil:
		return err
	case p.flag(c, "json"):
		return writeJSON(p.stdout, done)
	}
	_, err = fmt.Fprintln(p.stdout, compactionWords(done, c.Bool("dry-run")))
	return err
}

// compactionWords says what was merged, or would be.
func compactionWords(c sinks.Compaction, plan bool) string {
	left := ""
	if c.Left > 0 {
		left = fmt.Sprintf("; %s left, of runs that are under way or can be resumed", plural(int64(c.Left), "small file"))
	}
	switch {
	case c.Folders == 0:
		return fmt.Sprintf("%s: nothing to merge in %s%s", c.Dataset, plural(int64(c.FilesBefore), "file"), left)
	case plan:
		return fmt.Sprintf("%s: %s would become %s in %s, %s would be written anew%s", c.Dataset, plural(int64(c.FilesBefore), "file"),
			count(int64(c.FilesAfter)), plural(int64(c.Folders), "folder"), plural(c.Rows, "row"), left)
	}
	return fmt.Sprintf("%s: %s became %s in %s, %s were written anew, %s MiB are %s%s", c.Dataset, plural(int64(c.FilesBefore), "file"),
		count(int64(c.FilesAfter)), plural(int64(c.Folders), "folder"), plural(c.Rows, "row"),
		count(c.BytesBefore>>20), count(c.BytesAfter>>20), left)
}
