// Package jobs turns the job file into work: it loads and checks the file,
// compiles requests, and holds one Go file for each kind of job.
package jobs

import (
	"path/filepath"
	"time"

	"convbatch/client"
)

// File is a job file, loaded and checked. Every default is filled in.
type File struct {
	Path     string    // as it was named
	Dir      string    // the folder of the file; relative paths in it start there
	Warnings []Problem // what works and should be changed

	place Place // that Upload says

	Version int    `yaml:"version" required:"true" doc:"The version of the format: 1." example:"1"`
	API     API    `yaml:"api" required:"true" doc:"The account, and how to reach it."`
	Store   string `yaml:"store" default:"./batch-data" doc:"The folder that everything is kept under."`
	Upload  string `yaml:"upload" doc:"Where every file of datasets and results goes as well, before it counts: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX (by HMAC keys) or file:///FOLDER; behind a ?, endpoint= and region=. Credentials come from the environment." example:"s3://my-bucket/batch"`
	Limits  Limits `yaml:"limits" doc:"What all jobs of a process share. 800/s and 64 in flight by default."`
	Retry   Retry  `yaml:"retry" doc:"How often a call is tried, and how long to wait in between."`
	Jobs    Jobs   `yaml:"jobs" required:"true" doc:"The jobs, by name."`
}

// Jobs are the jobs of a file, in its order.
type Jobs []Job

// StorePath returns the folder of the store, found from the folder of the file.
func (f *File) StorePath() string { return f.Within(f.Store) }

// Within returns the place of a path that stands in the file.
func (f *File) Within(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir, path)
}

// Job returns the job of a name.
func (f *File) Job(name string) (Job, bool) {
	for _, j := range f.Jobs {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// Names returns the names of the jobs, in the order of the file.
func (f *File) Names() []string {
	names := make([]string, len(f.Jobs))
	for i, j := range f.Jobs {
		names[i] = j.Name
	}
	return names
}

// API is the account, and how to reach it.
type API struct {
	Project   string        `yaml:"project" required:"true" doc:"The id of the project." example:"${SINCH_PROJECT_ID}"`
	Region    string        `yaml:"region" required:"true" enum:"us,eu,br" doc:"Where the account lives."`
	KeyID     string        `yaml:"key_id" required:"true" doc:"The id of the access key." example:"${SINCH_KEY_ID}"`
	KeySecret client.Secret `yaml:"key_secret" required:"true" doc:"The secret of the access key: a variable, or {file: PATH}."`
	Auth      string        `yaml:"auth" enum:"oauth2,basic" default:"oauth2" doc:"How calls are authorized."`
	URLs      URLs          `yaml:"urls" doc:"Other places than those of the region: a gateway, or the emulator."`
	Timeout   time.Duration `yaml:"timeout" default:"30s" doc:"How long one attempt may take."`
}

// URLs are the places of the services; what is empty follows from the region.
type URLs struct {
	Conversation string `yaml:"conversation" doc:"The base of the Conversation API, without /v1." example:"https://gateway.example.com/conversation"`
	Batch        string `yaml:"batch" doc:"The base of the Batch API, without /v1." example:"https://gateway.example.com/batch"`
	Provisioning string `yaml:"provisioning" doc:"The base of the Provisioning API, without /v1." example:"https://gateway.example.com/provisioning"`
	Token        string `yaml:"token" doc:"The whole URL of the token endpoint." example:"https://gateway.example.com/oauth2/token"`
}

// Limits bound how calls leave. Those of a job apply under those of the file.
type Limits struct {
	Requests Rate `yaml:"requests" doc:"Calls in a time: 20/s, 600/m or unlimited."`
	InFlight int  `yaml:"in_flight" min:"1" max:"4096" doc:"Calls at the same time." example:"64"`
}

// Retry says how often a call is tried. Waits double from First to Max.
type Retry struct {
	Attempts int      `yaml:"attempts" default:"8" min:"1" max:"100" doc:"How often a call is tried at most."`
	First    Duration `yaml:"first" default:"500ms" doc:"The wait before the second attempt."`
	Max      Duration `yaml:"max" default:"1m" doc:"The longest wait."`
}

// Common are the keys that every job has.
type Common struct {
	Kind      string `yaml:"kind" required:"true" doc:"What the job does." example:"message_archive"`
	App       string `yaml:"app" doc:"The id of the app that the job works with." example:"${SINCH_APP_ID}"`
	Limits    Limits `yaml:"limits" doc:"Limits of this job, under those of the file."`
	StopAfter Share  `yaml:"stop_after" doc:"End the run when so many rows failed: a part of all or a number, 5% or 100."`
}

// Job is one job of a file. Limits are filled in: without a rate of its own a
// job has none, and as many calls in flight as the file.
type Job struct {
	Name string
	Common
	Keep Keep // of a job that writes datasets
	Spec Spec // the struct of the kind, decoded and checked

	place jobPlace
}

// Problem returns something that is wrong with the job at a key of its own, for
// example "request.message", or "" for the job as a whole.
func (j Job) Problem(path, message string) Problem { return j.place.problem(path, message) }
