package client

import (
	"context"
	"encoding/json"
)

var (
	sendBatch   = MustLookUp("Batch_SendBatch")
	batchStatus = MustLookUp("Batch_GetBatchStatus")
	cancelBatch = MustLookUp("Batch_CancelBatch")
	findBatches = MustLookUp("Batch_GetBatchStatusByMetadata")
)

// BatchCancelled is the status of a batch that is not sent any more.
const BatchCancelled = "CANCELLED"

// SendBatch sends the message that body describes, in JSON, to as many as 1,000
// recipients, with the Batch API. It is sent at most once, unless an attempt
// certainly had no effect.
func (c *Client) SendBatch(ctx context.Context, body []byte) (Response, error) {
	return c.Call(ctx, sendBatch, Call{Body: body})
}

// BatchStatus gets how far a batch is.
func (c *Client) BatchStatus(ctx context.Context, id string) (Response, error) {
	return c.Call(ctx, batchStatus, Call{Params: params{"batch_id": id}})
}

// FindBatches lists the batches whose metadata has a value for a key. How the
// question is written is not documented: it follows the name that the metadata
// has in answers, so look at what is in these.
func (c *Client) FindBatches(ctx context.Context, key, value string) (Page, error) {
	return c.List(ctx, findBatches, Call{Query: params{"meta_data." + key: value}.values()})
}

// CancelBatch asks for a scheduled batch not to be sent. The answer does not
// say whether it came in time: BatchStatus does.
func (c *Client) CancelBatch(ctx context.Context, id string) (Response, error) {
	body, _ := json.Marshal(map[string]string{"batch_id": id}) // of a string: no error
	return c.Call(ctx, cancelBatch, Call{Body: body})
}
