package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
	"convbatch/sources"
)

// memoryRows are rows that are in memory.
type memoryRows struct {
	columns []sources.Column
	rows    [][]string
	closed  bool
}

func (m *memoryRows) Columns() []sources.Column { return m.columns }

func (m *memoryRows) Next() (sources.Row, error) {
	if len(m.rows) == 0 {
		return sources.Row{}, io.EOF
	}
	row := sources.Row{File: "list.csv", Values: m.rows[0]}
	m.rows = m.rows[1:]
	return row, nil
}

func (m *memoryRows) Close() error {
	m.closed = true
	return nil
}

// storeOf answers queries by a part of their text.
func storeOf(answers map[string][][]any) Env {
	return Env{
		Project: "project-1", RunID: "RUN9", Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Query: func(_ context.Context, query string, row func([]any) error) error {
			for part, rows := range answers {
				if !strings.Contains(query, part) {
					continue
				}
				for _, values := range rows {
					if err := row(values); err != nil {
						return fmt.Errorf("query: %w", err)
					}
				}
			}
			return nil
		},
	}
}

const optoutJob = goodAPI + `
jobs:
  optouts:
    kind: optout_sync
    app: ${APP}
    from: {csv: list.csv}
    key: id
    channel: SMS
    identity: "{{.phone}}"
    via: register
    most_removed: 100%
`

func optoutSpec(t *testing.T, env Env) *OptoutSync {
	t.Helper()
	job, ok := mustLoad(t, optoutJob).Job("optouts")
	require.True(t, ok)
	spec := job.Spec.(*OptoutSync)
	require.NoError(t, spec.Ready(t.Context(), env))
	return spec
}

var registeredEarlier = map[string][][]any{"SELECT identity, max(run_id)": {
	{"46700000001", "RUN1", nil}, {"46700000002", "RUN1", nil}, {"46700000003", "RUN2", nil}, {"46700000004", "RUN2", nil},
}}

// shape returns the values of the rows that a list becomes, and why it ends.
func shape(t *testing.T, spec *OptoutSync, list [][]string) (got [][]string, err error) {
	t.Helper()
	rows, err := spec.Shape(t.Context(), &memoryRows{columns: columns("id", "phone"), rows: list})
	require.NoError(t, err)
	require.NoError(t, spec.Columns(rows.Columns()))
	for {
		row, err := rows.Next()
		if err != nil {
			require.NoError(t, rows.Close())
			return got, err
		}
		got = append(got, row.Values)
	}
}

func TestTheListIsFollowedByWhoLeftIt(t *testing.T) {
	t.Parallel()
	spec := optoutSpec(t, storeOf(registeredEarlier))
	list := &memoryRows{columns: columns("name", "id!", "phone"), rows: [][]string{
		{"new", `"a"`, "+46700000005"}, {"as before", `"b"`, "+46700000002"}, {"twice", `"c"`, "46700000005"}, {"none", `"d"`, ""},
		{"a key twice", `"a"`, "+46700000006"}, {"which another has", `"e"`, "+46700000006"},
	}}
	rows, err := spec.Shape(t.Context(), list)
	require.NoError(t, err)
	require.NoError(t, spec.Columns(rows.Columns()))
	assert.Equal(t, columns("name", "id!", "phone", "_identity", "_change", "_since"), rows.Columns())
	var got [][]string
	var reasons []string
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Len(t, row.Values, 6)
		got = append(got, row.Values)
		body, err := spec.Prepare(row)
		if err != nil {
			reasons = append(reasons, err.Error())
		} else {
			reasons = append(reasons, string(body[:strings.Index(string(body), `","body"`)]))
		}
	}
	require.NoError(t, rows.Close())
	assert.True(t, list.closed)
	assert.Equal(t, [][]string{
		{"new", `"a"`, "+46700000005", "46700000005", "out", ""},
		{"as before", `"b"`, "+46700000002", "46700000002", "none", "RUN1"},
		{"twice", `"c"`, "46700000005", "46700000005", "none", ""},
		{"none", `"d"`, "", "", "none", ""},
		{"a key twice", `"a"`, "+46700000006", "46700000006", "none", ""},
		{"which another has", `"e"`, "+46700000006", "46700000006", "out", ""},
		{"", `"left:46700000001"`, "", "46700000001", "in", "RUN1"},
		{"", `"left:46700000003"`, "", "46700000003", "in", "RUN2"},
		{"", `"left:46700000004"`, "", "46700000004", "in", "RUN2"},
	}, got)
	optOut := `{"method":"POST","path":"/v1/projects/project-1/optouts:register`
	optIn := `{"method":"POST","path":"/v1/projects/project-1/optins:register`
	assert.Equal(t, []string{
		optOut, "registered since RUN1", "an earlier row has the same identity", "the SMS identity is empty",
		"an earlier row has the same identity", optOut, optIn, optIn, optIn,
	}, reasons)
}

