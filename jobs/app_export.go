package jobs

// AppExport is the kind app_export: it reads all apps of the project, each run a
// snapshot. Secrets of their channels are not kept.
type AppExport struct{ snapshot }

// Check says what is read.
func (k *AppExport) Check(*Checker) {
	k.first = []step{{List: "apps"}}
	k.lists = map[string]*list{"apps": {operation: operation("App_ListApps"), dataset: "apps", row: appRow, redacted: true}}
}
