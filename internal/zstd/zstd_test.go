package zstd

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	other "github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var _ compress.Codec = (*Codec)(nil)

// Whoever reads the files has another implementation.
func TestAnotherImplementationReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	reader, err := other.NewReader(nil)
	require.NoError(t, err)
	defer reader.Close()
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	var c Codec
	var all sync.WaitGroup
	for _, page := range [][]byte{nil, {0}, []byte("page"), bytes.Repeat([]byte(`{"id":"01","text":"words"}`), 1<<15), noise} {
		for _, dst := range [][]byte{nil, make([]byte, 3), make([]byte, 7, 2<<20)} {
			all.Go(func() {
				packed, err := c.Encode(dst, page)
				assert.NoError(t, err)
				unpacked, err := reader.DecodeAll(packed, nil)
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(page, unpacked), "%d bytes", len(page))
				unpacked, err = c.Decode(nil, packed)
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(page, unpacked), "%d bytes", len(page))
			})
		}
	}
	all.Wait()
}

// The filter is made of pages that the writer reads back.
func TestAColumnWithABloomFilterIsWritten(t *testing.T) {
	t.Parallel()
	type row struct {
		ID string `parquet:"id"`
	}
	var file bytes.Buffer
	w := parquet.NewGenericWriter[row](&file, parquet.Compression(&Codec{}), parquet.BloomFilters(parquet.SplitBlockFilter(10, "id")))
	_, err := w.Write([]row{{"01A"}, {"01B"}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	f, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	require.NoError(t, err)
	there, err := f.RowGroups()[0].ColumnChunks()[0].BloomFilter().Check(parquet.ValueOf("01B"))
	require.NoError(t, err)
	assert.True(t, there)
}
