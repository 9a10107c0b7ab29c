// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ovsnet/ovsnet/driver"
)

// statusPath is where the daemon's status is, on the status socket.
const statusPath = "/status"

// metricsPath is where Prometheus' text is, on the same socket.
const metricsPath = "/metrics"

// statusTimeout bounds every step of one question: it is answered from memory.
const statusTimeout = 5 * time.Second

// serveStatus answers GET /status with driver.Status as JSON, and GET /metrics with the same counters for Prometheus, until
// ctx ends.
func serveStatus(ctx context.Context, l net.Listener, d *driver.Driver) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, r *http.Request) {
		text, err := json.Marshal(d.Status(r.Context()))
		if err != nil {
			http.Error(w, "status: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// The asker may have gone; there is nobody else to tell.
		_, _ = w.Write(append(text, '\n'))
	})
	mux.HandleFunc("GET "+metricsPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, d.Metrics(r.Context())) // likewise
	})
	s := &http.Server{
		Handler:           mux,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: statusTimeout, ReadTimeout: statusTimeout, WriteTimeout: statusTimeout, IdleTimeout: statusTimeout,
		MaxHeaderBytes: 8 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), statusTimeout)
	defer cancel()
	err := s.Shutdown(last)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
