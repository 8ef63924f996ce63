package jobs

// ContactExport is the kind contact_export: it reads all contacts of the project,
// each run a snapshot. The API gives them 20 a page, and one page after another
// alone.
type ContactExport struct{ snapshot }

// Check says what is read.
func (k *ContactExport) Check(*Checker) {
	k.first = []step{{List: "contacts"}}
	k.lists = map[string]*list{"contacts": {operation: operation("Contact_ListContacts"), dataset: "contacts", row: contactRow}}
}

func contactRow(r *snapshotReader, _ step, body []byte) (any, string, error) {
	c, err := parseContact(r.env.Project, body, r.now())
	if err != nil {
		return nil, "", err
	}
	return c, c.ID, nil
}
