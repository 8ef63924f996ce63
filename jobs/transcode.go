package jobs

// Transcode is the kind transcode: it asks for each row what a message becomes
// on each channel. Nothing is sent; the answer is the `response` of results.
type Transcode struct {
	EachRow `yaml:",inline"`
	Request RequestNode `yaml:"request" doc:"The body of messages:transcode: app_message and channels; strings are templates over the row's columns." required:"true"`
}

// Check compiles the call. It is made anew by every run.
func (k *Transcode) Check(c *Checker) {
	checkApp(c, "the app that would send")
	k.calls(c, callParts{operation: operation("Transcoding_TranscodeMessage"), body: k.Request.with("app_id", c.App())})
}
