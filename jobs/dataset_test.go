package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestADatasetOfSeveralKindsIsListedOnce(t *testing.T) {
	t.Parallel()
	kinds := []Kind{
		{Name: "consent_export", Datasets: []Dataset{{Name: "consents", Latest: []string{"identity"}, OrderBy: "changed_at"}, {Name: "apps", Kinds: []string{"app_apply"}}}},
		{Name: "optout_sync", Datasets: []Dataset{{Name: "consents", Latest: []string{"identity"}, OrderBy: "changed_at"}}},
	}
	assert.Equal(t, []Dataset{
		{Name: "consents", Latest: []string{"identity"}, OrderBy: "changed_at", Kinds: []string{"consent_export", "optout_sync"}},
		{Name: "apps", Kinds: []string{"app_apply", "consent_export"}},
	}, datasetsOf(kinds))
	assert.Nil(t, kinds[1].Datasets[0].Kinds, "the kinds stay as they are")
}

// lister is a kind whose jobs name their dataset themselves.
type lister struct {
	Spec
	name string
}

func (l lister) Datasets() []Dataset { return []Dataset{{Name: l.name, Snapshot: true}} }

func TestAJobWritesTheDatasetsOfItsKindAndItsOwn(t *testing.T) {
	t.Parallel()
	archive := Job{Common: Common{Kind: "message_archive"}, Spec: &MessageArchive{}}
	assert.Equal(t, []Dataset{{Name: "messages", Row: Message{}, PartitionBy: "date", Kinds: []string{"message_archive"}}}, archive.Datasets())
	assert.Empty(t, Job{Common: Common{Kind: "bulk_send"}, Spec: &BulkSend{}}.Datasets())
	own := Job{Common: Common{Kind: "bulk_send"}, Spec: lister{name: "templates"}}
	assert.Equal(t, []Dataset{{Name: "templates", Snapshot: true, Kinds: []string{"bulk_send"}}}, own.Datasets())
}
