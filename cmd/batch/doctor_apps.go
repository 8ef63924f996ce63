package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/client"
	"convbatch/jobs"
)

// appUse is an app that jobs work with.
type appUse struct {
	id   string
	app  client.App
	jobs []jobs.Job
}

// that says whether one of the jobs does something.
func (u appUse) that(does func(jobs.Job) bool) bool { return slices.ContainsFunc(u.jobs, does) }

// users names the jobs that do something.
func (u appUse) users(does func(jobs.Job) bool) string {
	var names []string
	for _, job := range u.jobs {
		if does(job) {
			names = append(names, job.Name)
		}
	}
	return strings.Join(names, ", ")
}

// used are the apps that jobs work with, in the order of the file: those of the
// project, and the ids of others.
func (x *examination) used() (there []appUse, missing []appUse) {
	var all []appUse
	for _, job := range x.chosen {
		i := slices.IndexFunc(all, func(u appUse) bool { return u.id == job.App })
		switch {
		case job.App == "":
		case i >= 0:
			all[i].jobs = append(all[i].jobs, job)
		default:
			all = append(all, appUse{id: job.App, app: x.apps[job.App], jobs: []jobs.Job{job}})
		}
	}
	for _, u := range all {
		if u.app.ID == "" {
			missing = append(missing, u)
		} else {
			there = append(there, u)
		}
	}
	return there, missing
}

// eachUsed collects what is found about each app that jobs work with.
func (x *examination) eachUsed(look func(appUse) []finding) []finding {
	there, missing := x.used()
	var found []finding
	for _, u := range there {
		found = append(found, look(u)...)
	}
	switch {
	case len(found) == 0 && len(missing) > 0:
		return []finding{notLookedAt}
	case len(found) == 0:
		return []finding{good("no app to look at")}
	}
	return found
}

func lookAtApps(_ context.Context, x *examination) []finding {
	there, missing := x.used()
	var found []finding
	for _, u := range missing {
		found = append(found, bad("look at app: in the job file, at api.project and at api.region",
			"%s, of %s, is no app of the project", u.id, u.users(func(jobs.Job) bool { return true })))
	}
	for _, u := range there {
		found = append(found, lookAtApp(u)...)
	}
	if len(found) == 0 {
		return []finding{good("no job names one")}
	}
	return found
}

func lookAtApp(u appUse) []finding {
	const mend = "set dispatch_retention_policy.ttl_days to 1 to 7, or switch the app to CONVERSATION mode (a job of kind app_apply can do either)"
	found := []finding{good("%s", appInWords(u.app))}
	if len(channelsOf(u.app)) == 0 && u.that(jobs.Job.Sends) {
		found = append(found, bad("add channel_credentials to the app", "%s has no channel, and %s sends by it", u.id, u.users(jobs.Job.Sends)))
	}
	if !jobs.StoresNothing(u.app) {
		return found
	}
	if u.that(jobs.Job.Archives) {
		found = append(found, bad(mend, "%s stores no messages (DISPATCH mode, 0 days): there is nothing for %s to archive", u.id, u.users(jobs.Job.Archives)))
	}
	if u.that(jobs.Job.Looks) {
		found = append(found, odd(mend, "%s stores no messages (DISPATCH mode, 0 days): %s can not look for rows whose answer is lost, and they stay in doubt", u.id, u.users(jobs.Job.Looks)))
	}
	return found
}

// appInWords is what jobs need to know of an app.
func appInWords(app client.App) string {
	kept := app.RetentionDays
	if app.ProcessingMode == "DISPATCH" {
		kept = app.DispatchRetentionDays
	}
	says := app.ID + ": "
	if app.ProcessingMode != "" {
		says += app.ProcessingMode + " mode, "
	}
	if kept != nil {
		says += fmt.Sprintf("messages kept for %s, ", plural(int64(*kept), "day"))
	}
	if channels := channelsOf(app); len(channels) > 0 {
		return says + strings.Join(channels, " ")
	}
	return says + "no channels"
}

func channelsOf(app client.App) []string {
	var names []string
	for _, c := range gjson.GetBytes(app.Body, "channel_credentials.#.channel").Array() {
		if !slices.Contains(names, c.String()) {
			names = append(names, c.String())
		}
	}
	return names
}

// Fill of an app's queue from which on it is worth a word, in hundredths.
const muchQueued = 80

