package emulator

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOwnersAreThoseOfAMap compares with a map of lists; the values are such
// that a careless number would be that of another.
func TestOwnersAreThoseOfAMap(t *testing.T) {
	t.Parallel()
	values := []string{
		"", "0", "00", "1", "01", "+1", "-1", "1e3", "1000", "a", "46701234567", "046701234567", " 1", "1 ", "٣",
		"9999999999999999", "99999999999999999", "36028797018963968", "36028797018963969",
	}
	rapid.Check(t, func(r *rapid.T) {
		o, want := newOwners(), make(map[identity][]int)
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			i := identity{channel: rapid.SampledFrom(channels[:3]).Draw(r, "channel"), value: rapid.SampledFrom(values).Draw(r, "value")}
			contact := rapid.IntRange(0, 4).Draw(r, "contact")
			if rapid.IntRange(0, 2).Draw(r, "remove") == 0 {
				o.remove(i, contact)
				want[i] = slices.DeleteFunc(want[i], func(n int) bool { return n == contact })
			} else {
				o.add(i, contact)
				want[i] = append(want[i], contact)
			}
			for _, channel := range channels[:3] {
				for _, value := range values {
					i := identity{channel: channel, value: value}
					first, found := o.one(i)
					require.Equal(r, len(want[i]) > 0, found, "%q", i)
					require.True(r, slices.Equal(want[i], o.of(i)), "%q", i)
					require.True(r, !found || first == want[i][0], "%q", i)
				}
			}
		}
	})
}
