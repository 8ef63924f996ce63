package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"convbatch/pipeline"
)

func TestARunEndsWhenEverythingIsRefusedAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		statuses []int
		rows     int64
		stops    int // at which outcome; -1 never
	}{
		{"every row of a small input forbidden", []int{403, 403, 403}, 3, 2},
		{"a row that had no call says nothing", []int{403, 0, 403}, 2, 2},
		{"one was done", []int{403, 200, 403, 403}, 4, -1},
		{"the first was done", []int{200, 403, 403}, 3, -1},
		{"few recipients that are gone", []int{404, 404, 404}, 3, -1},
		{"fifty rows not found, as in the wrong region", repeat(404, 50), 1000, 49},
		{"fifty rows forbidden", repeat(403, 50), 1000, 49},
		{"forty-nine", repeat(403, 49), 1000, -1},
		{"half not found, half forbidden", append(repeat(404, 25), repeat(403, 50)...), 1000, -1},
		{"fifty bad requests are the rows' fault", repeat(400, 60), 60, -1},
	} {
		guard, stopped := Guard(Share{}, c.rows, 0), -1
		for i, status := range c.statuses {
			if guard(pipeline.Outcome{State: pipeline.Failed, HTTPStatus: status}) != nil {
				stopped = i
				break
			}
		}
		assert.Equal(t, c.stops, stopped, c.name)
	}
}

func repeat(status, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = status
	}
	return all
}
