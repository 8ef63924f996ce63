package jobs

import (
	"cmp"
	"slices"
	"time"

	"convbatch/internal/jsonscan"
	"convbatch/pipeline"
)

// collected is what reading one window has brought so far.
type collected struct {
	env   *Env
	w     window
	known map[string]struct{} // archived by earlier runs
	seen  map[string]struct{} // brought by this item, or by the one it continues

	page     onPage // the last
	messages []*Message
	read     int       // messages seen, kept or not
	any      bool      // oldest is set
	oldest   time.Time // accept_time of the last message read
	newest   time.Time
	ordered  bool // newest first, so far
}

// onPage are the messages of one page after the other, which are read while the
// client checks it.
type onPage struct {
	size     int       // that the first is asked for with
	messages []Message // in one piece of memory
	err      error     // of the first that is none
}

// read is a client.ItemReader.
func (p *onPage) read(at int, scan *jsonscan.Scanner) {
	if at == 0 {
		*p = onPage{size: p.size, messages: make([]Message, 0, cmp.Or(len(p.messages), p.size))}
	}
	p.messages = append(p.messages, Message{})
	if err := p.messages[at].read(scan); p.err == nil {
		p.err = err
	}
}

// take adds the messages of one page that belong to the window and are new. It
// has been read by c.page.
func (c *collected) take(page [][]byte) error {
	if len(page) > 0 && c.page.err != nil {
		return c.page.err
	}
	if cap(c.page.messages) > 2*len(page) { // each that is kept keeps all of this memory
		c.page.messages = slices.Clone(c.page.messages[:len(page)])
	}
	now, before := c.env.Now().UTC(), len(c.messages)
	if len(c.seen) == 0 && len(page) == windowPage { // more will come: the map need not grow
		c.seen = make(map[string]struct{}, itemMessages+windowPage)
	}
	for i, body := range page {
		m := &c.page.messages[i]
		m.Body = shared(body)
		c.read++
		if c.any && m.AcceptTime.After(c.oldest) {
			c.ordered = false
		}
		if !c.any {
			c.newest = m.AcceptTime
		}
		c.any, c.oldest = true, m.AcceptTime
		if _, twice := c.seen[m.ID]; twice || !c.w.contains(m.AcceptTime) {
			continue
		}
		if _, archived := c.known[m.ID]; archived {
			continue
		}
		c.seen[m.ID] = struct{}{}
		m.ProjectID, m.AppID, m.RunID, m.ArchivedAt = c.env.Project, c.env.App, c.env.RunID, now
		c.messages = append(c.messages, m)
	}
	return c.letGo(c.messages[before:], len(page))
}

// letGo copies messages that are the smaller part of their page, which they
// would keep in memory whole.
func (c *collected) letGo(kept []*Message, of int) error {
	if len(kept) >= of/2 {
		return nil
	}
	for i, m := range kept {
		alone, err := m.alone()
		if err != nil {
			return err
		}
		delete(c.seen, m.ID)
		c.seen[alone.ID] = struct{}{}
		kept[i] = alone
	}
	return nil
}

// canCut says whether what was read is a whole end of the window: newest
// first, and of more than one instant.
func (c *collected) canCut() bool {
	return c.ordered && c.any && c.oldest.Before(c.newest) && c.oldest.After(c.w.From) && c.oldest.Add(time.Nanosecond).Before(c.w.To)
}

// estimateRest guesses how many messages of the window are left, from the
// density of those read.
func (c *collected) estimateRest() int {
	span := c.w.To.Sub(c.oldest)
	if !c.any || span <= 0 {
		return 0
	}
	return int(float64(c.read) * float64(c.oldest.Sub(c.w.From)) / float64(span))
}

// dropFrom drops the messages accepted at t or before: whether all of that
// instant were read is not known, and the rest of the window brings them.
func (c *collected) dropFrom(t time.Time) {
	kept := c.messages[:0]
	for _, m := range c.messages {
		if m.AcceptTime.After(t) {
			kept = append(kept, m)
		}
	}
	c.messages = kept
}

// idsAt returns the ids of the messages accepted at t that were brought.
func (c *collected) idsAt(t time.Time) []string {
	var ids []string
	if c.w.To.Equal(t.Add(time.Nanosecond)) {
		ids = append(ids, c.w.Brought...) // the item before ended within the same instant
	}
	for _, m := range c.messages {
		if m.AcceptTime.Equal(t) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// outcome is what was collected, with the windows that are left to read.
func (c *collected) outcome(rest []window) (pipeline.Outcome, error) {
	out := pipeline.Outcome{Records: make([]pipeline.Record, 0, len(c.messages))}
	var day partition
	for _, m := range slices.Backward(c.messages) { // which are the newest first, and are kept the oldest first
		out.Records = append(out.Records, m.record(&day))
	}
	for _, w := range rest {
		item, err := w.item()
		if err != nil {
			return out, err
		}
		out.Follow = append(out.Follow, item)
	}
	return out, nil
}
