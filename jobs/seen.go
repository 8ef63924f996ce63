package jobs

import (
	"crypto/sha256"
	"sync"

	"github.com/oklog/ulid/v2"
)

// seen remembers ids, 16 bytes each: a ULID is that long, of another text it
// is a digest. Two million take some 50 MB.
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

func shortened(id string) (key [16]byte) {
	if u, err := ulid.ParseStrict(id); err == nil && u.String() == id {
		return u
	}
	sum := sha256.Sum256([]byte(id))
	copy(key[:], sum[:])
	return key
}
