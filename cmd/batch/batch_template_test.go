package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"convbatch/client"
	"convbatch/internal/emulator"
	"convbatch/jobs"
	"convbatch/ratelimit"
	"convbatch/sources"
)

// templatePieces make templates, side by side; some do not compile together.
var templatePieces = []string{
	"Hi ", "$$", "$$$$", "{", "}", "{{/* no */}}", "${VAR}", "${DOLLAR}", "é👩‍🚀", "\"", "\\", "\n", "p1}",
	"{{.a}}", "{{.b}}", "{{ .a -}} ", " {{- .b }}", `{{index . "c d"}}`, "{{.a | upper}}", `{{.b | default "${DOLLAR}{"}}`,
	"{{if .a}}x{{.b}}{{else}}$$none{{end}}", "{{with .b}}<{{.}}>{{end}}", "{{$x := .a}}", "{{$y := .b}}{{$y}}!{{$y}}",
	`{{printf "%s-%s" .a .b}}`, `{{"{{"}}`, `{{"$$"}}`, "{{range slice .a 0 0}}{{end}}", "{{if eq .a .b}}same{{end}}",
}

// modesOf loads two jobs with one request, of mode single and batch; nil with
// the reason when a job is refused.
func modesOf(dir string, info emulator.Info, title, description, choice string) (file *jobs.File, one, many *jobs.BulkSend, err error) {
	text := "version: 1\napi: {project: " + info.Project + ", region: eu, key_id: " + info.KeyID + ", key_secret: \"${SECRET}\", urls: {" +
		fmt.Sprintf("conversation: %q, batch: %q, token: %q", info.URLs.Conversation, info.URLs.Batch, info.URLs.Token) + "}}\njobs:\n"
	for _, mode := range []string{"single", "batch"} {
		text += fmt.Sprintf(`  %s:
    kind: bulk_send
    mode: %[1]s
    app: %s
    from: {csv: rows.csv}
    key: key
    request:
      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.key}}"}]}}
      message: {card_message: {title: %s, description: %s, choices: [{text_message: {text: %s}}]}}
`, mode, info.App, strconv.Quote(title), strconv.Quote(description), strconv.Quote(choice))
	}
	path := filepath.Join(dir, "jobs.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, nil, nil, err
	}
	env := map[string]string{"SECRET": info.KeySecret, "VAR": "{{.a}} $", "DOLLAR": "$"}
	if file, err = jobs.Load(path, func(name string) (string, bool) { v, ok := env[name]; return v, ok }); err != nil {
		return nil, nil, nil, err
	}
	single, _ := file.Job("single")
	batch, _ := file.Job("batch")
	return file, single.Spec.(*jobs.BulkSend), batch.Spec.(*jobs.BulkSend), nil
}

// What a batch makes of a message and parameters is what a single send says,
// for any template and any row: or the job, or the row, is refused and says why.
func TestABatchSaysWhatSingleMessagesSay(t *testing.T) {
	t.Parallel()
	api, err := emulator.Serve(t.Context(), "127.0.0.1:0", emulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	dir, compared := t.TempDir(), 0
	template := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(templatePieces), 1, 5), func(p []string) string { return strings.Join(p, "") })
	value := rapid.Map(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]string{"$", "{", "}", "${p1}", "{{.a}}", "\"", "\\", "\n"}), rapid.String()), 0, 3),
		func(p []string) string { return strings.Join(p, "") })
	columns := []sources.Column{{Name: "key"}, {Name: "a"}, {Name: "b"}, {Name: "c d"}}
	rapid.Check(t, func(t *rapid.T) {
		file, one, many, err := modesOf(dir, api.Info(), template.Draw(t, "title"), template.Draw(t, "description"), "x"+template.Draw(t, "choice"))
		var problems jobs.Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				if strings.HasPrefix(p.Path, "jobs.batch") && !strings.HasPrefix(problems[0].Path, "jobs.single") {
					require.Contains(t, p.Message, `holds "${"`)
				}
			}
			return
		}
		require.NoError(t, err)
		require.NoError(t, one.Columns(columns))
		require.NoError(t, many.Columns(columns))
		client, err := newClient(file, ratelimit.New(0), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		row := sources.Row{Values: []string{"+46701234567", value.Draw(t, "a"), value.Draw(t, "b"), value.Draw(t, "c")}}
		alone, aloneErr := one.Prepare(row)
		part, partErr := many.Prepare(row)
		if partErr != nil {
			excused := strings.Contains(gjson.GetBytes(alone, "message").Raw, "${") || strings.Contains(partErr.Error(), "can not be left out")
			require.True(t, aloneErr != nil || excused, "%v", partErr)
			return
		}
		require.NoError(t, aloneErr)
		require.Equal(t, gjson.GetBytes(alone, "message.card_message").Raw, throughTheAPI(t, api, client, many, part))
		compared++
	})
	assert.Positive(t, compared)
	t.Logf("%d compared", compared)
}

// throughTheAPI returns the message that the server makes of a part.
func throughTheAPI(t *rapid.T, api *emulator.Server, client *client.Client, kind *jobs.BulkSend, part []byte) string {
	body := kind.Whole("RUN", []int64{0}, [][]byte{part}, time.Now())
	_, err := client.SendBatch(t.Context(), body)
	require.NoError(t, err, "%s", body)
	last := ""
	for m := range api.Messages() {
		last = gjson.GetBytes(m.Body, "app_message.card_message").Raw
		break
	}
	return last
}
