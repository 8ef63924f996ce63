package jobs

// ContactDelete is the kind contact_delete: it deletes a contact for each row,
// for example to answer requests for erasure. What the server does with the
// contact's messages it does not say; conversation_delete removes those.
type ContactDelete struct {
	EachRow `yaml:",inline"`
	Contact Text   `yaml:"contact" doc:"The id of the contact." required:"true"`
	Missing string `yaml:"missing" doc:"What a contact means that is not there: fail or done." enum:"fail,done" default:"fail"`
}

// Check compiles the call.
func (k *ContactDelete) Check(c *Checker) {
	k.once, k.missing = true, k.Missing
	k.calls(c, callParts{
		operation: operation("Contact_DeleteContact"),
		params:    []keyed{{"contact", k.Contact}}, names: map[string]string{"contact": "contact_id"},
	})
}
