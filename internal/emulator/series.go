package emulator

import (
	"iter"
	"slices"
)

// series is a list that only grows: of what millions may come, and copying them
// whenever there is no more room would take longer than all else. The zero
// value is empty.
type series[T any] struct {
	blocks [][]T // all but the last are full
	size   int
}

const blockSize = 4096

func (s *series[T]) add(v T) {
	last := len(s.blocks) - 1
	switch {
	case s.size == 0: // it may well stay small: the first block grows as any slice does
		s.blocks, last = append(s.blocks, nil), 0
	case s.size%blockSize == 0:
		s.blocks, last = append(s.blocks, make([]T, 0, blockSize)), last+1
	}
	s.blocks[last] = append(s.blocks[last], v)
	s.size++
}

func (s *series[T]) len() int { return s.size }

// at is element i, to be changed, until the next one is added.
func (s *series[T]) at(i int) *T { return &s.blocks[i/blockSize][i%blockSize] }

// snapshot is what the series has by now, for one who reads on while it grows.
// Elements must not be changed.
func (s *series[T]) snapshot() *series[T] { return &series[T]{slices.Clone(s.blocks), s.size} }

// from yields the elements from the i-th on.
func (s *series[T]) from(i int) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for ; i < s.size; i++ {
			if !yield(s.at(i)) {
				return
			}
		}
	}
}
