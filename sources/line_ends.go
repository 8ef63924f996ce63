package sources

import (
	"bufio"
	"fmt"
	"io"
)

// lineEnds carries the \r\n of quoted fields through encoding/csv, which makes
// \n of every line end. It writes such a line end as \r\r\n, of which the csv
// reader takes one \r away. Lines keep their numbers.
//
// Whether a byte is inside quotes follows from the number of quotes before it:
// in a file that the csv reader accepts, quotes come in pairs, and one that it
// does not accept it refuses in the line where the count first goes wrong.
//
// It also ends the reading at a record of more than max bytes, which a quote
// that is never closed would make of the rest of the file.
type lineEnds struct {
	src    *bufio.Reader
	max    int
	quoted bool
	line   int64 // of the byte to come
	start  int64 // the line in which the record starts
	size   int   // bytes of the record so far
	err    error
}

func newLineEnds(r io.Reader, max int) *lineEnds {
	return &lineEnds{src: bufio.NewReaderSize(r, 1<<16), max: max, line: 1, start: 1}
}

// recordTooLong is the error of a record that is longer than max bytes.
type recordTooLong struct {
	line int64
	max  int
}

func (e recordTooLong) Error() string {
	return fmt.Sprintf("the record is longer than %d MiB", e.max>>20)
}

func (l *lineEnds) Read(p []byte) (int, error) {
	n := 0
	for n+1 < len(p) { // a line end takes up to two bytes more than it had
		b, err := l.next()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if b == '\r' && l.quoted && l.newlineFollows() {
			p[n] = '\r'
			n++
		}
		p[n] = b
		n++
	}
	if n == 0 && len(p) > 0 {
		return 0, io.ErrShortBuffer
	}
	return n, nil
}

// next returns the next byte and keeps count.
func (l *lineEnds) next() (byte, error) {
	if l.err != nil {
		return 0, l.err
	}
	b, err := l.src.ReadByte()
	if err != nil {
		l.err = err
		return 0, err
	}
	if l.size++; l.size > l.max {
		l.err = recordTooLong{l.start, l.max}
		return 0, l.err
	}
	switch b {
	case '"':
		l.quoted = !l.quoted
	case '\n':
		l.line++
		if !l.quoted {
			l.start, l.size = l.line, 0
		}
	}
	return b, nil
}

func (l *lineEnds) newlineFollows() bool {
	next, err := l.src.Peek(1)
	return err == nil && next[0] == '\n'
}
