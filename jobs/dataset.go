package jobs

import (
	"reflect"
	"slices"
)

// Dataset is a table of records that a kind brings. Row is a value of the
// struct whose parquet tags are its columns; one that may be empty, also a
// time.Time, has the tag `optional`, which makes NULL of its zero value. The tag
// `doc` says what a column is, and `keep` what a job may do with it: see Column.
type Dataset struct {
	Name        string
	Row         any
	PartitionBy string // the column that a record's Partition gives; "" for none

	// Snapshot says that each run brings the whole list anew. PartitionBy is
	// "run_id" and the Partition of every record "run_id=" and the run's id. The
	// view shows what the latest completed run brought of each list: runs belong
	// to one when their kind and their digest are the same. A run over a part of
	// a list would count as the list, so this is for pulling kinds.
	Snapshot bool
	// Part is the column of a snapshot by which a run may read a part of the
	// list alone: its digest is that of the whole list, a / and the part. The view
	// shows of each part what the latest run brought that read it; "" for none.
	Part string
	// Kinds are the kinds that write it. Datasets adds those that declare it.
	Kinds []string

	// Latest makes it a log, of which the view shows, for each combination of
	// these columns, the row that is the greatest in OrderBy; of equal ones the
	// one committed last.
	Latest  []string
	OrderBy string
}

// ColumnDocs says what each column is, by name.
func (d Dataset) ColumnDocs() map[string]string {
	docs := map[string]string{}
	row := reflect.TypeOf(d.Row)
	for i := range row.NumField() {
		c := columnOf(row.Field(i))
		docs[c.Name] = c.Doc
		if c.Personal {
			docs[c.Name] += " Personal."
		}
	}
	switch d.PartitionBy {
	case "run_id":
		docs[d.PartitionBy] = "The run that read it."
	case "date":
		docs[d.PartitionBy] = "The day of accept_time, UTC; a condition on it reads less."
	}
	return docs
}

// Datasets lists the datasets of all kinds, each once, in the order of the kinds.
func Datasets() []Dataset { return datasetsOf(Kinds()) }

func datasetsOf(kinds []Kind) []Dataset {
	var all []Dataset
	for _, k := range kinds {
		for _, d := range k.Datasets {
			d.Kinds = withKinds(d.Kinds, k.Name)
			at := slices.IndexFunc(all, func(known Dataset) bool { return known.Name == d.Name })
			if at < 0 {
				all = append(all, d)
				continue
			}
			all[at].Kinds = withKinds(all[at].Kinds, d.Kinds...)
		}
	}
	return all
}

// Datasets lists the datasets that the job may write: those of its kind, and
// those that only the job names, which its Spec lists where it has the method
// Datasets() []Dataset.
func (j Job) Datasets() []Dataset { return j.datasetsOf(Kinds()) }

func (j Job) datasetsOf(kinds []Kind) []Dataset {
	var all []Dataset
	for _, d := range datasetsOf(kinds) {
		if slices.Contains(d.Kinds, j.Kind) {
			all = append(all, d)
		}
	}
	if spec, ok := j.Spec.(interface{ Datasets() []Dataset }); ok {
		for _, d := range spec.Datasets() {
			d.Kinds = withKinds(d.Kinds, j.Kind)
			all = append(all, d)
		}
	}
	return all
}

// withKinds returns kinds with those of more that it has not.
func withKinds(kinds []string, more ...string) []string {
	kinds = slices.Clone(kinds)
	for _, kind := range more {
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}