// A list that lost most of its rows opts nobody in.
func TestAListThatWasCutShortIsRefused(t *testing.T) {
	t.Parallel()
	few := [][]string{{"a", "+46700000002"}}
	for _, c := range []struct {
		change string
		list   [][]string
		says   string
	}{
		{"most_removed: 75%", few, ""},
		{"most_removed: 3", few, ""},
		{"most_removed: 100%", nil, ""},
		{"on_removed: keep", nil, ""},
		{"via: consents", nil, ""},
		{"most_removed: 74%", few, "3 of 4 identities that the job registered are not on the list, which is more than most_removed (74%)"},
		{"most_removed: 2", few, "3 of 4 identities"},
		{"", nil, "4 of 4 identities that the job registered are not on the list, which is more than most_removed (50%)"},
		{"", [][]string{{"a", "070-1"}, {"b", "070-2"}}, "4 of 4 identities"},
	} {
		text := strings.Replace(optoutJob, "most_removed: 100%", c.change, 1)
		if c.change == "via: consents" {
			text = strings.Replace(text, "    via: register\n", "", 1)
		}
		job, ok := mustLoad(t, text).Job("optouts")
		require.True(t, ok)
		spec := job.Spec.(*OptoutSync)
		require.NoError(t, spec.Ready(t.Context(), storeOf(registeredEarlier)))
		_, err := shape(t, spec, c.list)
		if c.says == "" {
			require.ErrorIs(t, err, io.EOF, c.change)
			continue
		}
		require.ErrorContains(t, err, c.says)
		assert.NotContains(t, err.Error(), "4670")
	}
}

// Who left is not known for certain while a row may be theirs, and is not opted
// in while another job's list has them.
func TestWhoMayBeOnAListIsNotOptedIn(t *testing.T) {
	t.Parallel()
	earlier := map[string][][]any{"SELECT identity, max(run_id)": {
		{"46700000001", "RUN1", nil}, {"46700000002", "RUN1", "job:other"}, {"46700000003", "RUN1", nil}, {"46700000004", "RUN1", nil},
	}}
	for _, c := range []struct {
		row     string // of the list, besides two who were registered
		changes []string
		reasons []string
	}{
		{"+46 70 000 00 01", []string{changeUnclear, changeUnclear}, []string{"a row of the list can not be read", "a row of the list can not be read"}},
		{"", []string{consentIn, changeRelease}, []string{"", "the list of another job has it"}}, // which is nobody
	} {
		spec := optoutSpec(t, storeOf(earlier))
		got, err := shape(t, spec, [][]string{{"a", "+46700000003"}, {"b", "+46700000004"}, {"c", c.row}})
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, got, 5)
		for i, values := range got[3:] {
			assert.Equal(t, c.changes[i], values[3])
			_, err := spec.Prepare(sources.Row{Values: values})
			if c.reasons[i] == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, c.reasons[i])
		}
	}
}

// What a run did before it was given up is not known to the last: it may have
// opted in whoever was registered before.
func TestWhatWasRegisteredBeforeARunWasGivenUpIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	store := map[string][][]any{"FROM runs": {{"RUN2"}}}
	maps.Copy(store, registeredEarlier)
	got, err := shape(t, optoutSpec(t, storeOf(store)), [][]string{{"a", "+46700000001"}, {"b", "46700000001"}, {"c", "+46700000003"}})
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, [][]string{
		{"a", "+46700000001", "46700000001", consentOut, ""},
		{"b", "46700000001", "46700000001", changeNone, ""},
		{"c", "+46700000003", "46700000003", changeNone, "RUN2"},
	}, got[:3])
}

// A key stands for the first row that has it, whatever that row asks for: who
// else has the key does not keep others from being registered.
func TestARowWhoseKeyAnEarlierOneHasKeepsNobodyBack(t *testing.T) {
	t.Parallel()
	spec := optoutSpec(t, storeOf(registeredEarlier))
	rows, err := spec.Shape(t.Context(), &memoryRows{columns: columns("id", "phone"), rows: [][]string{
		{"a", "+46700000001"}, {"b", ""}, {"a", "+46700000005"}, {"b", "+46700000005"}, {"c", "+46700000005"},
	}})
	require.NoError(t, err)
	var changes []string
	for range 5 {
		row, err := rows.Next()
		require.NoError(t, err)
		changes = append(changes, row.Values[3])
	}
	require.NoError(t, rows.Close())
	assert.Equal(t, []string{"none", "none", "none", "none", "out"}, changes)
}

func TestAListThatIsNotReadToItsEndIsClosed(t *testing.T) {
	t.Parallel()
	spec := optoutSpec(t, storeOf(registeredEarlier))
	for read := range 3 {
		list := &memoryRows{columns: columns("id", "phone"), rows: [][]string{{"a", "+46700000005"}}}
		rows, err := spec.Shape(t.Context(), list)
		require.NoError(t, err)
		for range read {
			_, err := rows.Next()
			require.NoError(t, err)
		}
		require.NoError(t, rows.Close())
		assert.True(t, list.closed)
	}
}

