package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sinks"
)

// cookbookStore is a small store with every case that the questions of
// docs/SQL.md tell apart.
func cookbookStore(t *testing.T) *sinks.Store {
	t.Helper()
	s, err := sinks.OpenStore(t.TempDir())
	require.NoError(t, err)
	ran(t, s, sinks.Run{Job: "nightly", ID: "R1", Kind: "message_archive"}, archivedMessages()...)
	ran(t, s, sinks.Run{Job: "crm", ID: "K1", Kind: "contact_export"}, snapshotOfContacts("K1", map[string]string{
		"c1": "Ada", "c2": "Bo", "c3": "Cy", "c6": "Finn"})...)
	ran(t, s, sinks.Run{Job: "crm", ID: "K2", Kind: "contact_export"}, snapshotOfContacts("K2", map[string]string{
		"c1": "Ada L.", "c2": "Bo", "c3": "Cy", "c4": "A. L.", "c5": "Eve"})...)
	ran(t, s, sinks.Run{Job: "optouts", ID: "O1", Kind: "optout_sync"},
		consent("46700000002", "out", "2026-03-03T12:00:00Z"),
		consent("46700000003", "out", "2026-02-01T00:00:00Z"), // before the campaign
		consent("46700000001", "in", "2026-03-02T12:00:00Z"))
	// An earlier run, of which nothing may be counted where the last is meant.
	sent(t, s, "S1", pipeline.Outcome{Key: "+46700000003", State: pipeline.Failed, HTTPStatus: 500, Error: "earlier"})
	sent(t, s, "S2",
		pipeline.Outcome{Key: "+46700000001", State: pipeline.Done, HTTPStatus: 200, Ref: "m1"},
		pipeline.Outcome{Key: "+46700000002", State: pipeline.Done, HTTPStatus: 200, Ref: "m2"},
		pipeline.Outcome{Key: "+46700000003", State: pipeline.Done, HTTPStatus: 200, Ref: "m3"},
		pipeline.Outcome{Key: "+46700000007", State: pipeline.Failed, HTTPStatus: 400, ErrorCode: "INVALID_ARGUMENT", Error: "no such channel"},
		pipeline.Outcome{Key: "+46700000008", State: pipeline.Failed, HTTPStatus: 400, ErrorCode: "INVALID_ARGUMENT", Error: "no such channel"},
		pipeline.Outcome{Key: "+46700000009", State: pipeline.Failed, HTTPStatus: 404, ErrorCode: "NOT_FOUND", Error: "no such app"},
		pipeline.Outcome{Key: "12", State: pipeline.Invalid, Error: "no phone number"},
		pipeline.Outcome{Key: "+46700000010", State: pipeline.Done, HTTPStatus: 200, Ref: "m9"}) // not archived yet
	return s
}

// ran makes a completed run that brought records.
func ran(t *testing.T, s *sinks.Store, run sinks.Run, records ...pipeline.Record) {
	t.Helper()
	completedRun(t, s, run, pipeline.Outcome{State: pipeline.Done, Records: records})
}

// sent makes a completed run of spring-offer.
func sent(t *testing.T, s *sinks.Store, run string, outcomes ...pipeline.Outcome) {
	t.Helper()
	completedRun(t, s, sinks.Run{Job: "spring-offer", ID: run, Kind: "bulk_send"}, outcomes...)
}

