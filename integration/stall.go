// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// PauseVSwitchd stops ovs-vswitchd without ending it (SIGSTOP): its sockets stay, and nothing answers.
func (h *Host) PauseVSwitchd(tb testing.TB) { tb.Helper(); h.signal(tb, &h.vswitchd, syscall.SIGSTOP) }

// ResumeVSwitchd undoes PauseVSwitchd.
func (h *Host) ResumeVSwitchd(tb testing.TB) { tb.Helper(); h.signal(tb, &h.vswitchd, syscall.SIGCONT) }

// PauseOVSDB stops ovsdb-server without ending it.
func (h *Host) PauseOVSDB(tb testing.TB) { tb.Helper(); h.signal(tb, &h.ovsdb, syscall.SIGSTOP) }

// ResumeOVSDB undoes PauseOVSDB.
func (h *Host) ResumeOVSDB(tb testing.TB) { tb.Helper(); h.signal(tb, &h.ovsdb, syscall.SIGCONT) }

// TellServe sends SIGTERM to what StartServe started; ServeEnds waits for its end.
func (h *Host) TellServe(tb testing.TB) { tb.Helper(); h.signal(tb, &h.ovsnet, syscall.SIGTERM) }

// ServeEnds is closed when what StartServe started has ended.
func (h *Host) ServeEnds() <-chan struct{} { return h.ovsnet.done }

func (h *Host) signal(tb testing.TB, d *daemon, sig syscall.Signal) {
	tb.Helper()
	err := syscall.Kill(d.pid, sig)
	if sig == syscall.SIGCONT {
		err = errors.Join(err, syscall.Kill(d.via, sig))
	}
	if err != nil {
		tb.Fatalf("host %s: %s: %v", h.Name, d.name, err)
	}
}

// Relay stands between a client and a socket of a host, and can stop passing things on.
type Relay struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	held  chan struct{} // closed while bytes pass
	conns []net.Conn
}

// Relay listens on the path at of the host and passes on to the path to, which need not be there yet. It ends with the
// test.
func (h *Host) Relay(tb testing.TB, at, to string) *Relay {
	tb.Helper()
	h.Run(tb, "mkdir -p", filepath.Dir(at))
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", h.Path(at))
	if err != nil {
		tb.Fatal(err)
	}
	r := &Relay{listener: l, to: h.Path(to), held: make(chan struct{})}
	close(r.held)
	r.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.serve(c) })
		}
	})
	tb.Cleanup(func() {
		r.Resume()
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			tb.Error(err)
		}
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return r
}

// Pause keeps connections and passes nothing on.
func (r *Relay) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = make(chan struct{})
}

// Resume passes on again, what was sent meanwhile too.
func (r *Relay) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.held:
	default:
		close(r.held)
	}
}

func (r *Relay) gate() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *Relay) serve(c net.Conn) {
	defer c.Close() //nolint:errcheck // one end has closed already
	<-r.gate()
	d, err := new(net.Dialer).DialContext(context.Background(), "unix", r.to)
	if err != nil {
		return
	}
	defer d.Close() //nolint:errcheck // likewise
	r.mu.Lock()
	r.conns = append(r.conns, c, d)
	r.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
		both.Go(func() {
			_, _ = io.Copy(gated{r, way[1]}, way[0]) // how it ends is for the two ends to tell
			_ = c.Close()
			_ = d.Close()
		})
	}
	both.Wait()
}

// gated writes when the relay passes on.
type gated struct {
	r  *Relay
	to net.Conn
}

func (g gated) Write(b []byte) (int, error) {
	<-g.r.gate()
	return g.to.Write(b)
}
