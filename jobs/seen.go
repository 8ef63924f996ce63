package jobs

import (
	"crypto/sha256"
	"sync"
)

// seen remembers ids by a digest of 16 bytes: two million take some 50 MB.
type seen struct {
	mu  sync.Mutex
	ids map[[16]byte]struct{}
}

// add says whether the id is new.
func (s *seen) add(id string) bool {
	key := shortened(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.ids[key]; known {
		return false
	}
	if s.ids == nil {
		s.ids = map[[16]byte]struct{}{}
	}
	s.ids[key] = struct{}{}
	return true
}

// has says whether the id was added.
func (s *seen) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.ids[shortened(id)]
	return known
}

func shortened(id string) [16]byte {
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:16])
}
