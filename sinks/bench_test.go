package sinks

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"convbatch/pipeline"

	"github.com/stretchr/testify/require"
)

// benchRow is as wide as a message of the archive.
type benchRow struct {
	Project      string    `parquet:"project_id,dict"`
	App          string    `parquet:"app_id,dict"`
	ID           string    `parquet:"id"`
	Conversation string    `parquet:"conversation_id"`
	Contact      string    `parquet:"contact_id"`
	Direction    string    `parquet:"direction,dict"`
	Channel      string    `parquet:"channel,dict"`
	Identity     string    `parquet:"identity"`
	Sender       string    `parquet:"sender_id,dict"`
	AcceptTime   time.Time `parquet:"accept_time,timestamp(microsecond)"`
	Type         string    `parquet:"type,dict"`
	Text         string    `parquet:"text"`
	Metadata     string    `parquet:"metadata"`
	Injected     bool      `parquet:"injected"`
	Mode         string    `parquet:"processing_mode,dict"`
	Body         string    `parquet:"body"`
	Run          string    `parquet:"run_id,dict"`
	ArchivedAt   time.Time `parquet:"archived_at,timestamp(microsecond)"`
}

// benchMessage is row i: its texts lie in its body, as those of a message do.
func benchMessage(i int) *benchRow {
	body := fmt.Sprintf(`{"id":"01HXZ%021d","conversation_id":"01V%023d","contact_id":"01C%023d","direction":"TO_APP","identity":"4670%07d",`+
		`"channel":"SMS","sender":"12345","text":"%x your order is on its way","type":"text_message","mode":"CONVERSATION"}`,
		i*7919, i%500, i%500, i*31, i*7919*104729)
	member := func(name string) string {
		_, rest, _ := strings.Cut(body, `"`+name+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	return &benchRow{
		Project: "project", App: "app", ID: member("id"), Conversation: member("conversation_id"), Contact: member("contact_id"),
		Direction: member("direction"), Channel: member("channel"), Identity: member("identity"), Sender: member("sender"),
		AcceptTime: time.UnixMilli(int64(i)), Type: member("type"), Text: member("text"), Mode: member("mode"), Body: body, Run: "run",
	}
}

// peakMiB is the most memory that this process has had, so a figure means
// something when one benchmark runs in a process (-bench with its whole name).
func peakMiB(b *testing.B) float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib float64
		if n, _ := fmt.Sscanf(strings.TrimSpace(lines.Text()), "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}

// BenchmarkOutcomes commits outcomes 1,000 at a time, a million of them with -benchtime=1000x.
func BenchmarkOutcomes(b *testing.B) {
	for _, settings := range []struct{ memory, threads, checkpoint string }{
		{"96MiB", "1", "128MiB"},
		{"128MiB", "1", "128MiB"},
		{"128MiB", "2", "128MiB"},
		{"128MiB", "1", "16MiB"},
		{"512MiB", "1", "128MiB"}, // as it is
		{"512MiB", "1", "512MiB"},
		{"512MiB", "2", "128MiB"},
	} {
		b.Run(fmt.Sprintf("memory=%s,threads=%s,checkpoint=%s", settings.memory, settings.threads, settings.checkpoint), func(b *testing.B) {
			before := ledgerSettings
			defer func() { ledgerSettings = before }()
			ledgerSettings = map[string]string{
				"memory_limit": settings.memory, "threads": settings.threads, "checkpoint_threshold": settings.checkpoint}
			benchOutcomes(b, 1000)
		})
	}
}

// BenchmarkCommits commits so many outcomes at a time: a hundred are those of a
// quarter of a second at 800 a second.
func BenchmarkCommits(b *testing.B) {
	for _, rows := range []int64{1, 100, 500, 1000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) { benchOutcomes(b, rows) })
	}
}

func benchOutcomes(b *testing.B, rows int64) {
	s, err := OpenStore(b.TempDir())
	require.NoError(b, err)
	l, err := s.Ledger(b.Context(), "bench")
	require.NoError(b, err)
	require.NoError(b, l.Begin(b.Context(), Run{ID: "R", Kind: "bulk_send", StartedAt: time.Now()}, nil))
	sink := l.Sink("R", nil)
	var seq int64
	var slowest time.Duration
	b.ResetTimer()
	for range b.N {
		c := pipeline.Commit{Claim: &pipeline.Claim{Range: pipeline.Range{From: seq + rows, To: seq + 2*rows}}}
		for range rows {
			c.Outcomes = append(c.Outcomes, pipeline.Outcome{
				Seq: seq, Key: fmt.Sprintf("customer-%d", seq), State: pipeline.Done, HTTPStatus: 200, Attempts: 1,
				Ref: fmt.Sprintf("01HXZ%021d", seq*7919), FinishedAt: time.Now()})
			seq++
		}
		c.Mark = seq
		began := time.Now()
		require.NoError(b, sink.Commit(b.Context(), c))
		slowest = max(slowest, time.Since(began))
	}
	b.StopTimer()
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
	_, err = l.Finish(b.Context(), Run{ID: "R", State: Completed, StartedAt: time.Now()})
	require.NoError(b, err)
	require.NoError(b, l.Close())
	b.ReportMetric(peakMiB(b), "peak-MiB")
	info, err := os.Stat(l.path)
	require.NoError(b, err)
	b.ReportMetric(float64(info.Size())/(1<<20), "ledger-MiB")
}

// BenchmarkRecords writes segments of 50,000 records with bodies of 300 bytes.
func BenchmarkRecords(b *testing.B) {
	const rows = 50_000
	set := Dataset{Name: "messages", Row: benchRow{}}
	w := newWriter([]Dataset{set})
	dir := b.TempDir()
	outcomes := []pipeline.Outcome{{}}
	for i := range rows {
		outcomes[0].Records = append(outcomes[0].Records,
			pipeline.Record{Dataset: "messages", Order: int64(rows - i), Size: 900, Row: benchMessage(i)})
	}
	b.ResetTimer()
	for i := range b.N {
		groups, err := w.groupRecords(outcomes)
		require.NoError(b, err)
		mustWrite(b, w, filepath.Join(dir, fmt.Sprint(i)), groups[0])
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(peakMiB(b), "peak-MiB")
}
