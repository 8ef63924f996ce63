package jobs

import (
	"slices"
	"time"

	"convbatch/pipeline"
)

// importGroup is what this process knows of a group. What it forgets when it
// dies, the look-ups of the next one find out.
type importGroup struct {
	rows  []*importRow
	taken time.Time // when the API took the call for rows that are on their way
	after time.Time // a listing that was begun earlier does not show them
}

// importRow is a row of a group.
type importRow struct {
	item    pipeline.Item
	want    []byte
	keys    []string
	sent    bool // it is on its way: the API took the call that creates it
	absent  bool // it was looked up, and is not there
	settled bool
	out     pipeline.Outcome
}

func (r *importRow) settle(out pipeline.Outcome) { r.out, r.settled, r.sent = out, true, false }

// keys are those of all rows, in order.
func (g *importGroup) keys() []string {
	var keys []string
	for _, r := range g.rows {
		keys = append(keys, r.keys...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// open are the rows that are left.
func (g *importGroup) open() (rows []*importRow) {
	for _, r := range g.rows {
		if !r.settled {
			rows = append(rows, r)
		}
	}
	return rows
}

// doubt is what the engine has to know of the group while it waits.
func (g *importGroup) doubt(now time.Time) pipeline.Doubt {
	var items []pipeline.Item
	for _, r := range g.rows {
		items = append(items, r.item)
	}
	if d := doubtOf(items); d != nil {
		return *d
	}
	return pipeline.Doubt{Since: now}
}

// wait is the error of a group that waits.
func (g *importGroup) wait(wait time.Duration, now time.Time) error {
	return &pipeline.Deferred{For: wait, Doubt: g.doubt(now)}
}

// apart are the rows that have no key in common with one before them.
func apart(rows []*importRow) (first []*importRow) {
	taken := map[string]bool{}
	for _, r := range rows {
		if slices.ContainsFunc(r.keys, func(key string) bool { return taken[key] }) {
			continue
		}
		for _, key := range r.keys {
			taken[key] = true
		}
		first = append(first, r)
	}
	return first
}
