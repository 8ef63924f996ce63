package sources

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolBytes is how much of a spool is in memory before it goes to disk.
const spoolBytes = 16 << 10

// spool holds what is written until it is read, from its beginning. It takes a
// file only when it outgrows its memory, so that a small job needs none.
type spool struct {
	dir    string // for the file
	memory []byte
	file   *os.File
}

// numbers and text append to a record; they are read with those of a reader in
// the same order.
func (s *spool) numbers(ns ...int64) {
	for _, n := range ns {
		s.memory = binary.AppendVarint(s.memory, n)
	}
}

func (s *spool) text(t []byte) {
	s.memory = binary.AppendUvarint(s.memory, uint64(len(t)))
	s.memory = append(s.memory, t...)
}

// end ends a record, after which the spool may go to disk.
func (s *spool) end() (err error) {
	if len(s.memory) < spoolBytes {
		return nil
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp(s.dir, "spool-*"); err != nil {
			return fmt.Errorf("make a temporary file: %w", err)
		}
	}
	_, err = s.file.Write(s.memory)
	s.memory = s.memory[:0]
	return err
}

// reader reads the spool, to which nothing is written any more.
func (s *spool) reader() (*spoolReader, error) {
	var from io.Reader = bytes.NewReader(s.memory)
	if s.file != nil {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		from = io.MultiReader(s.file, from)
	}
	return &spoolReader{in: bufio.NewReaderSize(from, 8<<10)}, nil
}

// close removes what the spool holds.
func (s *spool) close() error {
	s.memory = nil
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), os.Remove(s.file.Name()))
	s.file = nil
	return err
}

// spoolReader reads records. The first error stays, io.EOF at the end of the last.
type spoolReader struct {
	in   *bufio.Reader
	err  error
	held []byte
}

// more says whether there is another record.
func (r *spoolReader) more() bool {
	if r.err == nil {
		_, r.err = r.in.Peek(1)
	}
	return r.err == nil
}

// number looks at all bytes of it at once, where binary.ReadVarint asks for one
// after the other.
func (r *spoolReader) number() int64 {
	b, err := r.in.Peek(binary.MaxVarintLen64)
	n, width := binary.Varint(b)
	if width <= 0 {
		r.fail(cmp.Or(err, errNumber))
		return 0
	}
	_, err = r.in.Discard(width)
	r.fail(err)
	return n
}

var errNumber = errors.New("a number in a temporary file is too long")

// text is valid until the next call.
func (r *spoolReader) text() []byte {
	n, err := binary.ReadUvarint(r.in)
	r.fail(err)
	if r.err != nil {
		return nil
	}
	if uint64(cap(r.held)) < n {
		r.held = make([]byte, n)
	}
	_, err = io.ReadFull(r.in, r.held[:n])
	r.fail(err)
	return r.held[:n]
}

func (r *spoolReader) fail(err error) {
	if r.err == nil && err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // within a record
		}
		r.err = err
	}
}

// failed is what went wrong, nil at the end.
func (r *spoolReader) failed() error {
	if r.err == io.EOF {
		return nil
	}
	return r.err
}
