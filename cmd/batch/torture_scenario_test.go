package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"convbatch/internal/emulator"
	"convbatch/internal/faultproxy"
)

// scenario is one way to try and break the promises.
type scenario struct {
	name string
	play func(r *round)
}

// scenarios take turns. One that stands here twice has two.
var scenarios = []scenario{
	{"send-spoiled", sendSpoiled},
	{"send-killed", sendKilled},
	{"send-lists-spoiled", sendListsSpoiled},
	{"send-dispatch", sendDispatch},
	{"send-shut-down", sendShutDown},
	{"send-tokens-expire", sendTokensExpire},
	{"send-clock-jumps", sendClockJumps},
	{"send-signals", sendSignals},
	{"send-together", sendTogether},
	{"send-again", sendAgain},
	{"send-disk-full", sendDiskFull},
	{"send-read-only", sendReadOnly},
	{"send-damaged", sendDamaged},
	{"archive-new", func(r *round) { archiveKilled(r, emulator.ProfileNew) }},
	{"archive-old", func(r *round) { archiveKilled(r, emulator.ProfileOld) }},
	{"archive-disk-full", archiveDiskFull},
}

// Requests, as the proxy's faults match them.
const (
	matchSends  = `^POST .*/messages:send$`
	matchReads  = `^GET `
	matchTokens = `^POST /oauth2/token$`
)

// spoiled are faults of the kinds given, alike, that hit a share of requests.
func spoiled(match string, share float64, kinds ...faultproxy.Kind) []faultproxy.Fault {
	upTo := map[faultproxy.Kind]time.Duration{
		// Less than reconcile_after, beyond which a request must not take effect
		// that its sender gave up; else up to twice api.timeout.
		faultproxy.Held: 300 * time.Millisecond,
		faultproxy.Late: 2 * time.Second,
		faultproxy.Slow: 2 * time.Second,
	}
	var faults []faultproxy.Fault
	for _, kind := range kinds {
		faults = append(faults, faultproxy.Fault{
			Match: match, Kind: kind, Rate: share / float64(len(kinds)), UpTo: faultproxy.Duration(upTo[kind]),
		})
	}
	return faults
}

// mixed are all kinds of faults: a share of the sends, and a little of the rest.
func mixed(share float64) []faultproxy.Fault {
	faults := spoiled(matchSends, share, faultproxy.Kinds()...)
	faults = append(faults, spoiled(matchReads, 0.1, faultproxy.Kinds()...)...)
	return append(faults, spoiled(matchTokens, 0.1, faultproxy.Kinds()...)...)
}

// setSend makes a round that sends about so many rows, and returns how many.
func (r *round) setSend(about int, o emulator.Options) (rows int) {
	if o.Latency == 0 {
		o.Latency = time.Duration(r.between(1, 10)) * time.Millisecond
	}
	o.ListDelay = r.within(400 * time.Millisecond)
	r.set(o, fmt.Sprintf("{requests: %d/s, in_flight: %d}", r.between(300, 800), r.between(24, 64)), sendJob+doubtKeys)
	rows = r.between(about/2, about*3/2)
	if r.short {
		rows /= 2
	}
	r.recipients("recipients.csv", rows)
	return rows
}

// finishSend runs the job to its end, now and then over a network that has
// become good, and checks the promises.
func (r *round) finishSend(rows int, mayDoubt bool) {
	r.test.Helper()
	if r.random.IntN(2) == 0 {
		r.spoil()
	}
	s, _ := r.run("send")
	r.assertSends(s, rows, mayDoubt)
}

// sendSpoiled: answers of every kind of bad, and deaths at any instant.
func sendSpoiled(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	r.spoil(mixed(0.02 + 0.1*r.random.Float64())...)
	r.dies("send", r.between(2, 8), atAnyInstant)
	r.finishSend(rows, false)
}

// sendKilled: deaths where they hurt most.
func sendKilled(r *round) {
	rows := r.setSend(2000, emulator.Options{})
	r.spoil(spoiled(matchSends, 0.02, faultproxy.Held, faultproxy.ResetAfter)...)
	r.dies("send", r.between(0, 4), births...)
	r.dies("send", r.between(6, 14), moments...)
	r.finishSend(rows, false)
}

// sendListsSpoiled: what would tell about rows in doubt is hard to get as well.
func sendListsSpoiled(r *round) {
	rows := r.setSend(1000, emulator.Options{})
	faults := spoiled(matchSends, 0.05, faultproxy.ResetBefore, faultproxy.ResetAfter, faultproxy.Lost, faultproxy.HTML)
	r.spoil(append(faults, spoiled(matchReads, 0.25, faultproxy.Kinds()...)...)...)
	r.dies("send", r.between(1, 5), atAnyInstant, atStart)
	r.finishSend(rows, false)
}

// sendDispatch: the server stores nothing to look rows up in, so what is in
// doubt is listed.
func sendDispatch(r *round) {
	rows := r.setSend(1000, emulator.Options{Mode: emulator.ModeDispatch})
	r.spoil(mixed(0.05)...)
	r.dies("send", r.between(2, 6), moments...)
	r.finishSend(rows, true)
}

// sendShutDown: deaths within an orderly end.
func sendShutDown(r *round) {
	rows := r.setSend(2000, emulator.Options{})
	r.spoil(mixed(0.03)...)
	r.dies("send", r.between(4, 10), atShutdown)
	r.finishSend(rows, false)
}

// sendTokensExpire: an access token is good for two or three seconds.
func sendTokensExpire(r *round) {
	rows := r.setSend(1000, emulator.Options{TokenLifetime: time.Duration(r.between(2, 3)) * time.Second})
	r.spoil(mixed(0.03)...)
	r.dies("send", r.between(1, 4), atAnyInstant, atShutdown)
	r.finishSend(rows, false)
}

// sendClockJumps: the server's clock is an hour ahead of or behind ours, and is
// set by an hour, always in the same direction, while a process runs and
// between two of them. Of what was claimed when it was later than now nothing
// can be found out.
func sendClockJumps(r *round) {
	step := pick(r, []time.Duration{-time.Hour, time.Hour})
	var ahead atomic.Int64
	ahead.Store(-int64(step))
	jump := func() {
		ahead.Add(int64(step))
		r.tally.harm("clock set")
	}
	rows := r.setSend(1000, emulator.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	r.spoil(spoiled(matchSends, 0.03, faultproxy.ResetBefore, faultproxy.ResetAfter)...)
	jumping := moment{name: "clock set", kill: func(r *round, v *victim) string {
		if v.lives(r.within(600*time.Millisecond)) && r.random.IntN(2) == 0 {
			jump()
		}
		return atAnyInstant.kill(r, v)
	}}
	for range r.between(2, 4) {
		r.dies("send", 1, jumping)
		if r.random.IntN(2) == 0 {
			jump()
		}
	}
	r.finishSend(rows, true)
}

// sendAgain: cron runs the job again and again, and rows are added to its input.
func sendAgain(r *round) {
	rows := r.setSend(500, emulator.Options{})
	r.spoil(mixed(0.03)...)
	for range 2 {
		r.dies("send", r.between(1, 4), moments...)
		r.run("send")
		rows += r.between(50, 300)
		r.recipients("recipients.csv", rows)
	}
	r.dies("send", r.between(1, 4), moments...)
	r.finishSend(rows, false)
}
