// Package faultproxy stands between a client and an HTTP server and spoils
// what passes, by a seeded draw: what a network, a gateway or a tired server
// does to a call. It knows nothing of what it carries.
package faultproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Proxy is an http.Handler that passes requests on to one server. Beside what
// it passes it answers GET /_proxy/counts with Counts and PUT /_proxy/faults
// with a list of Fault.
type Proxy struct {
	target   string
	upstream *http.Transport
	control  *http.ServeMux

	mu       sync.Mutex
	random   *rand.Rand
	rules    []rule
	counts   map[Kind]int
	underWay int
}

// Counts are how many requests met which fate, Pass included.
type Counts struct {
	UnderWay int          `json:"under_way"` // of them, those that are not over
	Requests map[Kind]int `json:"requests"`
}

// New returns a proxy to a server such as "http://127.0.0.1:8080". All its
// draws follow from the seed.
func New(target string, seed uint64) *Proxy {
	p := &Proxy{
		target:   strings.TrimSuffix(target, "/"),
		upstream: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		control:  http.NewServeMux(),
		random:   rand.New(rand.NewPCG(seed, 0)),
		counts:   make(map[Kind]int),
	}
	p.control.HandleFunc("GET /_proxy/counts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Counts()) // the reader may be gone
	})
	p.control.HandleFunc("PUT /_proxy/faults", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var faults []Fault
		if err == nil {
			faults, err = parseFaults(text)
		}
		if err == nil {
			err = p.SetFaults(faults)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return p
}

// SetFaults replaces the rules, for requests that come from now on.
func (p *Proxy) SetFaults(faults []Fault) error {
	rules, err := newRules(faults)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	return nil
}

// Counts counts the requests so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Counts{UnderWay: p.underWay, Requests: maps.Clone(p.counts)}
}

// ServeHTTP passes one request on, or does to it what was drawn.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_proxy/") {
		p.control.ServeHTTP(w, r)
		return
	}
	f := p.begin(r)
	defer p.end()
	p.serve(w, r, f)
}

func (p *Proxy) begin(r *http.Request) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := draw(p.random, p.rules, r.Method+" "+r.URL.Path)
	p.counts[f.kind]++
	p.underWay++
	return f
}

func (p *Proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
}

// Run is a proxy as a process of its own: it listens on a free port of this
// machine, writes its URL as one line, and serves until in ends, so that it
// never outlives whoever started it.
func Run(target string, seed uint64, in io.Reader, out io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p := New(target, seed)
	defer p.upstream.CloseIdleConnections()
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, err = fmt.Fprintf(out, "http://%s\n", listener.Addr())
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	err = errors.Join(err, server.Close())
	if errServe := <-served; !errors.Is(errServe, http.ErrServerClosed) {
		err = errors.Join(err, errServe)
	}
	return err
}