func TestAStoreThatCanNotBeReadEndsTheList(t *testing.T) {
	t.Parallel()
	env := storeOf(registeredEarlier)
	spec := optoutSpec(t, env)
	rows, err := spec.Shape(t.Context(), &memoryRows{columns: columns("id", "phone")})
	require.NoError(t, err)
	broken := errors.New("the disk is gone")
	spec.env.Query = func(context.Context, string, func([]any) error) error { return broken }
	_, err = spec.Shape(t.Context(), &memoryRows{columns: columns("id", "phone")})
	require.ErrorIs(t, err, broken)
	l := rows.(*optoutList)
	l.stop()
	query := env.Query
	env.Query = func(ctx context.Context, q string, row func([]any) error) error {
		return errors.Join(query(ctx, q, row), broken)
	}
	seq := l.leavers(t.Context(), env, "SELECT identity, max(run_id)")
	var left []leaver
	for who, err := range seq {
		if err != nil {
			require.ErrorIs(t, err, broken)
			continue
		}
		left = append(left, who)
	}
	assert.Len(t, left, 4)
}

func TestTheWaysOfAnOptOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		channel, via, identity, state, path, body string
	}{
		{"SMS", viaRegister, "4670", consentOut, "optouts:register",
			`{"app_id":"A","channels":["SMS"],"recipient":{"identified_by":{"channel_identities":[{"channel":"SMS","identity":"4670"}]}}}`},
		{"MESSENGER", viaRegister, `7"`, consentIn, "optins:register",
			`{"app_id":"A","channels":["MESSENGER"],"recipient":{"identified_by":{"channel_identities":[{"channel":"MESSENGER","identity":"7\"","app_id":"A"}]}}}`},
		{"SMS", viaConsents, "4670", consentOut, "consents",
			`{"app_id":"A","consent_records":[{"consent_type":"OPT_OUT_MARKETING","identification":"4670"}]}`},
		{"", viaConsents, "anybody", consentOut, "consents",
			`{"app_id":"A","consent_records":[{"consent_type":"OPT_OUT_MARKETING","identification":"anybody"}]}`},
	} {
		k := &OptoutSync{Channel: c.channel, List: optOutMarketing, app: "A", via: c.via}
		op, call, err := k.callOf([]consentChange{{c.identity, c.state}})
		require.NoError(t, err)
		assert.Equal(t, "/v1/projects/{project_id}/"+c.path, op.Path)
		assert.True(t, op.Idempotent)
		assert.JSONEq(t, c.body, string(call.Body))
	}
}

// The API's consent lists know identities of whatever channel, and so does a
// job that copies one: who is on it is out on all channels.
func TestAListOfAllChannelsTakesEveryIdentity(t *testing.T) {
	t.Parallel()
	job, ok := mustLoad(t, strings.Replace(strings.Replace(optoutJob, "    channel: SMS\n", "", 1), "register", "consents", 1)).Job("optouts")
	require.True(t, ok)
	k := job.Spec.(*OptoutSync)
	bound, err := k.request.Bind(columns("phone"))
	require.NoError(t, err)
	for phone, identity := range map[string]string{"+46701234567": "46701234567", "6180521232562973": "6180521232562973", "a-telegram-name": "a-telegram-name"} {
		got, err := k.identityOf(bound, sources.Row{Values: []string{phone}})
		require.NoError(t, err)
		assert.Equal(t, identity, got)
	}
	for _, phone := range []string{"", "+"} {
		_, err := k.identityOf(bound, sources.Row{Values: []string{phone}})
		assert.Error(t, err)
	}
	assert.Empty(t, k.consent(Env{}, consentChange{"4670", consentOut}, time.Now()).Channel)
}

func TestWhoLeftIsKeptWhereNobodyCanBeTakenOff(t *testing.T) {
	t.Parallel()
	for _, k := range []*OptoutSync{{via: viaConsents}, {via: viaRegister, OnRemoved: "keep"}} {
		k.columns, k.identity, k.change, k.since = columns("_identity", "_change", "_since"), 0, 1, 2
		_, err := k.changeOf(sources.Row{Values: []string{"4670", consentIn, "RUN1"}})
		var u *Unsent
		require.ErrorAs(t, err, &u)
		assert.Equal(t, pipeline.Skipped, u.State)
		assert.Contains(t, u.Reason, "left the list, and is kept: ")
	}
}

func TestAClockThatWasSetBackDoesNotTurnChangesRound(t *testing.T) {
	t.Parallel()
	env := storeOf(map[string][][]any{"max(changed_at)": {{nil}}})
	clock, err := consentClock(t.Context(), env)
	require.NoError(t, err)
	assert.Equal(t, env.Now(), clock())
	last := env.Now().Add(time.Hour)
	clock, err = consentClock(t.Context(), storeOf(map[string][][]any{"max(changed_at)": {{last}}}))
	require.NoError(t, err)
	assert.True(t, clock().After(last))
}
