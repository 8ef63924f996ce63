package jobs

import (
	"context"
	"errors"

	"convbatch/client"
)

// pages reads a list page after page, and asks for the next one while the last
// is being worked on: lists whose pages can not be had side by side go as fast
// as the server answers.
type pages struct {
	ask   func(token string) (client.Page, error)
	token string     // of the page that is next
	ahead chan asked // nil when none is on its way
}

type asked struct {
	page client.Page
	err  error
}

// pagesOf reads the list that a call asks for, from a token on.
func pagesOf(ctx context.Context, api *client.Client, op client.Operation, call client.Call, token string) *pages {
	return &pages{token: token, ask: func(token string) (client.Page, error) {
		if op.ListKey == "" { // one thing, not a list
			resp, err := api.Call(ctx, op, call)
			return client.Page{Items: [][]byte{resp.Body}}, err
		}
		return api.List(ctx, op, op.Next(op.Sized(call, op.PageSize), token))
	}}
}

// next returns the next page. With more, the one behind it is asked for at once.
func (p *pages) next(more bool) (client.Page, error) {
	got := p.take()
	switch {
	case got.err != nil || got.page.Next == "":
	case got.page.Next == p.token:
		return client.Page{}, errors.New("the server names the page itself as the one behind it: the list has no end")
	case more:
		p.begin(got.page.Next)
	default:
		p.token = got.page.Next
	}
	return got.page, got.err
}

// take returns the page at the token.
func (p *pages) take() asked {
	if p.ahead == nil {
		page, err := p.ask(p.token)
		return asked{page, err}
	}
	got := <-p.ahead
	p.ahead = nil
	return got
}

// begin asks for a page without waiting for it.
func (p *pages) begin(token string) {
	ahead := make(chan asked, 1)
	p.token, p.ahead = token, ahead
	go func() {
		page, err := p.ask(token)
		ahead <- asked{page, err}
	}()
}

// restart goes on at the beginning.
func (p *pages) restart() {
	p.stop()
	p.token = ""
}

// stop returns when nothing is on its way any more.
func (p *pages) stop() {
	if p.ahead != nil {
		<-p.ahead
		p.ahead = nil
	}
}
