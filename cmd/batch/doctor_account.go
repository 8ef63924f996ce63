package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"convbatch/client"
)

// How far this machine's clock may be from the API's. The Date of an answer is
// cut to seconds, and was some time on its way.
const (
	skewNoted = 5 * time.Second
	skewWrong = time.Minute
)

func lookAtToken(ctx context.Context, x *examination) []finding {
	err := x.api.Authorize(ctx)
	var e *client.Error
	if errors.As(err, &e) {
		return []finding{bad("", "%s", e.Message)}
	}
	x.token = true
	if x.file.API.Auth == "basic" {
		return []finding{good("none is needed")}
	}
	return []finding{good("obtained")}
}

// lookAtRegion lists the apps of the project, which answers 404 in a region
// where it does not live.
func lookAtRegion(ctx context.Context, x *examination) []finding {
	const mend = "set api.region to where the project lives (us, eu or br), and look at api.project"
	apps, err := x.api.ListApps(ctx)
	var e *client.Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusNotFound:
		return []finding{bad(mend, "%s is not the region of the project, or there is no such project: %v", x.file.API.Region, err)}
	case errors.As(err, &e) && e.Status == http.StatusForbidden:
		return []finding{bad("look at api.project: the key must be one of this project, and may have to be allowed to list its apps", "the project's apps can not be listed: %v", err)}
	case err != nil:
		return []finding{bad("look at api.urls.conversation, if it is set, and at the way there: network, proxy, firewall", "the project's apps can not be listed: %v", err)}
	}
	x.apps = map[string]client.App{}
	for _, app := range apps {
		x.apps[app.ID] = app
	}
	if len(apps) == 0 {
		return []finding{odd(mend, "the project has no apps in %s", x.file.API.Region)}
	}
	return []finding{good("%s, where the project has %s", x.file.API.Region, plural(int64(len(apps)), "app"))}
}

// lookAtClock compares this machine's clock with the Date of the API's answers.
func lookAtClock(_ context.Context, x *examination) []finding {
	const mend = "set the clock, best by NTP: the windows of an archive and the hours of sends go by it"
	theirs := x.api.Now()
	if theirs.IsZero() {
		return []finding{odd("", "the API's answers have no Date to compare with")}
	}
	skew := x.p.now().Sub(theirs).Round(time.Second)
	side := "ahead of"
	if skew < 0 {
		side = "behind"
	}
	switch {
	case skew.Abs() > skewWrong:
		return []finding{bad(mend, "this machine is %s %s the API", skew.Abs(), side)}
	case skew.Abs() > skewNoted:
		return []finding{odd(mend, "this machine is %s %s the API", skew.Abs(), side)}
	}
	return []finding{good("this machine and the API agree")}
}

// nobodysBatch is the id of no batch: the Batch API has no read that is not
// about one.
const nobodysBatch = "00000000000000000000000000"

func lookAtBatchAPI(ctx context.Context, x *examination) []finding {
	var users []string
	for _, job := range x.chosen {
		if job.CallsBatchAPI() {
			users = append(users, job.Name)
		}
	}
	if len(users) == 0 {
		return []finding{good("no job calls it")}
	}
	_, err := x.api.BatchStatus(ctx, nobodysBatch)
	var e *client.Error
	if err == nil || errors.As(err, &e) && e.Status == http.StatusNotFound {
		return []finding{good("answers")}
	}
	return []finding{bad("look at api.urls.batch and api.region", "%s can not call it: %v", strings.Join(users, ", "), err)}
}
