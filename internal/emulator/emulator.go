// Package emulator imitates the Conversation API in memory, written from the
// specifications alone so as not to share a mistake with a client.
package emulator

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Emulator is one project of the API. It is an http.Handler: the Conversation
// API at the root, the Batch and Provisioning APIs under /batch and
// /provisioning, tokens at /oauth2/token, and what tests ask at /_emulator/.
type Emulator struct {
	options Options
	project string
	keeper  *keeper
	store   *store
	router  *router
	reads   *router // of the Provisioning API
	control *http.ServeMux
	window  *window
	queue   *bucket
	apps    *apps

	settings  settings
	inventory func() *node // what the Provisioning API reads, made when first asked for
	batches   batches
	consents  consents

	rules       atomic.Pointer[[]*rule]
	ledger      ledger
	visits      visits
	connections atomic.Int64
	events      atomic.Int64 // ids of events and requests given out
}

// New makes a project. Options that Check refuses are a mistake of the
// program, and New panics; Serve returns the error.
func New(o Options) *Emulator {
	if err := o.Check(); err != nil {
		panic("emulator: " + err.Error())
	}
	o = o.withDefaults()
	e := &Emulator{
		options: o,
		project: uuid(o.Seed, kindProject),
		keeper:  newKeeper(o),
		store:   newStore(o),
		router: newRouter(o.Profile, messageOperations, injectOperations, appOperations, webhookOperations, settingsOperations,
			contactOperations, contactWrites, conversationOperations, conversationWrites, eventOperations, asynchronousOperations,
			registrations(o), consentOperations, batchOperations),
		reads:    newRouter(o.Profile, provisioningOperations),
		window:   newWindow(o.Limit),
		consents: newConsents(),
		queue:    &bucket{size: float64(o.QueueLimit), drain: o.DrainRate},
	}
	e.apps = newApps(o, e.store.app)
	e.inventory = sync.OnceValue(e.makeInventory)
	e.control = e.controlRoutes()
	_ = e.SetFaults(o.Faults) // checked above
	return e
}

// Info is what a client must know to use the project.
type Info struct {
	Project   string `json:"project"`
	App       string `json:"app"`
	KeyID     string `json:"key_id"`
	KeySecret string `json:"key_secret"`
	URLs      URLs   `json:"urls"`
}

// URLs are where the services are found; Token is the whole address.
type URLs struct {
	Conversation string `json:"conversation"`
	Batch        string `json:"batch"`
	Provisioning string `json:"provisioning"`
	Token        string `json:"token"`
}

// Info describes the project as seen under base, such as
// "http://127.0.0.1:8080".
func (e *Emulator) Info(base string) Info {
	base = strings.TrimSuffix(base, "/")
	return Info{
		Project: e.project, App: e.store.app, KeyID: e.keeper.id, KeySecret: e.keeper.secret,
		URLs: URLs{
			Conversation: base,
			Batch:        base + "/batch",
			Provisioning: base + "/provisioning",
			Token:        base + "/oauth2/token",
		},
	}
}

// ServeHTTP answers one request.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := e.options.Now()
	now := at.UnixNano()
	w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/_emulator/"):
		e.control.ServeHTTP(w, r)
	case path == "/oauth2/token":
		e.visits.addToken()
		e.serve(w, &call{Request: r, now: now}, tokenOperation, func(c *call) reply { return e.keeper.issue(c.Request, c.now) })
	case strings.HasPrefix(path, provisioningBase+"/"):
		c := &call{Request: r, now: now, shape: shapeProvisioning}
		e.serveAPI(w, c, e.reads, strings.TrimPrefix(r.URL.EscapedPath(), provisioningBase))
	default:
		e.serveAPI(w, &call{Request: r, now: now}, e.router, r.URL.EscapedPath())
	}
}

// serveAPI answers a call to one of the APIs, at a path below that API's base.
func (e *Emulator) serveAPI(w http.ResponseWriter, c *call, routes *router, path string) {
	e.sendDue(c.now)
	op, values, known := routes.find(c.Method, path)
	c.op, c.path = op, values
	seen := visit{at: c.now, op: op}
	defer func() { e.visits.add(seen) }()
	switch {
	case op != nil:
		seen.status = e.serve(w, c, op.id, e.perform)
	case known:
		seen.status = http.StatusNotImplemented
		e.sendAndRelease(w, e.turnAway(c, refusal{status: seen.status, message: "Method Not Allowed"}))
	default:
		seen.status = http.StatusNotFound
		e.sendAndRelease(w, e.turnAway(c, refusal{status: seen.status, message: "Not Found"}))
	}
}

// serve does what was asked, with the latency and the fault that apply, and
// gives the status that was answered: 0 for none.
func (e *Emulator) serve(w http.ResponseWriter, c *call, name string, do func(*call) reply) int {
	if !wait(c.Context(), e.options.Latency/2) {
		return 0
	}
	f := e.fault(name)
	if f == nil {
		answer := do(c)
		return e.deliver(w, c, answer)
	}
	return e.serveFault(w, c, f, do)
}

// deliver sends an answer after the second half of the latency.
func (e *Emulator) deliver(w http.ResponseWriter, c *call, answer reply) int {
	if !wait(c.Context(), e.options.Latency-e.options.Latency/2) {
		answer.release()
		return 0
	}
	e.sendAndRelease(w, answer)
	return answer.status
}

func (e *Emulator) sendAndRelease(w http.ResponseWriter, answer reply) {
	answer.send(w)
	answer.release()
}

// perform checks a call against its operation's row and runs the handler.
func (e *Emulator) perform(c *call) reply {
	if refused, allowed := e.authorize(c); !allowed {
		return refused
	}
	if !e.window.admit(c.now) {
		return e.turnAway(c, refusal{status: http.StatusTooManyRequests, message: "The project's limit of requests is exceeded."})
	}
	args, wrong := parseQuery(c.URL.RawQuery, e.options.Profile, c.op.query)
	if len(wrong) > 0 {
		return e.turnAway(c, malformed(wrong))
	}
	c.args = args
	if c.op.body != nil {
		given := documents.Get().(*document)
		defer given.release()
		if refused := e.readBody(c, given); refused != nil {
			return *refused
		}
	}
	answer := c.op.handle(e, c)
	if answer.status >= 300 || !c.op.changes {
		return answer
	}
	if !c.recorded {
		e.record(c, Identifiers{MessageID: c.path["message_id"]})
	}
	e.tellOutcome(c, answer.body)
	return answer
}

// Each limit is more than any request of the specifications needs.
const (
	bodyLimit  = 1 << 20
	batchLimit = 8 << 20 // of the Batch API: a thousand of everything
)

// readBody reads a call's body into a document and holds it against the shape
// of its operation.
func (e *Emulator) readBody(c *call, into *document) *reply {
	limit := bodyLimit
	if c.op.batch {
		limit = batchLimit
	}
	into.room.Reset()
	_, err := into.room.ReadFrom(io.LimitReader(c.Body, int64(limit)+1))
	var wrong violations
	switch {
	case err != nil:
		wrong.add("body", "could not be read")
	case into.room.Len() > limit:
		wrong.add("body", "is too large")
	case !isJSON(c.Header):
		wrong.add("Content-Type", "must be application/json")
	default:
		c.body = into.room.String()
		wrong = checkBody(c.body, into, c.op.body, dialect{old: e.options.Profile == ProfileOld, extra: e.options.ExtraFields})
	}
	if len(wrong) == 0 {
		c.json = into.root()
		return nil
	}
	r := e.invalid(wrong...)
	return &r
}

func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// wait lets time pass, unless the caller goes away.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