func completedRun(t *testing.T, s *sinks.Store, run sinks.Run, outcomes ...pipeline.Outcome) {
	t.Helper()
	run.StartedAt, run.FinishedAt, run.State = instant("2026-03-04T00:00:00Z"), instant("2026-03-04T00:01:00Z"), sinks.Completed
	l, err := s.Ledger(t.Context(), run.Job)
	require.NoError(t, err)
	require.NoError(t, l.Begin(t.Context(), run, nil))
	for i := range outcomes {
		outcomes[i].Seq, outcomes[i].FinishedAt = int64(i), run.FinishedAt
	}
	n := int64(len(outcomes))
	require.NoError(t, l.Sink(run.ID, datasets()).Commit(t.Context(), pipeline.Commit{Outcomes: outcomes, Mark: n}))
	_, err = l.Finish(t.Context(), run)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// archivedMessages are three conversations that began with the campaign, and v4,
// in which nobody answers.
func archivedMessages() []pipeline.Record {
	return []pipeline.Record{
		message("f1 v3 c3 TO_CONTACT SMS 2026-02-10T10:00:00Z", strings.Repeat("Ж", 71)), // two parts of UCS-2
		message("m1 v1 c1 TO_CONTACT SMS 2026-03-02T08:00:00Z", "Spring is here"),
		message("m2 v2 c2 TO_CONTACT WHATSAPP 2026-03-02T08:00:01Z", "Spring is here"),
		message("m3 v3 c3 TO_CONTACT SMS 2026-03-02T08:00:02Z", strings.Repeat("a", 159)+"€"), // € takes two of 160
		message("r1 v1 c1 TO_APP SMS 2026-03-02T08:10:00Z", "Where is my Invoice?"),
		message("a1 v1 c1 TO_CONTACT SMS 2026-03-02T08:30:00Z", strings.Repeat("x", 68)+"🙂"), // 70 units of UCS-2
		message("r2 v2 c2 TO_APP WHATSAPP 2026-03-02T23:30:00Z", "The invoice, please"),
		message("a2 v2 c2 TO_CONTACT WHATSAPP 2026-03-03T00:30:00Z", "It is on its way"),
		message("r3 v4 c3 TO_APP SMS 2026-03-03T09:00:00Z", "Hello?"),
		message("r4 v4 c3 TO_APP SMS 2026-03-03T09:05:00Z", "Anybody?"),
	}
}

// message is one of: id, conversation, contact, direction, channel and time.
func message(what, text string) pipeline.Record {
	w := strings.Fields(what)
	m := jobs.Message{
		ProjectID: "P", AppID: "A", ID: w[0], ConversationID: w[1], ContactID: w[2], Direction: w[3], Channel: w[4],
		Identity: "+4670000000" + strings.TrimPrefix(w[2], "c"), AcceptTime: instant(w[5]), Type: "text_message", Text: text,
		Body: fmt.Sprintf(`{"id":"%s", "by":"Åsa"}`, w[0]), RunID: "R1", ArchivedAt: instant("2026-03-04T00:00:00Z"),
	}
	return pipeline.Record{Dataset: "messages", Partition: "date=" + m.AcceptTime.Format(time.DateOnly), Order: m.AcceptTime.UnixNano(), Row: &m}
}

// snapshotOfContacts are contacts by id with their names. c4 has the number of
// c1, written otherwise.
func snapshotOfContacts(run string, names map[string]string) (records []pipeline.Record) {
	for id, name := range names {
		identities := []jobs.ContactIdentity{{Channel: "SMS", Identity: "4670000000" + strings.TrimPrefix(id, "c")}, {Channel: "MESSENGER", Identity: "shared", AppID: "A"}}
		if id == "c4" {
			identities[0].Identity = "+46 70 000 00 01"
		}
		c := jobs.Contact{ProjectID: "P", ID: id, DisplayName: name, Identities: identities, ExportedAt: instant("2026-03-04T00:00:00Z"),
			Body: fmt.Sprintf(`{"id":"%s","display_name":"%s"}`, id, name)}
		records = append(records, pipeline.Record{Dataset: "contacts", Partition: "run_id=" + run, Row: &c})
	}
	return records
}

func consent(identity, state, at string) pipeline.Record {
	c := jobs.Consent{ProjectID: "P", AppID: "A", Identity: identity, List: "OPT_OUT_ALL", State: state, Source: "job:optouts", ChangedAt: instant(at), RunID: "O1"}
	return pipeline.Record{Dataset: "consents", Row: &c}
}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}
