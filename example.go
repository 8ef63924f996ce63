// Package convbatch carries jobs.example.yaml, which lies beside it, into the
// program: `batch init` writes its jobs.
package convbatch

import _ "embed"

// Example is the text of jobs.example.yaml.
//
//go:embed jobs.example.yaml
var Example string
