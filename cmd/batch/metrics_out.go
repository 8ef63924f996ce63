package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsFile writes metrics to a file, which is whole or absent: another takes
// its place. Everybody may read it, for node_exporter is another user; there are
// names of jobs in it, and numbers.
type metricsFile struct {
	path   string
	from   prometheus.Gatherer
	log    *slog.Logger
	warned bool
}

func (f *metricsFile) moved() {
	err := prometheus.WriteToTextfile(f.path, f.from)
	if err != nil && !f.warned { // twice a second would be too often
		f.log.Warn("--metrics-file: the metrics can not be written", "error", err)
	}
	f.warned = err != nil
}

func (f *metricsFile) close() {}

// metricsServer answers /metrics.
type metricsServer struct {
	server *http.Server
	log    *slog.Logger
	ended  chan struct{}
}

// listenMetrics serves metrics at an address until it is closed. An address
// that is taken is a warning.
func listenMetrics(address string, from *prometheus.Registry, log *slog.Logger) *metricsServer {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(from, promhttp.HandlerOpts{}))
	s := &metricsServer{server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}, log: log, ended: make(chan struct{})}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Warn("--metrics-listen: nobody can ask for metrics", "error", err)
		close(s.ended)
		return s
	}
	log.Info("metrics can be asked for", "address", listener.Addr().String())
	go func() {
		defer close(s.ended)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("--metrics-listen: metrics can not be asked for any more", "error", err)
		}
	}()
	return s
}

func (s *metricsServer) moved() {}

func (s *metricsServer) close() {
	if err := s.server.Close(); err != nil {
		s.log.Debug("close the metrics server", "error", err)
	}
	<-s.ended
}
