package jobs

import (
	"encoding/json"
	"fmt"
)

// schema is a JSON Schema, as far as it takes to describe a job file.
type schema struct {
	Schema      string `json:"$schema,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Ref         string `json:"$ref,omitempty"`

	Type             any      `json:"type,omitempty"`
	Const            string   `json:"const,omitempty"`
	Enum             []string `json:"enum,omitempty"`
	EnumDescriptions []string `json:"enumDescriptions,omitempty"` // that editors show
	Default          any      `json:"default,omitempty"`
	Examples         []any    `json:"examples,omitempty"`
	Pattern          string   `json:"pattern,omitempty"`
	MinLength        int      `json:"minLength,omitempty"`
	Minimum          *int64   `json:"minimum,omitempty"`
	Maximum          *int64   `json:"maximum,omitempty"`
	Items            *schema  `json:"items,omitempty"`
	MinItems         int      `json:"minItems,omitempty"`

	Properties           map[string]*schema `json:"properties,omitempty"`
	PropertyNames        *schema            `json:"propertyNames,omitempty"`
	MinProperties        int                `json:"minProperties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // never, or a *schema
	Required             []string           `json:"required,omitempty"`

	AnyOf []*schema `json:"anyOf,omitempty"`
	OneOf []*schema `json:"oneOf,omitempty"`
	AllOf []*schema `json:"allOf,omitempty"`
	If    *schema   `json:"if,omitempty"`
	Then  *schema   `json:"then,omitempty"`

	Defs map[string]*schema `json:"$defs,omitempty"`
}

// never is a schema that nothing fits.
const never = false

// jobDefinition is where the schema has that of a job. Those of the kinds lie
// beside it, under their names.
const jobDefinition = "job"

func refTo(def string) string { return "#/$defs/" + def }

// Schema returns the JSON Schema (draft 2020-12) of a job file, for editors. It
// takes everything that Load takes. What Load refuses besides is what takes
// more than one value to see: templates, variables, sources of rows.
func Schema() ([]byte, error) { return schemaOf(Kinds()) }

func schemaOf(kinds []Kind) ([]byte, error) {
	file := objectOf(FileKeys())
	file.Schema, file.Title = "https://json-schema.org/draft/2020-12/schema", "A job file of batch"
	file.Defs = map[string]*schema{jobDefinition: jobOf(kinds)}
	for _, k := range kinds {
		job := objectOf(append(CommonKeys(), k.Keys()...))
		job.Description = k.Doc
		job.Properties["kind"] = &schema{Description: k.Doc, Const: k.Name}
		file.Defs[k.Name] = job
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of job files: %w", err)
	}
	return append(text, '\n'), nil
}

// jobOf is the schema of a job: its kind decides which keys it has. Of a job
// whose kind stands in a variable nothing else is known.
func jobOf(kinds []Kind) *schema {
	names := new(schema)
	kind := orVariable(names)
	kind.Description = "What the job does."
	job := &schema{
		Type: "object", Description: "A job: what it does is its kind.", Required: []string{"kind"},
		Properties: map[string]*schema{"kind": kind},
	}
	for _, k := range kinds {
		names.Enum, names.EnumDescriptions = append(names.Enum, k.Name), append(names.EnumDescriptions, k.Doc)
		job.AllOf = append(job.AllOf, &schema{
			If:   &schema{Properties: map[string]*schema{"kind": {Const: k.Name}}, Required: []string{"kind"}},
			Then: &schema{Ref: refTo(k.Name)},
		})
	}
	return job
}

// objectOf is the schema of keys and values, with these keys and no other.
func objectOf(keys []Key) *schema {
	o := &schema{Type: "object", Properties: make(map[string]*schema, len(keys)), AdditionalProperties: never}
	for _, k := range keys {
		o.Properties[k.Name] = k.schema()
		if k.Required {
			o.Required = append(o.Required, k.Name)
		}
		if k.instead != "" {
			o.OneOf = []*schema{{Required: []string{k.instead}}, {Required: []string{k.Name}}}
		}
	}
	return o
}

// schema is the schema of the key's value.
func (k Key) schema() *schema {
	if k.form.schema == nil {
		o := objectOf(k.Keys)
		o.Description = k.Doc
		if k.form.refine != nil {
			k.form.refine(o)
		}
		return o
	}
	s := k.form.schema(k)
	s.Description, s.Examples = k.Doc, k.form.examples
	switch {
	case k.example == "":
	case k.form.plain:
		s.Examples = []any{json.RawMessage(k.example)}
	default:
		s.Examples = []any{k.example}
	}
	switch {
	case k.Default == "":
	case k.form.plain:
		s.Default = json.RawMessage(k.Default)
	default:
		s.Default = k.Default
	}
	return s
}
