package jobs

// AppExport is the kind app_export: all apps of the project.
type AppExport struct{ snapshot }

// Check says what is read.
func (k *AppExport) Check(*Checker) {
	k.first = []step{{List: "apps"}}
	k.lists = map[string]*list{"apps": {operation: operation("App_ListApps"), dataset: "apps", row: appRow, redacted: true}}
}
