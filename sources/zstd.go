package sources

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// pageWindow is how far zstd looks back, which is more than a page is long:
// each is compressed by itself. The window of parquet.Zstd is 8 MiB, of which
// an encoder holds two.
const pageWindow = 512 << 10

// pageCodec is zstd for the pages of a Parquet file that one goroutine writes.
type pageCodec struct{ encoder *zstd.Encoder }

func newPageCodec() (*pageCodec, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(pageWindow),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("prepare zstd: %w", err)
	}
	return &pageCodec{e}, nil
}

// String implements compress.Codec.
func (*pageCodec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (*pageCodec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec.
func (c *pageCodec) Encode(dst, src []byte) ([]byte, error) {
	return c.encoder.EncodeAll(src, dst[:0]), nil
}

// Decode implements compress.Codec. A file that is read has the codec of its own.
func (*pageCodec) Decode([]byte, []byte) ([]byte, error) {
	return nil, fmt.Errorf("this codec writes only")
}
