package main

import (
	"log/slog"
	"time"

	"convbatch/client"
	"convbatch/jobs"
	"convbatch/ratelimit"
)

// newClient puts the client together from the job file: this is the whole
// stack through which every call goes.
func newClient(file *jobs.File, limiter *ratelimit.Limiter, log *slog.Logger) (*client.Client, error) {
	api := file.API
	c, err := client.New(client.Config{
		Project: api.Project, Region: api.Region,
		KeyID: api.KeyID, KeySecret: api.KeySecret, Auth: api.Auth,
		URLs: client.URLs{
			Conversation: api.URLs.Conversation, Batch: api.URLs.Batch,
			Provisioning: api.URLs.Provisioning, Token: api.URLs.Token,
		},
		Timeout:  api.Timeout,
		InFlight: file.Limits.InFlight,
		Attempts: file.Retry.Attempts,
		Backoff: func() client.Backoff {
			return ratelimit.NewBackoff(time.Duration(file.Retry.First), time.Duration(file.Retry.Max))
		},
		ParseRetryAfter: ratelimit.ParseRetryAfter,
		UserAgent:       "batch/" + version,
		Log:             log,
	})
	if err != nil {
		return nil, err
	}
	return c.For(limiter), nil
}
