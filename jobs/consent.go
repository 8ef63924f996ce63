package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"convbatch/pipeline"
)

// Consent is one row of the consents dataset: who went on a list of those that do
// not want messages, or off one, and who says so.
//
// Somebody is out when any source says out. So the latest word of one source
// does not overrule that of another, and the view shows one for each.
type Consent struct {
	ProjectID string    `parquet:"project_id,dict" keep:"needed" doc:"The project."`
	AppID     string    `parquet:"app_id,dict" keep:"needed" doc:"The app."`
	Identity  string    `parquet:"identity" keep:"needed,personal" doc:"Of a number the digits, without +."`
	Channel   string    `parquet:"channel,dict" keep:"needed" doc:"\"\" for all."`
	List      string    `parquet:"list,dict" keep:"needed" doc:"OPT_OUT_ALL, OPT_OUT_MARKETING or OPT_OUT_NOTIFICATION."`
	State     string    `parquet:"state,dict" keep:"needed" doc:"out or in."`
	Source    string    `parquet:"source,dict" keep:"needed" doc:"job:NAME of an optout_sync, or api."`
	ChangedAt time.Time `parquet:"changed_at,timestamp(microsecond)" keep:"needed" doc:"When that became so."`
	RunID     string    `parquet:"run_id,dict" keep:"needed" doc:"The run that says it."`
}

// The lists of the API, and the states of somebody on one.
const (
	optOutAll          = "OPT_OUT_ALL"
	optOutMarketing    = "OPT_OUT_MARKETING"
	optOutNotification = "OPT_OUT_NOTIFICATION"

	consentOut = "out"
	consentIn  = "in"
)

// consentJob is what the source of what a job registered begins with.
const consentJob = "job:"

// consentAPI is the source of what was read from the API's lists. They do not
// say when somebody went on them: such a row has the time when it was read.
const consentAPI = "api"

// consents is the dataset.
var consents = Dataset{
	Name: "consents", Row: Consent{},
	Latest: []string{"project_id", "app_id", "identity", "channel", "list", "source"}, OrderBy: "changed_at",
}

func (c *Consent) record(order int64) pipeline.Record {
	return pipeline.Record{Dataset: consents.Name, Order: order, Size: len(c.Identity) + 250, Row: c}
}

// consentClock returns the time of changes from now on: later than what the
// store has, so that the latest change stays so when the clock was set back.
func consentClock(ctx context.Context, env Env) (func() time.Time, error) {
	var last time.Time
	err := env.Query(ctx, "SELECT max(changed_at) FROM consents", func(values []any) error {
		last, _ = values[0].(time.Time) // nil when there is none
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up the latest change of consents: %w", err)
	}
	return func() time.Time {
		return later(env.Now().UTC(), last.UTC().Add(time.Microsecond))
	}, nil
}

// sqlWhere is a condition of SQL: columns and the texts that they have.
func sqlWhere(pairs ...string) string {
	var terms []string
	for pair := range slices.Chunk(pairs, 2) {
		terms = append(terms, pair[0]+" = '"+strings.ReplaceAll(pair[1], "'", "''")+"'")
	}
	return strings.Join(terms, " AND ")
}
