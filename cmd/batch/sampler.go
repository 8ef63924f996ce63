package main

import (
	"math"
	"time"

	"convbatch/client"
	"convbatch/sinks"
)

// sampler keeps how a run goes, for its report. It is not worth a run: where a
// sample can not be kept, that is said once, and there are no more.
type sampler struct {
	j    *jobRun
	log  *sinks.PaceLog // nil when there are no more samples
	last status
	done client.Counters // at the last sample
}

// newSampler begins at the counts of s, which are those before this process.
func (j *jobRun) newSampler(s status) *sampler {
	p := &sampler{j: j, last: s, done: j.api.Counters()}
	var err error
	p.log, err = j.ledger.Pace(j.run.ID)
	p.check(err)
	return p
}

// sampleIfDue keeps a sample when enough time has passed since the last.
func (p *sampler) sampleIfDue(s status) {
	if p.log != nil && s.UpdatedAt.Sub(p.last.UpdatedAt) >= p.log.Every() {
		p.sample(s)
	}
}

// end keeps what has happened since the last sample.
func (p *sampler) end(s status) {
	if p.log == nil {
		return
	}
	p.sample(s)
	if p.log != nil {
		p.check(p.log.Close())
	}
}

func (p *sampler) sample(s status) {
	calls := p.j.api.Counters()
	sample := sinks.Pace{
		At: s.UpdatedAt, Seconds: s.UpdatedAt.Sub(p.last.UpdatedAt).Seconds(),
		Rows: s.Settled() - p.last.Settled(), Records: s.Records - p.last.Records,
		Requests: s.Requests - p.last.Requests, Retries: s.Retries - p.last.Retries, Throttled: s.Throttled - p.last.Throttled,
		Calls: calls.Ended - p.done.Ended, InFlight: max(0, calls.Requests-calls.Ended),
	}
	if sample.Calls > 0 {
		took := (calls.OnWire - p.done.OnWire) / time.Duration(sample.Calls)
		sample.LatencyMS = float64(took) / float64(time.Millisecond)
	}
	if limit := allowed(p.j.job, p.j.file).PerSecond(); !math.IsInf(limit, 1) {
		sample.Limit = limit
	}
	p.last, p.done = s, calls
	p.check(p.log.Add(sample))
}

func (p *sampler) check(err error) {
	if err != nil {
		p.log = nil
		p.j.log.Warn("the report of this run will lack how fast it went", "job", p.j.job.Name, "error", err)
	}
}
