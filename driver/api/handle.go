// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/docker/go-plugins-helpers/network"
	"github.com/docker/go-plugins-helpers/sdk"
)

// answer is what goes back for a call.
type answer struct {
	status int
	body   []byte
	err    error // for the log, and in body
}

func refuse(status int, err error) answer {
	b, _ := json.Marshal(network.NewErrorResponse(err.Error())) //nolint:errchkjson // a string always encodes
	return answer{status, b, err}
}

// handle serves one call: it bounds it, logs it, and answers it whatever the
// driver does. The engine reads an error's text from any status but 200, and
// tries again only when the connection breaks, so it must get an answer.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.Deadline)
	defer cancel()

	name := "unknown"
	v, known := verbs[r.URL.Path]
	if known {
		name = strings.TrimPrefix(r.URL.Path, verbPrefix)
	}
	var c checker
	var a answer
	switch {
	case !known:
		a = refuse(http.StatusNotFound, fmt.Errorf("%.80q is not a call of this plugin", r.URL.Path))
	case r.Method != http.MethodPost:
		a = refuse(http.StatusMethodNotAllowed, fmt.Errorf("%s: method %s, want POST", name, r.Method))
	default:
		a = s.call(ctx, w, r, v, name, &c)
	}
	s.record(ctx, name, &c, a.err, time.Since(begin))

	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		s.log.Debug("no write deadline", "verb", name, "err", err)
	}
	w.Header().Set("Content-Type", sdk.DefaultContentTypeV1_1)
	w.WriteHeader(a.status)
	if _, err := w.Write(append(a.body, '\n')); err != nil {
		// The engine has gone: it will ask again, or clean up.
		s.log.Debug("the answer was not read", "verb", name, "err", err)
	}
}

// call waits for a turn, reads the body and calls the driver.
func (s *Server) call(ctx context.Context, w http.ResponseWriter, r *http.Request, v verb, name string, c *checker) (a answer) {
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return refuse(http.StatusServiceUnavailable,
			fmt.Errorf("%s: %d calls are running already, and none ended in time: %w", name, s.opts.MaxCalls, err))
	}
	defer s.turns.Release(1)
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a call", "verb", name, "network", short(c.network), "endpoint", short(c.endpoint),
				"panic", p, "stack", string(debug.Stack()))
			a = refuse(http.StatusInternalServerError, fmt.Errorf("%s: a fault in ovsnet, please report it with its log: %v", name, p))
		}
	}()

	body, status, err := s.read(ctx, w, r)
	if err != nil {
		return refuse(status, fmt.Errorf("%s: %w", name, err))
	}
	reply, err := v(ctx, s.driver, body, c)
	if err == nil {
		if body, err = json.Marshal(reply); err != nil {
			return refuse(http.StatusInternalServerError, fmt.Errorf("%s: encoding the answer: %w", name, err))
		}
		return answer{http.StatusOK, body, nil}
	}
	switch bad := (*requestError)(nil); {
	case errors.As(err, &bad):
		return refuse(http.StatusBadRequest, fmt.Errorf("%s: %w", name, err))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return refuse(http.StatusInternalServerError, fmt.Errorf("%w (gave up after %s)", err, s.opts.Deadline))
	default:
		return refuse(http.StatusInternalServerError, err)
	}
}

// read reads a body within the bounds of size and time. The read deadline is
// taken away again, because net/http waits for the engine's hanging up with
// the same connection.
func (s *Server) read(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	rc := http.NewResponseController(w)
	if end, ok := ctx.Deadline(); ok {
		if err := rc.SetReadDeadline(end); err != nil {
			return nil, http.StatusInternalServerError, fmt.Errorf("reading the body: %w", err)
		}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", s.opts.MaxBody)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("reading the body: %w", err)
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return nil, http.StatusInternalServerError, fmt.Errorf("reading the body: %w", err)
	}
	return b, 0, nil
}

// record logs a call, once.
func (s *Server) record(ctx context.Context, name string, c *checker, err error, took time.Duration) {
	level, attrs := slog.LevelDebug, []slog.Attr{slog.String("verb", name)}
	if c.network != "" {
		attrs = append(attrs, slog.String("network", short(c.network)))
	}
	if c.endpoint != "" {
		attrs = append(attrs, slog.String("endpoint", short(c.endpoint)))
	}
	attrs = append(attrs, slog.Duration("took", took))
	if err != nil {
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("err", err))
	}
	s.log.LogAttrs(context.WithoutCancel(ctx), level, "call", attrs...)
}

// short is the form in which Docker's own tools show an id.
func short(id string) string { return id[:min(len(id), 12)] }
