package jobs

// CapabilityCheck is the kind capability_check: it asks for each row on which
// channels somebody can be reached. The API answers later, by a CAPABILITY
// callback for each channel: a row that is done says that it took the question.
type CapabilityCheck struct {
	EachRow `yaml:",inline"`
	Request RequestNode `yaml:"request" doc:"The body of capability:query; strings are templates over the row's columns." required:"true"`
}

// Check compiles the call. It is made anew by every run.
func (k *CapabilityCheck) Check(c *Checker) {
	checkApp(c, "the app whose channels are asked")
	k.ref = "request_id"
	k.calls(c, callParts{operation: operation("Capability_QueryCapability"), body: k.Request.with("app_id", c.App())})
}
