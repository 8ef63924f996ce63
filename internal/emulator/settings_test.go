package emulator

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSettingsAreMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	const unified = `{"contact_settings":{"unified_contact_id_enabled":true}}`
	assert.Equal(t, http.StatusNotFound, c.call(http.MethodPatch, "/settings", unified).status)
	a := c.mustPost("/settings", "{}")
	assert.JSONEq(t, `{"project_id":"`+c.info.Project+`","settings":{}}`, string(a.body))
	a = c.call(http.MethodPatch, "/settings", unified)
	assert.JSONEq(t, `{"project_id":"`+c.info.Project+`","settings":`+unified+`}`, string(a.body))
	assert.Equal(t, string(a.body), string(c.get("/settings").body))
	a = c.call(http.MethodPatch, "/settings", "{}")
	assert.Equal(t, "true", a.get("settings.contact_settings.unified_contact_id_enabled").Raw, "what is not given stays")
	for _, wrong := range []string{`[]`, `{"x":1}`, `{"contact_settings":{"x":true}}`, `{"contact_settings":true}`} {
		assert.Equal(t, http.StatusBadRequest, c.call(http.MethodPatch, "/settings", wrong).status, wrong)
	}
	assert.Equal(t, http.StatusOK, c.call(http.MethodDelete, "/settings", "").status)
	assert.Equal(t, http.StatusNotFound, c.get("/settings").status)
	assert.Equal(t, 4, c.e.AcceptedCount())
	old := start(t, Options{Profile: ProfileOld})
	assert.Equal(t, http.StatusNotFound, old.get("/settings").status)
}
