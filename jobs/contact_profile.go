package jobs

// ContactProfile is the kind contact_profile: it asks a channel for the profile
// of somebody, for each row. The answer is the `response` of results.
type ContactProfile struct {
	EachRow `yaml:",inline"`
	Request RequestNode `yaml:"request" doc:"The body of contacts:getChannelProfile: recipient and channel; strings are templates over the row's columns." required:"true"`
}

// Check compiles the call. It is made anew by every run.
func (k *ContactProfile) Check(c *Checker) {
	checkApp(c, "the app whose channel is asked")
	k.calls(c, callParts{operation: operation("Contact_GetChannelProfile"), body: k.Request.with("app_id", c.App())})
}
