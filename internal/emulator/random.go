package emulator

import "math/bits"

const golden = 0x9e3779b97f4a7c15

// mix is a bijection on 64 bits (the finalizer of splitmix64). That it can be
// undone is what lets an id carry a number without showing it.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unmix undoes mix.
func unmix(z uint64) uint64 {
	z = (z ^ z>>31 ^ z>>62) * 0x319642b2d24d8ec3
	z = (z ^ z>>27 ^ z>>54) * 0x96de1b173f119089
	return z ^ z>>30 ^ z>>60
}

// hash draws one number for item n of the given kind.
func hash(seed uint64, k kind, n int) uint64 {
	return mix(seed ^ mix(uint64(k)*golden+uint64(n)))
}

// stream is a sequence of numbers that follows from where it starts. It is a
// value: a copy repeats the same numbers.
type stream struct{ state uint64 }

func (s *stream) next() uint64 {
	s.state += golden
	return mix(s.state)
}

// below draws a number of [0, n).
func (s *stream) below(n int) int {
	hi, _ := bits.Mul64(s.next(), uint64(n))
	return int(hi)
}

// oneIn is true once in n draws.
func (s *stream) oneIn(n int) bool { return s.below(n) == 0 }

// permutation reorders the numbers below size by one multiplication, so that
// both directions are arithmetic and nothing is stored.
type permutation struct{ size, factor, inverse int }

func newPermutation(size, factor int) permutation {
	for gcd(factor, size) != 1 {
		factor++
	}
	return permutation{size: size, factor: factor % size, inverse: inverseOf(factor, size)}
}

func (p permutation) at(n, shift int) int { return (n*p.factor + shift) % p.size }

func (p permutation) of(value, shift int) int {
	return (value - shift%p.size + p.size) % p.size * p.inverse % p.size
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// inverseOf finds x with a*x = 1 (mod m), by Euclid's extended algorithm.
func inverseOf(a, m int) int {
	r0, r1, t0, t1 := m, a%m, 0, 1
	for r1 != 0 {
		q := r0 / r1
		r0, r1, t0, t1 = r1, r0-q*r1, t1, t0-q*t1
	}
	return (t0%m + m) % m
}
