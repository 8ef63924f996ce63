package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strings"

	"github.com/urfave/cli/v2"
)

// profileFlag asks for measurements of batch itself, for `go tool pprof` and
// `go tool trace`.
func profileFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name:  "profile",
		Usage: "measure batch itself: cpu=FILE, mem=FILE or trace=FILE; may be repeated", EnvVars: []string{"BATCH_PROFILE"},
	}
}

// beginProfiles begins what the command line asks for. The returned function
// ends it and writes the files.
func beginProfiles(asked []string) (end func() error, err error) {
	var ends []func() error
	end = func() error {
		var errs error
		for _, f := range ends {
			errs = errors.Join(errs, f())
		}
		return errs
	}
	for _, one := range asked {
		what, path, _ := strings.Cut(one, "=")
		if path == "" {
			return nil, errors.Join(usageError("--profile %q: want cpu=FILE, mem=FILE or trace=FILE", one), end())
		}
		f, err := beginProfile(what, path)
		if err != nil {
			return nil, errors.Join(err, end())
		}
		ends = append(ends, f)
	}
	return end, nil
}

func beginProfile(what, path string) (end func() error, err error) {
	kinds := map[string]struct{ begin, end func(io.Writer) error }{
		"cpu":   {pprof.StartCPUProfile, func(io.Writer) error { pprof.StopCPUProfile(); return nil }},
		"trace": {trace.Start, func(io.Writer) error { trace.Stop(); return nil }},
		"mem": {func(io.Writer) error { return nil }, func(w io.Writer) error {
			runtime.GC() // so that it shows what is in use now
			return pprof.Lookup("allocs").WriteTo(w, 0)
		}},
	}
	kind, known := kinds[what]
	if !known {
		return nil, usageError("--profile: there is no %q: want cpu=FILE, mem=FILE or trace=FILE", what)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		if err = kind.begin(f); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return nil, usageError("--profile %s: %w", what, err)
	}
	return func() error {
		if err := errors.Join(kind.end(f), f.Close()); err != nil {
			return fmt.Errorf("--profile %s: write %s: %w", what, path, err)
		}
		return nil
	}, nil
}
