package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"convbatch/sources"
)

// The columns that an optout_sync adds to its input.
const (
	identityColumn = "_identity" // of the row, as the API gives it back; empty when the row has none of use
	changeColumn   = "_change"   // out, in or none
	sinceColumn    = "_since"    // the run that registered the identity; empty when none did
)

// What a row changes that neither opts out nor in.
const (
	changeNone    = "none"    // nothing is asked for
	changeUnclear = "unclear" // it left the list, unless a row that can not be read has it
	changeRelease = "release" // it left the list, and another job's list has it
)

// leftKey is what the keys of rows begin with that stand for who left the list:
// what keys their rows had is not known any more.
const leftKey = "left:"

// Shape returns the rows of the list, each with what it changes, and behind
// them a row for each identity that the job had registered and that left the
// list, in the order of identities. They are compared by identity: one that
// comes with another key is the same.
//
// Nobody is opted in by a list that tells too little: when more left it than
// most_removed the end of the rows is an error, and while a row can not be read
// those who left are kept, since it may be theirs.
//
// In memory is a digest of each identity and of each key.
func (k *OptoutSync) Shape(ctx context.Context, rows sources.Rows) (sources.Rows, error) {
	raw := rows.Columns()
	added := []string{identityColumn, changeColumn, sinceColumn}
	for _, c := range raw {
		if slices.Contains(added, strings.ToLower(c.Name)) {
			return nil, fmt.Errorf("the input has a column %s, which this job adds: it looks like the results of a part of a list, and who is not in the list is opted in", c.Name)
		}
	}
	bound, err := k.request.Bind(raw)
	if err != nil {
		return nil, err
	}
	l := &optoutList{
		list: rows, columns: slices.Clone(raw), registered: map[[16]byte]registration{}, most: k.MostRemoved, optsIn: k.optsIn(),
		key:      slices.IndexFunc(raw, func(c sources.Column) bool { return c.Name == k.Key }),
		identity: func(row sources.Row) (string, error) { return k.identityOf(bound, row) },
	}
	for _, name := range added {
		l.columns = append(l.columns, sources.Column{Name: name})
	}
	if l.certain, err = k.lastGivenUp(ctx); err != nil {
		return nil, err
	}
	query := k.registeredQuery()
	if err := k.env.Query(ctx, query, l.register); err != nil {
		return nil, fmt.Errorf("look up what the job has registered: %w", err)
	}
	l.next, l.stop = iter.Pull2(l.leavers(ctx, k.env, query))
	return l, nil
}

// registeredQuery asks for each identity that the job has registered, by which
// run, and for another job that has registered it as well.
func (k *OptoutSync) registeredQuery() string {
	mine := sqlWhere("source", k.source)
	return fmt.Sprintf("SELECT identity, max(run_id) FILTER (%[1]s), min(source) FILTER (NOT %[1]s) FROM consents "+
		"WHERE %[2]s AND starts_with(source, '%[3]s') GROUP BY identity HAVING bool_or(%[1]s) ORDER BY identity",
		mine, sqlWhere("project_id", k.project, "app_id", k.app, "channel", k.Channel, "list", k.List, "state", consentOut), consentJob)
}

// lastGivenUp returns the last run of the job that was not completed; "" when
// all were. What it opted in before its process died stands nowhere.
func (k *OptoutSync) lastGivenUp(ctx context.Context) (run string, err error) {
	query := "SELECT max(run_id) FROM runs WHERE " + sqlWhere("job", strings.TrimPrefix(k.source, consentJob)) + " AND state <> 'completed'"
	if err := k.env.Query(ctx, query, func(values []any) error { run = textOf(values[0]); return nil }); err != nil {
		return "", fmt.Errorf("look up which runs were given up: %w", err)
	}
	return run, nil
}

// optsIn says whether who left the list is opted in again.
func (k *OptoutSync) optsIn() bool { return k.via == viaRegister && k.OnRemoved != "keep" }

// Action says what a prepared request does.
func (k *OptoutSync) Action(request []byte) string {
	if strings.HasSuffix(gjson.GetBytes(request, "path").String(), "/optins:register") {
		return "opt in again: left the list"
	}
	return "opt out"
}

// optoutList is the shaped input of an optout_sync.
type optoutList struct {
	list       sources.Rows
	columns    []sources.Column // of the list, and those that are added
	key        int              // -1 when the list has no such column
	identity   func(row sources.Row) (string, error)
	registered map[[16]byte]registration // by identity
	runs       []string                  // that registered them
	certain    string                    // what runs before it registered may have been opted in since

	most    Share // that may leave
	optsIn  bool
	still   int64 // registered, and on the list as far as that was read
	unclear bool  // a row of the list can not be read

	keys    seen // of the rows so far
	claimed seen // identities that a row so far asks to register

	next  func() (who leaver, err error, ok bool)
	stop  func()
	ended bool // the list has
	left  int64
}

