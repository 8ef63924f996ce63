package main

import (
	"strings"

	"convbatch/jobs"
	"convbatch/sinks"
)

// columnDocs says what the columns of a view are, by name. A dataset that no kind
// declares is one of api_list.
func columnDocs(view string) map[string]string {
	if docs := sinks.ColumnDocs(view); docs != nil {
		return docs
	}
	for _, set := range jobs.Datasets() {
		if view == set.Name || strings.TrimPrefix(view, set.Name) == "_history" {
			return set.ColumnDocs()
		}
	}
	return jobs.Dataset{Row: jobs.Resource{}, PartitionBy: "run_id"}.ColumnDocs()
}
