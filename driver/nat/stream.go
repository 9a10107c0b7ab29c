// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// dialDeadline bounds the connection to a container that a relay makes.
const dialDeadline = 10 * time.Second

// relay is a socket that holds a published port, and carries what arrives at it to the container.
type relay interface {
	// retarget sends what comes from now on to another container.
	retarget(to netip.AddrPort)
	// alive tells whether the socket still holds the port.
	alive() bool
	// Close releases the port, ends what is under way and waits for it.
	Close() error
}

// streamRelay is the relay of TCP and SCTP.
type streamRelay struct {
	proto  uint8
	l      net.Listener
	admit  func(client net.Addr) bool
	log    *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	to   netip.AddrPort
	dead bool
}

// relayStream serves l until Close. admit tells whether a client may be served.
func relayStream(proto uint8, l net.Listener, to netip.AddrPort, admit func(net.Addr) bool, log *slog.Logger) *streamRelay {
	ctx, cancel := context.WithCancel(context.Background())
	r := &streamRelay{proto: proto, l: l, to: to, admit: admit, log: log, cancel: cancel}
	r.done.Go(func() { r.accept(ctx) })
	return r
}

func (r *streamRelay) retarget(to netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *streamRelay) target() netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

func (r *streamRelay) alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.dead
}

// Close implements relay.
func (r *streamRelay) Close() error {
	r.cancel()
	err := r.l.Close()
	r.done.Wait()
	return err
}

func (r *streamRelay) accept(ctx context.Context) {
	for {
		c, err := r.l.Accept()
		switch {
		case err == nil && r.admit(c.RemoteAddr()):
			r.done.Go(func() { r.carry(ctx, c) })
		case err == nil:
			_ = c.Close()
		case ctx.Err() != nil || closed(err):
			r.mu.Lock()
			r.dead = true
			r.mu.Unlock()
			return
		default: // out of descriptors or memory: wait until some come back
			r.log.Warn("published port: accepting a connection failed", "at", r.l.Addr(), "err", err)
			pause(ctx, time.Second)
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// halfCloser is a connection whose one direction can end before the other.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// carry joins a client to the container until both have ended, or the relay is closed.
func (r *streamRelay) carry(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	to := r.target()
	dctx, cancel := context.WithTimeout(ctx, dialDeadline)
	server, err := dial(dctx, r.proto, to)
	cancel()
	if err != nil {
		r.log.Debug("published port: the container does not answer", "at", r.l.Addr(), "to", to, "err", err)
		reset(client)
		return
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { pump(server, client) })
	both.Go(func() { pump(client, server) })
	both.Wait()
}

// pump copies one direction and passes on how it ended: an end as an end, a failure as a reset.
func pump(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		reset(to)
		reset(from)
		return
	}
	if h, ok := to.(halfCloser); ok {
		_ = h.CloseWrite() // the other side may be gone already
	}
}

// reset closes so that the other side sees a failure and not an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it is closed either way
	}
	_ = c.Close()
}
