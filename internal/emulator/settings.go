package emulator

import (
	"net/http"
	"sync"
)

const settingsPath = "/v1/projects/{project_id}/settings"

var settingsOperations = []operation{
	{id: "ProjectSettings_GetSettings", method: http.MethodGet, path: settingsPath, newer: true, handle: (*Emulator).getSettings},
	{
		id: "ProjectSettings_CreateSettings", method: http.MethodPost, path: settingsPath,
		newer: true, changes: true, body: settingsRequest, handle: (*Emulator).createSettings,
	},
	{
		id: "ProjectSettings_UpdateSettings", method: http.MethodPatch, path: settingsPath,
		newer: true, changes: true, body: settingsRequest, handle: (*Emulator).updateSettings,
	},
	{
		id: "ProjectSettings_DeleteSettings", method: http.MethodDelete, path: settingsPath,
		newer: true, changes: true, handle: (*Emulator).deleteSettings,
	},
}

var settingsRequest = &shape{fields: map[string]*shape{
	"contact_settings": {fields: map[string]*shape{"unified_contact_id_enabled": {kind: boolean}}},
}}

// settings are those of the project; nil before they are made.
type settings struct {
	mu     sync.Mutex
	fields written
}

var settingsFields = []string{"contact_settings"}

// withSettings does something with the settings, holding the lock, if they
// are there as wanted: 404 where they are missing, 400 where they exist.
func (e *Emulator) withSettings(there bool, do func() reply) reply {
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	switch exist := e.settings.fields != nil; {
	case there && !exist:
		return e.refuse(http.StatusNotFound, "the project has no settings")
	case !there && exist:
		return e.refuse(http.StatusBadRequest, "the project has settings already; PATCH changes them")
	}
	return do()
}

func (e *Emulator) getSettings(*call) reply {
	return e.withSettings(true, e.answerSettings)
}

func (e *Emulator) answerSettings() reply {
	j := compact()
	j.open()
	j.key("project_id").text(e.project)
	j.key("settings").open()
	e.settings.fields.write(&j, settingsFields)
	j.close()
	j.close()
	return ok(j.b)
}

func (e *Emulator) createSettings(c *call) reply {
	return e.withSettings(false, func() reply {
		e.settings.fields = written{}
		return e.changeSettings(c)
	})
}

func (e *Emulator) updateSettings(c *call) reply {
	return e.withSettings(true, func() reply { return e.changeSettings(c) })
}

// changeSettings takes what is given. It switches nothing on: contacts keep
// their ids.
func (e *Emulator) changeSettings(c *call) reply {
	given, _ := e.masked(c, settingsFields) // refuses nothing without a mask
	e.settings.fields.set(c.body, given)
	return e.answerSettings()
}

func (e *Emulator) deleteSettings(*call) reply {
	return e.withSettings(true, func() reply {
		e.settings.fields = nil
		return ok([]byte("{}"))
	})
}
