package emulator

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// filter is a parameter that selects items of a list by one of their fields.
type filter struct {
	param
	field string
	form  *regexp.Regexp // of each value; nil: every one
	fits  func(value, wanted string) bool
}

func byState(enum ...string) filter {
	return filter{param: param{name: "filterStates", enum: enum, repeated: true}, field: "state", fits: isAmong}
}

func byStatus(enum ...string) filter {
	return filter{param: param{name: "filterStatuses", enum: enum, repeated: true}, field: "changes.status", fits: isAmong}
}

// byIDs takes an id of a form, any number of times.
func byIDs(name, field string, form *regexp.Regexp) filter {
	return filter{param: param{name: name, repeated: true}, field: field, form: form, fits: isAmong}
}

// byIDList takes several values in one text. How they are to be joined is not
// documented: here by commas.
func byIDList(name, field string) filter {
	return filter{param: param{name: name}, field: field, fits: isAmong}
}

func byValue(name, field string) filter {
	return filter{param: param{name: name}, field: field, fits: func(value, wanted string) bool { return value == wanted }}
}

func byPrefix(name, field string) filter {
	return filter{param: param{name: name}, field: field, fits: strings.HasPrefix}
}

// byPart looks for a part of the field, in capitals or not.
func byPart(name, field string) filter {
	return filter{param: param{name: name}, field: field, fits: func(value, wanted string) bool {
		return strings.Contains(strings.ToLower(value), strings.ToLower(wanted))
	}}
}

func isAmong(value, wanted string) bool { return slices.Contains(strings.Split(wanted, ","), value) }

// selects tells whether an item is wanted. What is not live yet stands under
// changes, and is looked for there too.
func (f filter) selects(item fields, args arguments) bool {
	wanted := args[f.name]
	return wanted == "" || f.fits(or(textAt(item, f.field), textAt(item, "changes."+f.field)), wanted)
}

// choose gives the items of a list that are wanted, in the order wanted.
func (r read) choose(items []any, args arguments) []any {
	if len(r.filters) == 0 {
		return items
	}
	var chosen []any
	for _, item := range items {
		if !slices.ContainsFunc(r.filters, func(f filter) bool { return !f.selects(item.(fields), args) }) {
			chosen = append(chosen, item)
		}
	}
	if r.order != nil {
		r.order(chosen, args)
	}
	return chosen
}

// check finds what is wrong with arguments beyond what a param can tell.
func (r read) check(args arguments) violations {
	var wrong violations
	for _, f := range r.filters {
		for _, value := range strings.Split(args[f.name], ",") {
			if value != "" && f.form != nil && !f.form.MatchString(value) && !wrong.has(f.name) {
				wrong.add(f.name, "is not of the form that ids have")
			}
		}
	}
	for _, path := range fieldMask(args) {
		if top, _, _ := strings.Cut(path, "."); !slices.Contains(templateFields, top) && !wrong.has("fieldMask") {
			wrong.add("fieldMask", "has a path that templates do not")
		}
	}
	return wrong
}

// templateFields are where the paths of a field mask begin.
var templateFields = []string{
	"whatsappId", "state", "name", "language", "category", "rejectionCode", "qualityScore", "changes", "details",
	"analytics", "isMetaGenerated",
}

var templateParams = []param{
	{name: "fieldMask", repeated: true},
	{name: "templateAnalyticsDateRange", enum: []string{"DAY", "WEEK", "MONTH", "QUARTER"}},
}

func fieldMask(args arguments) []string {
	return strings.FieldsFunc(args["fieldMask"], func(r rune) bool { return r == ',' })
}

// viewTemplate is a template with figures of the range that is asked for, and
// of its fields those alone that are.
func viewTemplate(item fields, args arguments) fields {
	days := map[string]int{"WEEK": 7, "MONTH": 30, "QUARTER": 91}[args["templateAnalyticsDateRange"]]
	item = maps.Clone(item)
	item["analytics"] = []any{analytics(textAt(item, "name"), max(1, days))}
	if paths := fieldMask(args); len(paths) > 0 {
		item = pick(item, paths)
	}
	return item
}

// analytics are made up from the template's name, so much a day.
func analytics(name string, days int) fields {
	sent := 10 * len(name) * days
	return fields{
		"sent": sent, "delivered": sent * 9 / 10, "read": sent / 2,
		"start": inventoryEpoch.AddDate(0, 0, -days).Format(time.RFC3339), "end": inventoryEpoch.Format(time.RFC3339),
	}
}

// pick keeps the fields at the paths; lists are passed through.
func pick(item fields, paths []string) fields {
	picked := make(fields)
	for _, name := range slices.Sorted(maps.Keys(item)) {
		var within []string
		whole := false
		for _, path := range paths {
			top, rest, deeper := strings.Cut(path, ".")
			if top == name && deeper {
				within = append(within, rest)
			}
			whole = whole || top == name && !deeper
		}
		switch {
		case whole:
			picked[name] = item[name]
		case within != nil:
			picked[name] = pickWithin(item[name], within)
		}
	}
	return picked
}

func pickWithin(value any, paths []string) any {
	switch v := value.(type) {
	case fields:
		return pick(v, paths)
	case []any:
		kept := make([]any, len(v))
		for i, element := range v {
			kept[i] = pickWithin(element, paths)
		}
		return kept
	}
	return value
}

var questionnaireParams = []param{
	{name: "countries", repeated: true, enum: rcsCountries},
	{name: "usQuestionnaireBrandCampaignVersion", enum: []string{"NON_US_PRIVATE", "NON_US_PUBLIC", "US_PRIVATE", "US_PUBLIC"}},
	{name: "usQuestionnaireVersion", enum: []string{"v1", "v2"}},
}

// viewQuestionnaire leaves out the questions of countries that were not asked
// for. Those for the US are the same in every version.
func viewQuestionnaire(item fields, args arguments) fields {
	item = maps.Clone(item)
	for _, country := range []string{"GB", "FR", "US"} {
		if wanted := args["countries"]; wanted != "" && !isAmong(country, wanted) {
			delete(item, strings.ToLower(country))
		}
	}
	return item
}

var sortParams = []param{
	{name: "sortColumn", enum: []string{"CREATED", "MODIFIED", "NAME", "STATE"}},
	{name: "sortDirection", enum: []string{"ASC", "DESC"}},
}

// sortSenders sorts as asked; by creation where no column is given.
func sortSenders(items []any, args arguments) {
	columns := map[string]string{"MODIFIED": "modified", "NAME": "details.brand.name", "STATE": "state"}
	field := or(columns[args["sortColumn"]], "created")
	slices.SortStableFunc(items, func(a, b any) int {
		order := cmp.Compare(textAt(a.(fields), field), textAt(b.(fields), field))
		if args["sortDirection"] == "DESC" {
			return -order
		}
		return order
	})
}
