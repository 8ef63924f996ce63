package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"convbatch/client"
	"convbatch/pipeline"
)

// snapshotReader is the worker of a snapshot.
type snapshotReader struct {
	*snapshot
	env   Env
	seen  map[string]*seen // ids of what was read, by dataset
	begun *seen            // lists that are read, or will be
	whole seen             // lists that this process reads from their beginning on
}

// snapshotEntries is after how many entries a list goes on in another item: so
// much is read again after a crash.
const snapshotEntries = 2000

// mostBegun is how often a list is begun again whose token the server refuses:
// tokens are lost when it starts anew, not time after time.
const mostBegun = 5

// Do reads one part of a list.
func (r *snapshotReader) Do(ctx context.Context, item pipeline.Item) (pipeline.Outcome, error) {
	s, err := stepOf(item)
	if err != nil {
		return pipeline.Outcome{}, err
	}
	l := r.lists[s.List]
	if l == nil {
		return pipeline.Outcome{}, fmt.Errorf("this run was begun by a batch that read %s as well: `batch run --restart` begins it anew", s.List)
	}
	out, read, err := r.do(ctx, l, s)
	var e *client.Error
	switch {
	case err == nil:
	case !errors.As(err, &e) || e.Intent != client.Failed || s.Read+read > 0:
		// A list that is not read to its end is no snapshot: the run fails, and
		// goes on here the next time.
		return pipeline.Outcome{}, unsettled(fmt.Errorf("read %s: %w", s.shown(), err))
	case l.lacks(e):
		r.env.Log.LogAttrs(ctx, slog.LevelInfo, "not there, or not for this account", slog.String("list", s.shown()), slog.String("answer", e.Error()))
		out = pipeline.Outcome{HTTPStatus: e.Status, Attempts: e.Attempts, ErrorCode: e.Code, Error: "not there, or not for this account: " + e.Error()}
	case l.older != nil && refused(e):
		out.Follow, err = r.follow(l.older(s))
		if err != nil {
			return pipeline.Outcome{}, err
		}
	case l.lacking != nil && refused(e):
		return pipeline.Outcome{}, fmt.Errorf("read %s: %w: %w", s.shown(), l.lacking, err)
	default:
		return pipeline.Outcome{}, fmt.Errorf("read %s: %w", s.shown(), err)
	}
	out.State = pipeline.Done
	return out, nil
}

// notInitialized is the Provisioning API's word for a project that was never
// set up for a channel.
const notInitialized = "project_not_initialized"

// lacks says that an answer means that there is no such list, where that may be.
func (l *list) lacks(e *client.Error) bool {
	switch e.Status {
	case http.StatusNotFound:
		return l.mayLack || l.mayGo
	case http.StatusForbidden:
		return l.mayLack
	}
	return l.mayLack && e.Code == notInitialized
}

// do does a step; see read.
func (r *snapshotReader) do(ctx context.Context, l *list, s step) (out pipeline.Outcome, read int, err error) {
	if l.own != nil {
		out, err = l.own(ctx, r, s)
		return out, 0, err
	}
	return r.read(ctx, l, s)
}

func stepOf(item pipeline.Item) (s step, err error) {
	data, ok := item.Data.(json.RawMessage)
	if !ok {
		return s, fmt.Errorf("item %d holds %T, not a step", item.Seq, item.Data)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read step %d: %w", item.Seq, err)
	}
	return s, nil
}

// read reads a list from a step on: to its end, or until it is enough for one
// item. It returns how many entries it read as well.
func (r *snapshotReader) read(ctx context.Context, l *list, s step) (out pipeline.Outcome, read int, err error) {
	if s.Token == "" {
		r.whole.add(s.String())
	}
	pages := pagesOf(ctx, r.env.Client, l.operation, l.call(s), s.Token)
	defer pages.stop()
	var below []step
	for {
		page, err := pages.next(read+l.operation.PageSize < snapshotEntries)
		stopped := err != nil && read > 0 && errors.Is(unsettled(err), pipeline.ErrReleased)
		switch {
		case stopped: // what was read is kept
			page.Next = pages.token
		case tokenRefused(err, pages.token, s.Token) && s.Begun < mostBegun:
			s.Token, s.Read, s.Begun = "", 0, s.Begun+1
			pages.restart() // what is stored is dropped
			continue
		case err != nil:
			return out, read, err
		}
		for _, body := range page.Items {
			more, err := r.take(&out, l, s, body)
			if err != nil {
				return out, read, err
			}
			below = append(below, more...)
		}
		read += len(page.Items)
		if page.Next != "" && read < snapshotEntries && !stopped {
			continue
		}
		if page.Next != "" {
			rest := s
			rest.Token, rest.Read = page.Next, s.Read+read
			below = append(below, rest)
		} else if l.then != nil {
			below = append(below, l.then(s)...)
		}
		out.Follow, err = r.follow(below)
		return out, read, err
	}
}

// take adds an entry of a list to what an item brings.
func (r *snapshotReader) take(out *pipeline.Outcome, l *list, s step, body []byte) ([]step, error) {
	var below []step
	if l.below != nil {
		below = l.below(s, body)
	}
	if l.dataset == "" {
		return below, nil
	}
	if l.redacted {
		body = redact(body)
	}
	row, id, err := l.row(r, s, body)
	if err != nil || !r.seen[l.dataset].add(id) || row == nil {
		return below, err
	}
	record := pipeline.Record{Dataset: l.dataset, Order: int64(s.Read + len(out.Records)), Size: len(body) + 400, Row: row}
	if !l.log {
		record.Partition = "run_id=" + r.env.RunID
	}
	out.Records = append(out.Records, record)
	return below, nil
}

// follow makes items of steps. A list that is read already, since its entry was
// on a page that had to be read again, is not read twice.
func (r *snapshotReader) follow(steps []step) ([]pipeline.Item, error) {
	return items(slices.DeleteFunc(steps, func(s step) bool {
		return s.Token == "" && r.lists[s.List].own == nil && !r.begun.add(s.String())
	}))
}

// call is the call that a step makes, without its page.
func (l *list) call(s step) client.Call {
	call := client.Call{Query: url.Values{}}
	for key, values := range l.query {
		call.Query[key] = values
	}
	inPath := l.operation.Parameters()
	for key, value := range s.Params {
		switch {
		case slices.Contains(inPath, key):
			if call.Params == nil {
				call.Params = map[string]string{}
			}
			call.Params[key] = value
		case slices.Contains(l.operation.Query, key):
			call.Query.Set(key, value)
		}
	}
	return call
}

// now is when an entry was read.
func (r *snapshotReader) now() time.Time { return r.env.Now().UTC() }
