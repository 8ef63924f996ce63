package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/internal/emulator"
)

// consentsJob brings what the API's lists say.
const consentsJob = "consents: {kind: consent_export, app: APP}\n"

// suppressed runs a send and returns the keys of the rows left out, in order.
func (w *workbench) suppressed(job string) []string {
	w.t.Helper()
	s := w.asPlanned(job)
	require.EqualValues(w.t, s.Rows, s.Done+s.Suppressed)
	return column(w.query("select key from results where run_id = '"+s.RunID+"' and state = 'suppressed' order by seq"), "key")
}

// send gives sendJob another name and further keys.
func send(name string, replace ...string) string {
	return strings.NewReplacer(append([]string{"send:", name + ":"}, replace...)...).Replace(sendJob)
}

func TestWhoIsOptedOutGetsNothingOfThatContent(t *testing.T) {
	t.Parallel()
	content := func(name, of string) string {
		return send(name, "    message:", "    message_content_type: "+of+"\n    message:")
	}
	w := newWorkbench(t, emulator.Options{}, "", consentsJob+send("plain")+
		content("marketing", "CONTENT_MARKETING")+content("notice", "CONTENT_NOTIFICATION")+content("unknown", "CONTENT_UNKNOWN")+
		send("everybody", "  key:", "  suppress: false\n  key:"))
	w.recipients("recipients.csv", 4)
	for i, list := range []string{emulator.OptOutAll, emulator.OptOutMarketing, emulator.OptOutNotification} {
		w.api.OptOut(list, number(i))
	}
	_, r := w.run("consents")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, []string{number(0)}, w.suppressed("plain"))
	assert.Equal(t, []string{number(0)}, w.suppressed("unknown"))
	assert.Equal(t, []string{number(0), number(1)}, w.suppressed("marketing"))
	assert.Equal(t, []string{number(0), number(2)}, w.suppressed("notice"))
	assert.Empty(t, w.suppressed("everybody"))
}

func TestAnOptOutCountsForItsChannel(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Profile: emulator.ProfileOld}, "", strings.Replace(optoutJob, "VIA", "register", 1)+
		send("rcs", "channel: SMS", "channel: RCS")+
		send("either", "[{channel: SMS,", `[{channel: RCS, identity: "{{.phone}}"}, {channel: SMS,`))
	w.optouts(1)
	w.asPlanned("optouts")
	w.recipients("recipients.csv", 3)
	assert.Empty(t, w.suppressed("rcs"))
	assert.Equal(t, []string{number(1)}, w.suppressed("either"), "one of two identities is enough")
}

func TestAQuerySaysWhoGetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{}, "", consentsJob+
		send("listed", "  key:", "  suppress: \"select '"+number(1)+"' union all select '"+number(2)[1:]+"' union all select null\"\n  key:")+
		send("channels", "  key:", "  suppress: \"select * from (values ('"+number(1)+"', 'RCS'), ('"+number(2)+"', 'SMS'), ('"+number(3)+"', null))\"\n  key:")+
		send("wrong", "  key:", "  suppress: select nothing from nowhere\n  key:"))
	w.api.OptOut(emulator.OptOutAll, number(0))
	w.recipients("recipients.csv", 4)
	_, r := w.run("consents")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, []string{number(1), number(2)}, w.suppressed("listed"), "the query alone decides")
	assert.Equal(t, []string{number(2), number(3)}, w.suppressed("channels"))

	r = w.batch("run", "wrong")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stdout+r.stderr, "jobs.wrong.suppress: query: ")
	assert.Contains(t, r.stdout+r.stderr, "nowhere")
}

func TestAContactIsOutWhenAnIdentityIs(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 5}, "", consentsJob+"contacts: {kind: contact_export}\n"+
		send("late", `{identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`, `{contact_id: "{{.id}}"}`,
			"{csv: recipients.csv}", `{sql: "select id, display_name as name from contacts order by id"}`, "key: phone", "key: id"))
	_, r := w.run("contacts")
	require.Zero(t, r.code, r.stderr)
	somebody := w.query("select id, identities[1].identity as identity from contacts order by id limit 1")[0]
	w.api.OptOut(emulator.OptOutAll, somebody["identity"].(string))
	_, r = w.run("consents")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, []string{somebody["id"].(string)}, w.suppressed("late"))
}

// Nobody's contacts are known before they are exported, which the log says.
func TestContactsThatWereNotExportedAreNotKnown(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, emulator.Options{Contacts: 1}, "", consentsJob+
		send("send", `{identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}`, `{contact_id: "{{.phone}}"}`))
	w.api.OptOut(emulator.OptOutAll, number(0))
	_, r := w.run("consents")
	require.Zero(t, r.code, r.stderr)
	w.write("recipients.csv", "phone,name\n01HXXXXXXXXXXXXXXXXXXXXXXX,a\n")
	r = w.batch("plan", "send")
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stderr, "which of them are opted out is not known")
}
