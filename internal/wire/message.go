package wire

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// appendRequest puts a request after b, in the form of RFC 9112, and closes its
// body. Errors do not repeat values, which may be secret.
func appendRequest(b []byte, req *http.Request) ([]byte, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	host := cmp.Or(req.Host, req.URL.Host)
	if !httpguts.ValidHostHeader(host) {
		return b, errors.New("the host of the request is none")
	}
	b = append(append(b, req.Method...), ' ')
	b = append(append(b, req.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	for name, values := range req.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			return b, fmt.Errorf("the header %q follows from the request and can not be set", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return b, fmt.Errorf("the value of the header %q can not be sent", name)
			}
			b = append(append(b, "\r\n"...), name...)
			b = append(append(b, ": "...), value...)
		}
	}
	if unpacks(req) {
		b = append(b, "\r\nAccept-Encoding: gzip"...)
	}
	switch {
	case req.ContentLength < 0, req.Body == nil && req.ContentLength > 0:
		return b, errors.New("the length of the request's body is not known")
	case req.ContentLength > 0, req.Method == http.MethodPost, req.Method == http.MethodPut, req.Method == http.MethodPatch:
		b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), req.ContentLength, 10)
	}
	b = append(b, "\r\n\r\n"...)
	if req.Body == nil {
		return b, nil
	}
	message := bytes.NewBuffer(b)
	message.Grow(int(req.ContentLength) + bytes.MinRead)
	n, err := message.ReadFrom(req.Body)
	if err == nil && n != req.ContentLength {
		err = fmt.Errorf("it has %d bytes, and was said to have %d", n, req.ContentLength)
	}
	if err != nil {
		err = fmt.Errorf("read the body of the request: %w", err)
	}
	return message.Bytes(), err
}

// unpacks says whether packed answers are unpacked here.
func unpacks(req *http.Request) bool {
	return req.Header.Get("Accept-Encoding") == "" && req.Method != http.MethodHead
}

// unpacked returns an answer as if it had not been packed.
func unpacked(req *http.Request, resp *http.Response) *http.Response {
	if resp.Body == http.NoBody || !unpacks(req) || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return resp
	}
	resp.Body = &unpacker{ReadCloser: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	return resp
}

// unpacker unpacks a body as it is read.
type unpacker struct {
	io.ReadCloser
	gzip *gzip.Reader // made by the first Read
	err  error
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.gzip == nil && u.err == nil {
		u.gzip, u.err = gzip.NewReader(u.ReadCloser)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.gzip.Read(p)
}
