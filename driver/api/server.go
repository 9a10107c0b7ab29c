// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"
)

// ServerOptions are the bounds of a Server; zero fields take the default.
type ServerOptions struct {
	// Log gets a line per call; default slog.Default.
	Log *slog.Logger
	// Name tells one door from another in the log.
	Name string
	// MaxBody bounds a request's body, in bytes; default 1 MiB.
	MaxBody int64
	// Deadline bounds a call, its wait for a turn included; default 25 s, less
	// than the engine's 30 s.
	Deadline time.Duration
	// MaxCalls bounds the calls that run at once; default 256. Others wait.
	MaxCalls int
	// MaxConns bounds the connections; default 1024. Others wait to be accepted.
	MaxConns int
	// BodyTime bounds the reading of a request's body; default 5 s. An engine
	// sends it in one piece.
	BodyTime time.Duration
	// Grace is how long calls may go on after the end of Serve's context before
	// theirs is cancelled too, and how long they may take to end after that;
	// default 4 s, which
	// together is less than the 10 s that an engine waits for a plugin to stop.
	Grace time.Duration
}

// Bounds that nobody needs to set.
const (
	// headerTimeout and idleTimeout are net/http's; the engine keeps connections open.
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	// writeTimeout bounds the sending of an answer.
	writeTimeout = 10 * time.Second
	// fullBodies is how many of the largest bodies may be in memory at once.
	fullBodies = 64
)

// ErrStuck says that calls went on after their context was cancelled.
var ErrStuck = errors.New("calls did not end")

// Server serves one Driver on a listener.
type Server struct {
	driver Driver
	opts   ServerOptions
	log    *slog.Logger
	turns  *semaphore.Weighted // one per call that runs
	room   *semaphore.Weighted // bytes of bodies
	conns  atomic.Int64
}

// NewServer returns a Server of d. It does no I/O.
func NewServer(d Driver, o ServerOptions) *Server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.Deadline <= 0 {
		o.Deadline = 25 * time.Second
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = 256
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 1024
	}
	if o.BodyTime <= 0 {
		o.BodyTime = 5 * time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 4 * time.Second
	}
	log := o.Log
	if o.Name != "" {
		log = log.With("door", o.Name)
	}
	return &Server{
		driver: d, opts: o, log: log,
		turns: semaphore.NewWeighted(int64(o.MaxCalls)),
		room:  semaphore.NewWeighted(fullBodies * o.MaxBody),
	}
}

// Serve answers calls on l until ctx ends or l fails, closes l, and returns
// once every call has ended: nil if ctx ended. A call that is running when ctx
// ends has ServerOptions.Grace to finish; then its context is cancelled. One
// that does not heed even that makes Serve return ErrStuck after the same time
// again. Only one Serve may run on a Server.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	hs := &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(calls, endingKey{}, calls) },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.count,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(netutil.LimitListener(l, s.opts.MaxConns)) }()

	select {
	case err := <-failed:
		cancel()
		return errors.Join(fmt.Errorf("listening on %s: %w", l.Addr(), err), s.stop(ctx, hs, cancel))
	case <-ctx.Done():
	}
	err := s.stop(ctx, hs, cancel)
	if end := <-failed; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// endingKey is under what a call's context carries that of all calls.
type endingKey struct{}

// AtEnd has f called when the server that makes the call of ctx cancels its calls because it ends: what goes on without the
// call's own context, such as undoing, has ServerOptions.Grace from then. Stop ends that.
func AtEnd(ctx context.Context, f func()) (stop func() bool) {
	calls, ok := ctx.Value(endingKey{}).(context.Context)
	if !ok {
		return func() bool { return true }
	}
	return context.AfterFunc(calls, f) //nolint:contextcheck // the end of all calls is what it is about
}

// count keeps the number of connections.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state { //nolint:exhaustive // coming and going alone
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// crowded says that connections are getting scarce, so that idle ones must not
// keep others out.
func (s *Server) crowded() bool { return s.conns.Load() > int64(s.opts.MaxConns/2) }

// stop lets the calls that run finish, then cancels them, then gives up. It
// keeps every turn while it closes the connections, so that no call can begin.
func (s *Server) stop(ctx context.Context, hs *http.Server, cancel context.CancelFunc) error {
	ctx = context.WithoutCancel(ctx)
	grace, done := context.WithTimeout(ctx, s.opts.Grace)
	defer done()
	if hs.Shutdown(grace) == nil {
		return nil
	}
	all := int64(s.opts.MaxCalls)
	running := !s.turns.TryAcquire(all)
	cancel()
	grace, done = context.WithTimeout(ctx, s.opts.Grace)
	defer done()
	var stuck error
	if running {
		s.log.Warn("calls were still running and are cancelled", "after", s.opts.Grace)
		stuck = s.turns.Acquire(grace, all)
	}
	// Answers that are under way get what is left of the time.
	err := hs.Shutdown(grace)
	if err != nil {
		err = hs.Close()
	}
	if stuck != nil {
		return fmt.Errorf("stopping: %w within %s of being cancelled", ErrStuck, s.opts.Grace)
	}
	s.turns.Release(all)
	return err
}
