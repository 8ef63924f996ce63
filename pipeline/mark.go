package pipeline

// mark is the furthest safe position under completion out of order: every
// sequence number below at is settled (invariant 3). What settled beyond it
// waits in ahead, whose size the engine bounds by its run-ahead.
type mark struct {
	at    int64
	ahead map[int64]struct{}
}

func newMark(at int64, ahead []Range) *mark {
	m := &mark{at: at, ahead: make(map[int64]struct{})}
	for _, r := range ahead {
		for seq := r.From; seq < r.To; seq++ {
			m.settle(seq)
		}
	}
	return m
}

func (m *mark) settle(seq int64) {
	if seq < m.at {
		return
	}
	m.ahead[seq] = struct{}{}
	for {
		if _, ok := m.ahead[m.at]; !ok {
			return
		}
		delete(m.ahead, m.at)
		m.at++
	}
}
