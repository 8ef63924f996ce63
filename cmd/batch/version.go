package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is set by the build; without that it is the commit, where the
// toolchain knows it.
var version = "dev"

func init() {
	built, ok := debug.ReadBuildInfo()
	if ok && version == "dev" && built.Main.Version != "" && built.Main.Version != "(devel)" {
		version = built.Main.Version
	}
}

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version",
		UsageText: "batch version",
		Action: func(c *cli.Context) error {
			if p.flag(c, "json") {
				return writeJSON(p.stdout, map[string]string{
					"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(p.stdout, "batch %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
