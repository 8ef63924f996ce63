package jobs

import (
	"encoding/hex"
	"time"

	"github.com/tidwall/gjson"
)

// ConsentExport is the kind consent_export: it reads who is on the lists of
// opt-outs of all apps of the project, or of the job's app. The API shows
// identities alone; when each went on or off a list is in the audit records.
type ConsentExport struct {
	consentLists
	Audit bool `yaml:"audit" doc:"Brings the audit records of each identity as well, a call for each, into consent_audits."`
}

// Check says what is read.
func (k *ConsentExport) Check(c *Checker) { k.of(c.App(), k.Audit) }

// ConsentAudit is one row of the consent_audits dataset: something that
// happened to an identity's consent. The body is the JSON as received.
type ConsentAudit struct {
	ProjectID  string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	AppID      string    `parquet:"app_id,dict" keep:"needed" doc:"The app."`
	ID         string    `parquet:"id" keep:"needed" doc:"A digest of all the rest."`
	Identity   string    `parquet:"identity" keep:"personal" doc:"Of a number the digits, without +."`
	List       string    `parquet:"list,dict" doc:"Of opt-outs, as in consents."`
	Operation  string    `parquet:"operation,dict" doc:"What was done."`
	Origin     string    `parquet:"origin,dict" doc:"What did it."`
	ChangedAt  time.Time `parquet:"changed_at,optional,timestamp(microsecond)" doc:"When that was."`
	Body       string    `parquet:"body" keep:"personal,repeats" doc:"The JSON as received, byte for byte."`
	ExportedAt time.Time `parquet:"exported_at,timestamp(microsecond)" keep:"needed" doc:"When it was read."`
}

func auditRow(r *snapshotReader, s step, body []byte) (any, string, error) {
	f := gjson.GetManyBytes(body, "list_type", "operation", "origin", "datetime")
	row := &ConsentAudit{
		ProjectID: r.env.Project, AppID: s.Params["app_id"], Identity: canonical(s.Params["identity"]),
		List: f[0].String(), Operation: f[1].String(), Origin: f[2].String(), Body: string(body), ExportedAt: r.now(),
	}
	if at, err := time.Parse(time.RFC3339Nano, f[3].String()); err == nil {
		row.ChangedAt = at.UTC()
	}
	digest := shortened(row.AppID + "/" + row.Identity + "\n" + row.Body)
	row.ID = hex.EncodeToString(digest[:])
	return row, row.ID, nil
}
