package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestTheCallOfAGroupIsThatOfItsRows(t *testing.T) {
	t.Parallel()
	k := &OptoutSync{Channel: "SMS", List: optOutMarketing, app: "A", project: "P", via: viaConsents, Mode: "batch"}
	for n := 1; n < 4; n++ {
		var parts [][]byte
		var changes []consentChange
		for i := range n {
			c := consentChange{fmt.Sprintf(`4670"]%d`, i), consentOut}
			op, call, err := k.callOf([]consentChange{c})
			require.NoError(t, err)
			part, err := shownCall(op, k.project, call, nil)
			require.NoError(t, err)
			parts, changes = append(parts, part), append(changes, c)
		}
		first := string(parts[0])
		_, call, err := k.callOf(changes)
		require.NoError(t, err)
		whole := k.Whole("RUN1", []int64{7}, parts, time.Time{})
		require.True(t, gjson.ValidBytes(whole), "%s", whole)
		assert.Equal(t, string(call.Body), gjson.GetBytes(whole, "body").Raw)
		assert.Equal(t, "/v1/projects/P/consents", gjson.GetBytes(whole, "path").String())
		assert.Equal(t, first, string(parts[0]), "the parts are the caller's")
	}
}
