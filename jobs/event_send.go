package jobs

// EventSend is the kind event_send: it sends one event for each row. A key gets its
// event once from a job, for ever. No list of the API shows what could tell
// one event from another, so a row whose answer is lost can not be looked for.
type EventSend struct {
	EachRow `yaml:",inline"`
	Request RequestNode `yaml:"request" doc:"The body of events:send; strings are templates over the row's columns." required:"true"`
	InDoubt string      `yaml:"in_doubt" doc:"What becomes of a row whose call may have taken effect: hold leaves it in doubt, resend sends it again." enum:"hold,resend" default:"hold"`
}

// Check compiles the call.
func (k *EventSend) Check(c *Checker) {
	checkApp(c, "the app that sends")
	k.once, k.ref, k.proof, k.inDoubt = true, "event_id", true, k.InDoubt
	k.calls(c, callParts{operation: operation("Events_SendEvent"), body: k.Request.with("app_id", c.App())})
}
