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
	rc := http.NewResponseController(w)
	// Also of a body that nobody wants: net/http reads its beginning before it sends an answer.
	if err := rc.SetReadDeadline(begin.Add(min(s.opts.BodyTime, s.opts.Deadline))); err != nil {
		s.log.Debug("no read deadline", "err", err)
	}

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
		a = s.serve(ctx, w, r, v, name, &c)
	}
	s.record(ctx, name, &c, a.err, time.Since(begin))

	if err := rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		s.log.Debug("no write deadline", "verb", name, "err", err)
	}
	if s.crowded() {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", sdk.DefaultContentTypeV1_1)
	w.WriteHeader(a.status)
	if _, err := w.Write(append(a.body, '\n')); err != nil {
		// The engine has gone: it will ask again, or clean up.
		s.log.Debug("the answer was not read", "verb", name, "err", err)
	}
}

// serve reads the body and makes the call. A client that sends its body slowly
// does not keep a turn from others meanwhile.
func (s *Server) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, v verb, name string, c *checker) answer {
	size := s.opts.MaxBody // until it has come, of one that does not say
	if r.ContentLength >= 0 {
		size = r.ContentLength
	}
	if size > s.opts.MaxBody {
		return refuse(http.StatusRequestEntityTooLarge, fmt.Errorf("%s: %w", name, s.tooLarge()))
	}
	if size > 0 {
		if err := s.room.Acquire(ctx, size); err != nil {
			return refuse(http.StatusServiceUnavailable,
				fmt.Errorf("%s: %d bytes of other calls are being read, and none ended in time: %w", name, fullBodies*s.opts.MaxBody, err))
		}
		defer s.room.Release(size)
	}
	body, status, err := s.read(w, r)
	if err != nil {
		return refuse(status, fmt.Errorf("%s: %w", name, err))
	}
	return s.call(ctx, v, body, name, c)
}

// call waits for a turn and calls the driver.
func (s *Server) call(ctx context.Context, v verb, body []byte, name string, c *checker) (a answer) {
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

func (s *Server) tooLarge() error {
	return fmt.Errorf("the body is larger than %d bytes", s.opts.MaxBody)
}

// read reads a body within the bounds of size and time. The read deadline is
// then taken away, because net/http waits for the engine's hanging up with the
// same connection.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	rc := http.NewResponseController(w)
	// For its own time; the wait for room may have taken some.
	if err := rc.SetReadDeadline(time.Now().Add(min(s.opts.BodyTime, s.opts.Deadline))); err != nil {
		return nil, http.StatusInternalServerError, fmt.Errorf("reading the body: %w", err)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, http.StatusRequestEntityTooLarge, s.tooLarge()
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
