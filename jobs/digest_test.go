package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestChangesAreNamed(t *testing.T) {
	t.Parallel()
	was := digest("aa", "APP", "phone")
	for _, c := range []struct{ now, want string }{
		{digest("bb", "APP", "phone"), "the request"},
		{digest("aa", "NEW", "phone"), "the app (APP then, NEW now)"},
		{digest("aa", "APP", "home/phone"), "the key (phone then, home/phone now)"},
		{digest("bb", "NEW", "phone"), "the request and the app (APP then, NEW now)"},
		{digest("bb", "APP", "id"), "the request and the key (phone then, id now)"},
		{digest("bb", "NEW", "id"), "the request, the app (APP then, NEW now) and the key (phone then, id now)"},
		{"of another version", "the job"},
	} {
		assert.Equal(t, c.want, Changes(was, c.now))
	}
}
