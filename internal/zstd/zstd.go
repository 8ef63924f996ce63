// Package zstd compresses the pages of Parquet files with the reference
// implementation of Zstandard (RFC 8878), which does so in two thirds of the
// time that one in Go takes: see ADR 10.
package zstd

import (
	"fmt"
	"sync"

	"github.com/DataDog/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// level is the fastest of those that compress well: it is data that is written
// once, by a program that must not hold up what it reads from.
const level = 1

// Codec compresses pages, several at a time. Its zero value is ready for use; it
// may not be copied.
type Codec struct {
	mu     sync.Mutex
	free   []zstd.Ctx // whose memory, which is not Go's, goes with them
	reader parquetzstd.Codec
}

// String implements compress.Codec.
func (*Codec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (*Codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec. What it returns is in the memory of dst if
// that has room.
func (c *Codec) Encode(dst, src []byte) ([]byte, error) {
	x := c.take()
	defer c.putBack(x)
	page, err := x.CompressLevel(dst, src, level)
	if err != nil {
		return nil, fmt.Errorf("compress a page: %w", err)
	}
	return page, nil
}

// Decode implements compress.Codec. A writer reads its own pages back to make the
// bloom filter of a column.
func (c *Codec) Decode(dst, src []byte) ([]byte, error) { return c.reader.Decode(dst, src) }

func (c *Codec) take() zstd.Ctx {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.free) - 1; last >= 0 {
		x := c.free[last]
		c.free = c.free[:last]
		return x
	}
	return zstd.NewCtx()
}

func (c *Codec) putBack(x zstd.Ctx) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, x)
}
