package jobs

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"convbatch/pipeline"
)

// Whatever a dataset, a view or the next run finds rows by is always kept.
func TestWhatRowsAreFoundByIsNeeded(t *testing.T) {
	t.Parallel()
	found := []string{"id", "app_id", "accept_time"}
	for _, set := range Datasets() {
		wants := append(slices.Clone(set.Latest), set.OrderBy, set.Part)
		for _, c := range set.Columns() {
			if slices.Contains(wants, c.Name) || slices.Contains(found, c.Name) && set.Name != "consents" {
				assert.True(t, c.Needed, "%s of %s", c.Name, set.Name)
			}
			if c.Name == bodyColumn {
				assert.True(t, c.Repeats && !c.Needed, "body of %s", set.Name)
			}
			if c.Name == "identity" || c.Name == "identities" {
				assert.True(t, c.Personal, "%s of %s", c.Name, set.Name)
			}
		}
	}
}

// Every column that is not a number, a time or a switch can be hashed or is needed.
func TestEveryRowCanBeKept(t *testing.T) {
	t.Parallel()
	for _, set := range Datasets() {
		keep := Keep{Hash: &Hash{Secret: "k"}}
		for _, c := range set.Columns() {
			if !c.Needed && c.isText() {
				keep.Hash.Columns = append(keep.Hash.Columns, c.Name)
			}
		}
		k := keep.of(set)
		if len(keep.Hashed()) == 0 {
			assert.Nil(t, k, set.Name)
			continue
		}
		assert.NotPanics(t, func() { k.row(set.Row) }, set.Name)
	}
}

func TestRowsAreKeptWithoutWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	contact := Contact{ID: "c", Email: "ada@example.com", Body: "{}", ExportedAt: at, ChannelPriority: []string{"SMS"}, Identities: []ContactIdentity{
		{Channel: "SMS", Identity: "+46700000001"}, {Channel: "MESSENGER", Identity: "7", AppID: "A"}, {Channel: "RCS"},
	}}
	keep := Keep{&Columns{Without: ColumnNames{"email", "display_name", "metadata", "body"}}, &Hash{"secret", ColumnNames{"identities", "external_id"}}}
	set := snapshotOf("contacts", Contact{})
	kept := reflect.ValueOf(keep.of(set).row(&contact)).Elem()
	assert.Equal(t, "c", kept.FieldByName("ID").Interface())
	assert.Equal(t, at, kept.FieldByName("ExportedAt").Interface())
	assert.Equal(t, []string{"SMS"}, kept.FieldByName("ChannelPriority").Interface())
	assert.Equal(t, "", kept.FieldByName("ExternalID").Interface(), "an empty value stays empty")
	assert.Equal(t, []ContactIdentity{
		{Channel: "SMS", Identity: keyedHash("secret", "46700000001")}, {Channel: "MESSENGER", Identity: keyedHash("secret", "7"), AppID: "A"}, {Channel: "RCS"},
	}, kept.FieldByName("Identities").Interface())
	for _, field := range []string{"Email", "DisplayName", "Metadata", "Body"} {
		assert.False(t, kept.FieldByName(field).IsValid(), field)
	}
	assert.Equal(t, "+46700000001", contact.Identities[0].Identity, "the row itself stays as it is")
}

// The value is that of RFC 4231, test case 2.
func TestTheHashIsHMACSHA256(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", keyedHash("Jefe", "what do ya want for nothing?"))
	assert.True(t, isKeyedHash(keyedHash("a", "b")))
	assert.False(t, isKeyedHash("46700000001"))
	assert.False(t, isKeyedHash(strings.Repeat("z", 64)))
}

func TestAJobThatKeepsEverythingHasNothingInItsWay(t *testing.T) {
	t.Parallel()
	var sink pipeline.Sink = keepingSink{}
	job := Job{Common: Common{Kind: "contact_export"}, Spec: &ContactExport{}}
	assert.Equal(t, sink, job.Keeping(sink))
	assert.Equal(t, job.Datasets(), job.Written())
}

// What a step is called in logs and errors names nobody; its row in results does.
func TestAStepIsShownWithoutAnIdentity(t *testing.T) {
	t.Parallel()
	s := step{List: "audit", Params: map[string]string{"app_id": "A", "identity": "46700000001"}, Token: "t", Read: 7}
	assert.Equal(t, "audit app_id=A identity=… from entry 7", s.shown())
	assert.Contains(t, s.String(), "46700000001")
}

func TestWhatIsLeftOutAndStillThereIsWarnedOf(t *testing.T) {
	t.Parallel()
	file := mustLoad(t, goodAPI+"jobs: {a: {kind: message_archive, app: A, columns: {without: [text]}}, b: {kind: message_archive, app: B, columns: {without: [channel]}}}\n")
	require.Len(t, file.Warnings, 1)
	assert.Equal(t, "text is left out, and of the same row metadata or body of messages may still have it", file.Warnings[0].Message)
	assert.Equal(t, "jobs.a.columns.without[0]", file.Warnings[0].Path)
}