func lookAtQueues(_ context.Context, x *examination) []finding {
	return x.eachUsed(func(u appUse) []finding {
		size, limit := u.app.QueueSize, u.app.QueueLimit
		switch {
		case limit <= 0:
			return []finding{good("%s: the server does not say how full it is", u.id)}
		case size*100 >= limit*muchQueued:
			return []finding{odd("wait for it to drain; sends wait by themselves (app_queue: wait)", "%s: %s of %s places are taken", u.id, count(size), count(limit))}
		}
		return []finding{good("%s: %s of %s places are taken", u.id, count(size), count(limit))}
	})
}

func lookAtWebhooks(ctx context.Context, x *examination) []finding {
	return x.eachUsed(func(u appUse) []finding {
		page, err := x.api.List(ctx, client.MustLookUp("Webhooks_ListWebhooks"), client.Call{Params: map[string]string{"app_id": u.id}})
		if err != nil {
			return []finding{odd("", "%s: %v", u.id, err)}
		}
		return []finding{webhookFinding(u, page.Items)}
	})
}

func webhookFinding(u appUse, hooks [][]byte) finding {
	const mend = "a job of kind webhook_apply can make one; without it nobody learns of deliveries and replies as they happen"
	called, receipts := 0, 0
	for _, hook := range hooks {
		if gjson.GetBytes(hook, "target_type").String() != "HTTP" {
			continue
		}
		called++
		if gjson.GetBytes(hook, `triggers.#(=="MESSAGE_DELIVERY")`).Exists() {
			receipts++
		}
	}
	switch {
	case len(hooks) == 0:
		return odd(mend, "%s has no webhook", u.id)
	case called == 0:
		return odd(mend, "%s has %s, and none with target_type HTTP: nothing is called", u.id, plural(int64(len(hooks)), "webhook"))
	case receipts == 0 && u.that(jobs.Job.Sends):
		return odd(mend, "%s has no webhook for MESSAGE_DELIVERY, and %s sends by it", u.id, u.users(jobs.Job.Sends))
	}
	return good("%s has %s, of which %d called by HTTP", u.id, plural(int64(len(hooks)), "webhook"), called)
}

// lookAtChannels asks how the channels of each app are doing: the app itself,
// and the Provisioning API, which knows of some.
func lookAtChannels(ctx context.Context, x *examination) []finding {
	return x.eachUsed(func(u appUse) []finding {
		channels := channelsOf(u.app)
		var found []finding
		for _, c := range gjson.GetBytes(u.app.Body, "channel_credentials").Array() {
			found = append(found, channelFinding(u, c.Get("channel").String(), c.Get("state.status").String(), c.Get("state.description").String())...)
		}
		for _, channel := range channels {
			status, words, err := x.channelStatus(ctx, u.id, channel)
			if err != nil {
				found = append(found, odd("", "%s: the Provisioning API does not say how its channels are: %v", u.id, err))
				break
			}
			found = append(found, channelFinding(u, channel, status, words)...)
		}
		if len(found) == 0 {
			return []finding{good("%s: nothing is said against any of %d", u.id, len(channels))}
		}
		return found
	})
}

// channelStatus asks the Provisioning API; "" where it has nothing to say.
func (x *examination) channelStatus(ctx context.Context, app, channel string) (status, words string, err error) {
	op, known := jobs.ChannelStatus(channel)
	if !known {
		return "", "", nil
	}
	resp, err := x.api.Call(ctx, op, client.Call{Params: map[string]string{"conversationAppId": app}})
	var e *client.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound { // the app has it not, or not by way of provisioning
		return "", "", nil
	}
	f := gjson.GetManyBytes(resp.Body, "status", "statusDescription")
	return f[0].String(), f[1].String(), err
}

// channelFinding says of a channel what is not well. It is wrong where a job
// sends by the app.
func channelFinding(u appUse, channel, status, words string) []finding {
	const mend = "look at the channel in the dashboard: its credentials, and its registration with the provider"
	says := fmt.Sprintf("%s: %s is %s", u.id, channel, status)
	if words != "" {
		says += fmt.Sprintf(", %q", words)
	}
	switch {
	case status == "PENDING":
		return []finding{odd("wait: nothing goes out by the channel until it is ACTIVE", "%s", says)}
	case status != "ERROR" && status != "FAILING":
		return nil
	case u.that(jobs.Job.Sends):
		return []finding{bad(mend, "%s", says)}
	}
	return []finding{odd(mend, "%s", says)}
}
