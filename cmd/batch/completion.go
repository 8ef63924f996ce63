package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

// completionFlag makes a command line one that is being typed: the words before
// it are answered with what the last of them may become, one a line, and
// nothing is run.
const completionFlag = "--generate-bash-completion"

// The scripts leave to batch what fits, and evaluate nothing of what was typed.
const (
	bashScript = `# Completion of batch in bash: source <(batch completion bash)
_batch_words() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]/#\~/$HOME}" "${COMP_WORDS[@]:1:COMP_CWORD}" ` + completionFlag + ` 2>/dev/null)
}
complete -o bashdefault -o default -F _batch_words batch
`
	zshScript = `#compdef batch
# Completion of batch in zsh: source <(batch completion zsh), after compinit
_batch_words() {
    local -a found
    found=(${(f)"$("${words[1]/#\~/$HOME}" "${(@)words[2,CURRENT]}" ` + completionFlag + ` 2>/dev/null)"})
    if (( $#found )); then
        compadd -- $found
    else
        _files
    fi
}
compdef _batch_words batch
`
	// fishWords is added to what the library writes, which knows commands and
	// flags; %s are the commands with other arguments.
	fishWords = `
function __fish_batch_words
    set -l typed (commandline -opc) (commandline -ct)
    command $typed ` + completionFlag + ` 2>/dev/null
end
complete -c batch -n '__fish_seen_subcommand_from %s' -f -a '(__fish_batch_words)'
`
)

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name:  "completion",
		Usage: "print a script that completes commands, flags, jobs and kinds in a shell",
		Description: "The names of jobs come from the job file that the line being typed names. For every new shell, the first\n" +
			"of the examples goes into ~/.bashrc, the second into ~/.zshrc behind compinit; the third is for fish.",
		UsageText: "source <(batch completion bash)\n" +
			"source <(batch completion zsh)\n" +
			"batch completion fish > ~/.config/fish/completions/batch.fish",
		ArgsUsage: "bash|zsh|fish",
		Action:    p.printCompletion,
	}
}

func (p *program) printCompletion(c *cli.Context) error {
	script := ""
	switch shell := c.Args().First(); {
	case c.NArg() != 1:
		return usageError("completion: name one shell: bash, zsh or fish")
	case shell == "bash":
		script = bashScript
	case shell == "zsh":
		script = zshScript
	case shell == "fish":
		flags, err := c.App.ToFishCompletion()
		if err != nil {
			return fmt.Errorf("write the completion of fish: %w", err)
		}
		script = flags + fmt.Sprintf(fishWords, strings.Join(completed(c.App), " "))
	default:
		return usageError("completion: %q is not one of bash, zsh, fish", shell)
	}
	_, err := fmt.Fprint(p.stdout, script)
	return err
}

// completed are the commands whose arguments are known words, and not files.
func completed(app *cli.App) (names []string) {
	for _, cmd := range app.Commands {
		if words := new(program).arguments(cmd.ArgsUsage, nil); words != nil {
			names = append(names, cmd.Name)
		}
	}
	return names
}

// completing splits a line that is being typed: what stands before the word
// under the cursor is parsed as it would be, and that word is kept. Behind "--"
// the library would run the line, so nothing is left of such a one.
func (p *program) completing(args []string) []string {
	last := len(args) - 1
	if last < 2 || args[last] != completionFlag {
		return args
	}
	p.typed = args[1:last]
	if slices.Contains(args[1:last-1], "--") {
		p.typed = []string{""}
		return []string{args[0], "version", completionFlag}
	}
	return append(slices.Clone(args[:last-1]), completionFlag)
}

// complete prints what the word under the cursor may become. Where that is
// nothing the shell offers files.
func (p *program) complete(c *cli.Context) {
	if len(p.typed) == 0 {
		return
	}
	word := p.typed[len(p.typed)-1]
	for _, candidate := range p.candidates(c, word) {
		if strings.HasPrefix(candidate, word) {
			fmt.Fprintln(p.stdout, candidate)
		}
	}
}

func (p *program) candidates(c *cli.Context, word string) []string {
	if len(p.typed) > 1 {
		if values, takes := valuesAfter(c.Command, p.typed[len(p.typed)-2]); takes {
			return values
		}
	}
	args := c.Args().Slice()
	switch {
	case strings.HasPrefix(word, "-"):
		return flagNames(c.Command)
	case len(args) > 0 && !strings.Contains(c.Command.ArgsUsage, "…"):
		return nil
	case len(c.Command.Subcommands) > 0:
		return commandNames(c.Command)
	}
	words := p.arguments(c.Command.ArgsUsage, c)
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(args, w) })
}

// arguments are the words that a command takes, by how its usage names them. A
// nil context stands for any line.
func (p *program) arguments(usage string, c *cli.Context) []string {
	switch {
	case strings.Contains(usage, "JOB"):
		if c == nil {
			return []string{"JOB"}
		}
		return p.jobNames(c)
	case strings.Contains(usage, "KIND"):
		return kindNames()
	case usage != strings.ToUpper(usage): // the words themselves
		return strings.Split(usage, "|")
	}
	return nil
}

// jobNames are the jobs of the job file, or of the store, that the line names.
func (p *program) jobNames(c *cli.Context) []string {
	dir := c.Path("store")
	if dir == "" {
		return jobs.NamesIn(p.text(c, "file"))
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil // opening it would make it
	}
	store, err := sinks.OpenStore(dir)
	if err != nil {
		return nil
	}
	names, _ := store.Jobs() // who completes a word is not told of errors
	return names
}

func commandNames(root *cli.Command) (names []string) {
	for _, cmd := range root.VisibleCommands() {
		names = append(names, cmd.Name)
	}
	return names
}

func flagNames(cmd *cli.Command) (names []string) {
	for _, f := range cmd.VisibleFlags() {
		names = append(names, "--"+f.Names()[0])
	}
	return names
}

// valuesAfter are what may stand behind a word, if that is a flag that takes a
// value; nil for any text.
func valuesAfter(cmd *cli.Command, word string) (values []string, takes bool) {
	if !isFlag(word) {
		return nil, false
	}
	f := valued(cmd.Flags, word)
	if f == nil {
		return nil, false
	}
	return flagValues()[f.Names()[0]], true
}

// flagValues are the values of flags that take one of a few.
func flagValues() map[string][]string {
	formats := []string{"parquet"}
	for _, f := range sinks.Formats() {
		formats = append(formats, string(f))
	}
	var states []string
	for _, s := range pipeline.States() {
		states = append(states, string(s))
	}
	return map[string][]string{
		"format": formats, "state": states, "in-doubt": {doubtResend, doubtDone},
		"log-format": {"text", "json"}, "log-level": {"debug", "info", "warn", "error"},
	}
}
