package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/CLI.md is what the commands say of themselves.
func TestTheCommandReferenceIsWritten(t *testing.T) {
	t.Parallel()
	text, err := new(program).manual().ToMarkdown()
	require.NoError(t, err)
	mustBeDocument(t, "CLI.md", strings.TrimSpace(text)+"\n")
}

// Every command shows in its help how it is used, with flags that it has.
func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	for _, cmd := range new(program).commands() {
		t.Run(cmd.Name, func(t *testing.T) {
			t.Parallel()
			help := inProcess(t, program{}, cmd.Name, "--help").stdout
			require.Contains(t, help, "\nEXAMPLES:\n   ", "its UsageText has them")
			for line := range strings.SplitSeq(cmd.UsageText, "\n") {
				assert.Contains(t, help, line)
				_, args, found := strings.Cut(line, "batch "+cmd.Name)
				require.True(t, found, line)
				args, _, _ = strings.Cut(args, "#")
				r := inProcess(t, program{}, append([]string{cmd.Name, "--help"}, strings.Fields(args)...)...)
				assert.Zero(t, r.code, "%s: %s", line, r.stderr)
			}
		})
	}
}

// The page for man is made by a library from the same text.
func TestTheManualPageHasEveryCommand(t *testing.T) {
	t.Parallel()
	r := inProcess(t, program{}, "man")
	require.Zero(t, r.code, r.stderr)
	assert.True(t, strings.HasPrefix(r.stdout, ".nh\n.TH batch 1"), r.stdout[:min(len(r.stdout), 80)])
	for _, cmd := range new(program).commands() {
		assert.Contains(t, r.stdout, ".SH batch "+cmd.Name)
	}
	for _, section := range []string{"NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXIT STATUS"} {
		assert.Contains(t, r.stdout, ".SH "+section)
	}
}