// leaver is who left the list.
type leaver struct {
	identity string
	other    string // the source of another job that has it on its list; "" for none
}

// registration is what the job did for an identity.
type registration struct {
	run    uint32 // place in runs
	listed bool   // it is on the list, as far as that was read
}

func (l *optoutList) register(values []any) error {
	run := textOf(values[1])
	at := slices.Index(l.runs, run)
	if at < 0 {
		at = len(l.runs)
		l.runs = append(l.runs, run)
	}
	l.registered[shortened(textOf(values[0]))] = registration{run: uint32(at)}
	return nil
}

// Columns are those of the list and those that are added.
func (l *optoutList) Columns() []sources.Column { return l.columns }

// Close ends the reading of the list and of the store.
func (l *optoutList) Close() error {
	l.stop()
	return l.list.Close()
}

// Next returns the next row.
func (l *optoutList) Next() (sources.Row, error) {
	if !l.ended {
		row, err := l.list.Next()
		if err == nil {
			return l.listed(row)
		}
		if !errors.Is(err, io.EOF) {
			return row, err
		}
		l.ended = true
		if err := l.tooFew(); err != nil {
			return row, err
		}
	}
	who, err, ok := l.next()
	switch {
	case err != nil:
		return sources.Row{}, fmt.Errorf("look up who left the list: %w", err)
	case !ok:
		return sources.Row{}, io.EOF
	}
	return l.leaver(who)
}

// tooFew says that more left the list than may: it is taken for a part of one.
func (l *optoutList) tooFew() error {
	all := int64(len(l.registered))
	if left := all - l.still; l.optsIn && l.most.Exceeded(left, all) {
		return fmt.Errorf("%d of %d identities that the job registered are not on the list, which is more than most_removed (%s), and they would be opted in again: is the list whole? if it is, raise most_removed, or set on_removed: keep", left, all, l.most)
	}
	return nil
}

// listed is a row of the list with what it changes. A row that its run will
// turn down, for want of a key of its own, asks for nothing: another row with
// the same identity must not wait for it.
func (l *optoutList) listed(row sources.Row) (sources.Row, error) {
	usable, err := l.newKey(row)
	if err != nil {
		return row, err
	}
	identity, err := l.identity(row)
	if err != nil {
		l.unclear = l.unclear || !errors.Is(err, errBlank)
		return l.with(row, "", changeNone, ""), nil // its run says what is wrong
	}
	id := shortened(identity)
	known, registered := l.registered[id]
	if registered && !known.listed {
		known.listed = true
		l.registered[id] = known
		l.still++
	}
	if registered && l.runs[known.run] >= l.certain {
		return l.with(row, identity, changeNone, l.runs[known.run]), nil
	}
	if usable && l.claimed.add(identity) {
		return l.with(row, identity, consentOut, ""), nil
	}
	return l.with(row, identity, changeNone, ""), nil
}

// newKey says whether the row has a key, and is the first that has it.
func (l *optoutList) newKey(row sources.Row) (bool, error) {
	if l.key < 0 {
		return true, nil
	}
	key, err := row.Text(l.key, l.columns[l.key])
	return key != "" && l.keys.add(key), err
}

// leaver is the row of an identity that left the list.
func (l *optoutList) leaver(who leaver) (sources.Row, error) {
	n := len(l.columns) - 3
	l.left++
	row := sources.Row{File: "dataset " + consents.Name, Line: l.left, Values: make([]string, n), Null: make([]bool, n)}
	for i := range n {
		row.Null[i] = i != l.key
	}
	if l.key >= 0 {
		row.Values[l.key] = leftKey + who.identity
		if l.columns[l.key].JSON {
			row.Values[l.key] = strconv.Quote(row.Values[l.key])
		}
	}
	change := consentIn
	switch {
	case !l.optsIn:
	case l.unclear:
		change = changeUnclear
	case who.other != "":
		change = changeRelease
	}
	return l.with(row, who.identity, change, l.runs[l.registered[shortened(who.identity)].run]), nil
}

// with adds the values of the columns that are added.
func (l *optoutList) with(row sources.Row, identity, change, since string) sources.Row {
	if row.Null != nil {
		row.Null = append(slices.Clip(row.Null), false, false, false)
	}
	row.Values = append(slices.Clip(row.Values), identity, change, since)
	return row
}

// errEnough ends a query that nobody reads any more.
var errEnough = errors.New("enough was read")

// leavers yields who was registered and is not on the list.
// The store is asked when the first is wanted, which is when the list was read.
func (l *optoutList) leavers(ctx context.Context, env Env, query string) iter.Seq2[leaver, error] {
	return func(yield func(leaver, error) bool) {
		err := env.Query(ctx, query, func(values []any) error {
			identity := textOf(values[0])
			if known, ok := l.registered[shortened(identity)]; !ok || known.listed || yield(leaver{identity, textOf(values[2])}, nil) {
				return nil
			}
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(leaver{}, err)
		}
	}
}
