package client

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// maskDialect is how the server takes the fields that a PATCH changes: newer
// servers as update_mask, one value with commas, older ones as
// update_mask.paths, repeated. It is the newer until an older server shows.
type maskDialect struct{ older atomic.Bool }

const (
	newerMask = "update_mask"
	olderMask = "update_mask.paths"
)

// CallMasked calls op with the fields in mask as those to be changed, in the
// way that the server takes: when one way is refused the other is tried, and
// remembered by all clients made by For. Without a mask it is Call.
func (c *Client) CallMasked(ctx context.Context, op Operation, r Call, mask []string) (Response, error) {
	if len(mask) == 0 {
		return c.Call(ctx, op, r)
	}
	older := c.masks.older.Load()
	first, refusal := c.Call(ctx, op, masked(r, mask, older))
	if !unknownMask(refusal, older) {
		return first, refusal
	}
	second, err := c.Call(ctx, op, masked(r, mask, !older))
	if unknownMask(err, !older) {
		return first, refusal // of the way that is believed to be the server's
	}
	if err == nil {
		c.masks.older.Store(!older)
	}
	return second, err
}

func masked(r Call, mask []string, older bool) Call {
	r.Query = maps.Clone(r.Query)
	if r.Query == nil {
		r.Query = url.Values{}
	}
	if older {
		r.Query[olderMask] = mask
	} else {
		r.Query.Set(newerMask, strings.Join(mask, ","))
	}
	return r
}

// unknownMask says whether err is the refusal of the parameter itself. One of
// its value, which speaks of a path, is not: a server that knows the parameter
// may leave out the other one without a word, and change every field.
func unknownMask(err error, older bool) bool {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest && e.Status != http.StatusNotFound {
		return false
	}
	says := e.Message + " " + strings.Join(e.Violations, " ")
	name := newerMask
	if older {
		name = olderMask
	}
	rest := strings.ReplaceAll(says, name, "")
	return rest != says && !strings.Contains(rest, "path")
}
