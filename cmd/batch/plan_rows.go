package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"convbatch/jobs"
	"convbatch/pipeline"
	"convbatch/sources"
)

// plannedRow is what a run would do with one row: a line of --out.
type plannedRow struct {
	Seq     int64  `parquet:"seq"` // as in results
	Key     string `parquet:"key"`
	State   string `parquet:"state,dict"` // send, or the state that the run will give it
	Reason  string `parquet:"reason,optional"`
	Action  string `parquet:"action,dict,optional"`
	Request string `parquet:"request,optional"`

	SMSEncoding string `parquet:"sms_encoding,dict,optional"`
	SMSParts    int32  `parquet:"sms_parts,optional"`

	forces string // the character that made it UCS-2
}

// stateSend is that of rows that are to be sent: the answer decides theirs.
const stateSend = "send"

// planRow finds out what a run would do with a row.
func planRow(spec jobs.Pusher, key string, row sources.Row, fate *sources.Fate) plannedRow {
	one := plannedRow{Seq: row.Seq, Key: key}
	if fate != nil {
		one.State, one.Reason = string(fate.State), fate.Error
		return one
	}
	body, err := spec.Prepare(row)
	var unsent *jobs.Unsent
	switch {
	case errors.As(err, &unsent):
		one.State, one.Reason = string(unsent.State), unsent.Reason
		return one
	case err != nil:
		one.State, one.Reason = string(pipeline.Invalid), err.Error()
		return one
	}
	one.State, one.Request = stateSend, string(body)
	if actor, ok := spec.(jobs.Actor); ok {
		one.Action = actor.Action(body)
	}
	if texter, ok := spec.(jobs.Texter); ok {
		if sms, is := texter.SMS(row); is {
			one.SMSEncoding, one.SMSParts, one.forces = sms.Encoding, int32(sms.Parts), sms.Forces
		}
	}
	return one
}

// rows plans every row of an input, and hands each over.
func (m *plan) rows(spec jobs.Pusher, calls *plannedCalls, in *sources.Input, stopped func() error, each func(plannedRow) error) error {
	key := in.Key()
	for {
		if err := stopped(); err != nil {
			return err
		}
		row, fate, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := row.Text(key, in.Columns()[key])
		if err != nil {
			return err
		}
		one := planRow(spec, name, row, fate)
		m.count(spec, calls, one, fate != nil)
		if err := each(one); err != nil {
			return err
		}
	}
}

// count adds a row to the plan.
func (m *plan) count(spec jobs.Pusher, calls *plannedCalls, one plannedRow, decided bool) {
	if one.State != stateSend {
		reason := one.Reason
		if decided {
			reason, _, _ = strings.Cut(reason, ":") // "duplicate key" of whatever line
		}
		m.unsent(pipeline.State(one.State), reason)
		return
	}
	body := []byte(one.Request)
	m.Send++
	if one.Action != "" {
		m.Actions[one.Action]++
	}
	if one.SMSParts > 0 {
		if m.SMS == nil {
			m.SMS = &plannedSMS{Forces: map[string]int64{}}
		}
		m.SMS.add(one)
	}
	if !spec.Findable(body) {
		m.Unfindable++
	}
	switch {
	case calls.grouped():
		calls.add(one.Seq, body)
	case len(m.Requests) < firstRequests:
		m.Requests = append(m.Requests, calls.request(one.Seq, body))
	}
}

// plannedSMS are the texts that go to SMS identities, as their sender pays for
// them.
type plannedSMS struct {
	Messages int64            `json:"messages"`
	Parts    int64            `json:"parts"`
	Longest  int64            `json:"longest"` // parts of the longest
	UCS2     int64            `json:"ucs2"`    // messages in UCS-2, which has less than half as many characters to a part
	Forces   map[string]int64 `json:"forces"`  // messages by the first character that forces UCS-2
}

func (s *plannedSMS) add(one plannedRow) {
	s.Messages++
	s.Parts += int64(one.SMSParts)
	s.Longest = max(s.Longest, int64(one.SMSParts))
	if one.forces != "" {
		s.UCS2++
		if _, known := s.Forces[one.forces]; known || len(s.Forces) < reasonsKept {
			s.Forces[one.forces]++
		}
	}
}

// words is what a person is told of SMS.
func (s *plannedSMS) words() string {
	text := fmt.Sprintf("  as SMS: %s in %s, %d at most", plural(s.Messages, "message"), plural(s.Parts, "part"), s.Longest)
	if s.UCS2 == 0 {
		return text + "; all GSM-7\n"
	}
	often := slices.SortedFunc(maps.Keys(s.Forces), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Forces[b], s.Forces[a]), cmp.Compare(a, b))
	})
	var forces []string
	for _, c := range often[:min(len(often), 5)] {
		forces = append(forces, fmt.Sprintf("%q (%U) in %s", c, []rune(c)[0], count(s.Forces[c])))
	}
	return text + fmt.Sprintf("\n  %s of them in UCS-2, with 70 characters to a part and not 160, by %s\n", count(s.UCS2), strings.Join(forces, ", "))
}
