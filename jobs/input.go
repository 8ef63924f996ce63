package jobs

import (
	"context"
	"fmt"
	"io"

	"convbatch/pipeline"
	"convbatch/sources"
)

// rowSource turns the rows of a taken-down input into items.
type rowSource struct {
	in      *sources.Input
	key     int              // the column of the keys
	settled []pipeline.Range // in order, none overlaps; these rows are passed over
	claims  []pipeline.Claim // likewise: they may have been sent
}

// RowSource yields an item for every row of in that is not settled. Rows with
// a fate come settled; a row that was claimed and left no outcome comes in doubt.
func RowSource(in *sources.Input, settled []pipeline.Range, claims []pipeline.Claim) pipeline.Source {
	return &rowSource{in, in.Key(), settled, claims}
}

// Next returns the next item, and io.EOF after the last.
func (s *rowSource) Next(ctx context.Context) (pipeline.Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return pipeline.Item{}, err
		}
		row, fate, err := s.in.Next()
		if err != nil {
			return pipeline.Item{}, err
		}
		for len(s.settled) > 0 && s.settled[0].To <= row.Seq {
			s.settled = s.settled[1:]
		}
		if len(s.settled) > 0 && s.settled[0].Contains(row.Seq) {
			continue
		}
		key, err := row.Text(s.key, s.in.Columns()[s.key])
		if err != nil {
			return pipeline.Item{}, err
		}
		item := pipeline.Item{Seq: row.Seq, Key: key, Data: row}
		if fate != nil {
			item.Settled = &pipeline.Outcome{Seq: row.Seq, Key: key, State: pipeline.State(fate.State), Error: fate.Error}
			if item.Settled.State == pipeline.Invalid {
				item.Settled.Error = at(row, fate.Error)
			}
			return item, nil
		}
		for len(s.claims) > 0 && s.claims[0].To <= row.Seq {
			s.claims = s.claims[1:]
		}
		if len(s.claims) > 0 && s.claims[0].Contains(row.Seq) {
			item.Doubt = &pipeline.Doubt{Since: s.claims[0].At}
		}
		return item, nil
	}
}

// at says where a row stands that is invalid, and why it is.
func at(row sources.Row, why string) string { return fmt.Sprintf("line %d: %s", row.Line, why) }

// ItemSource yields items that are in memory already.
func ItemSource(items []pipeline.Item) pipeline.Source { return &itemSource{items} }

type itemSource struct{ items []pipeline.Item }

func (s *itemSource) Next(context.Context) (pipeline.Item, error) {
	if len(s.items) == 0 {
		return pipeline.Item{}, io.EOF
	}
	item := s.items[0]
	s.items = s.items[1:]
	return item, nil
}
