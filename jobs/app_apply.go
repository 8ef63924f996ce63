package jobs

// AppApply is the kind app_apply: it creates and updates apps, so that there is
// one as each row says. A row's app is known by its id or else its display
// name. What a row became is in results: `ref` is the app's id.
//
// Members that the request does not have stay as they are, and so do the
// channels that its `channel_credentials` do not name. A secret that the server
// does not show counts as different in every run.
type AppApply struct {
	ApplyRows `yaml:",inline"`
}

// apps are what app_apply applies rows to. Older servers ask for the name with
// every change.
var apps = &sortOfThing{
	name: "app", param: "app_id", match: "display_name",
	list: operation("App_ListApps"), get: operation("App_GetApp"), create: operation("App_CreateApp"), update: operation("App_UpdateApp"),
	needs: []string{"display_name", "channel_credentials"},
	along: []string{"display_name"},
}

// Check compiles the request.
func (k *AppApply) Check(c *Checker) { k.check(c, apps) }
