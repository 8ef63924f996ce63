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
	ID         string            `parquet:"id"`
	Contact    string            `parquet:"contact_id"`
	Channel    string            `parquet:"channel,dict"`
	AcceptTime time.Time         `parquet:"accept_time,timestamp(microsecond)"`
	Metadata   map[string]string `parquet:"metadata"`
	Body       string            `parquet:"body"`
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

// BenchmarkRecords writes segments of 50,000 records with bodies of 600 bytes.
func BenchmarkRecords(b *testing.B) {
	const rows = 50_000
	set := Dataset{Name: "messages", Row: benchRow{}}
	w := newWriter([]Dataset{set})
	dir := b.TempDir()
	outcomes := []pipeline.Outcome{{}}
	filler := strings.Repeat(`{"field":"value","other":[1,2,3]},`, 20)
	for i := range rows {
		body := fmt.Sprintf(`{"id":"01HXZ%021d","text":"%d %x"}%s`, i, i*31, i*7919*104729, filler)[:600]
		outcomes[0].Records = append(outcomes[0].Records, pipeline.Record{
			Dataset: "messages", Order: int64(i * 7919 % rows), Size: 900,
			Row: &benchRow{ID: fmt.Sprintf("01HXZ%021d", i), Contact: fmt.Sprintf("01C%023d", i%500), Channel: "SMS",
				AcceptTime: time.UnixMilli(int64(i)), Metadata: map[string]string{"campaign": "spring"}, Body: body}})
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
