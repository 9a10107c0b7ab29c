// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// hold is a port of the host that an endpoint has.
type hold struct {
	proto uint8
	at    netip.AddrPort
	owner string // endpoint
	relay relay  // nil where the kernel has no sockets for the protocol
	used  int    // in which round of publishing it was last taken
}

// holds are all ports of the host that we have.
type holds struct {
	log   *slog.Logger
	admit func(net.Addr) bool
	byNum map[portNumber][]*hold
	round int
}

// portNumber is what two holds that exclude each other have in common.
type portNumber struct {
	proto uint8
	port  uint16
	v6    bool
}

func (h *hold) number() portNumber { return portNumber{h.proto, h.at.Port(), h.at.Addr().Is6()} }

// overlaps tells whether two addresses cannot both have the same port.
func overlaps(a, b netip.Addr) bool { return a == b || a.IsUnspecified() || b.IsUnspecified() }

// errTaken says that another endpoint of ours has a port.
var errTaken = errors.New("address already in use")

// find gives what stands in the way of a port, or is the port.
func (s *holds) find(proto uint8, at netip.AddrPort) []*hold {
	var out []*hold
	for _, h := range s.byNum[portNumber{proto, at.Port(), at.Addr().Is6()}] {
		if overlaps(h.at.Addr(), at.Addr()) {
			out = append(out, h)
		}
	}
	return out
}

// take gives an endpoint a port of the host; port 0: any free one. What it already has, it keeps. What it has and
// no longer asks for makes way, and is given back in released.
func (s *holds) take(ctx context.Context, owner string, proto uint8, at netip.AddrPort, to netip.AddrPort) (h *hold, fresh bool, released []*hold, err error) {
	for _, o := range s.find(proto, at) {
		switch {
		case at.Port() == 0:
		case o.owner != owner || o.used == s.round:
			return nil, false, released, &inUse{o}
		case o.at == at:
			o.used = s.round
			return o, false, released, nil
		default:
			s.release(o)
			released = append(released, o)
		}
	}
	h = &hold{proto: proto, at: at, owner: owner, used: s.round}
	if err := s.bind(ctx, h, to); err != nil {
		return nil, false, released, err
	}
	n := h.number()
	s.byNum[n] = append(s.byNum[n], h)
	return h, true, released, nil
}

// inUse says which hold of ours is in the way.
type inUse struct{ by *hold }

func (e *inUse) Error() string { return errTaken.Error() }
func (e *inUse) Unwrap() error { return syscall.EADDRINUSE }

// bind opens the socket of a hold. Without a number it gets one.
func (s *holds) bind(ctx context.Context, h *hold, to netip.AddrPort) error {
	if h.proto == UDP {
		c, err := listenUDP(ctx, h.at)
		if err != nil {
			return err
		}
		h.at = netip.AddrPortFrom(h.at.Addr(), portOf(c.LocalAddr()))
		r, err := relayUDP(c, to, s.admit, s.log)
		if err != nil {
			return errors.Join(err, c.Close())
		}
		h.relay = r
		return nil
	}
	l, err := listenStream(ctx, h.proto, h.at)
	if errors.Is(err, errNoProtocol) {
		return s.bindNothing(h)
	}
	if err != nil {
		return err
	}
	h.at = netip.AddrPortFrom(h.at.Addr(), portOf(l.Addr()))
	h.relay = relayStream(h.proto, l, to, s.admit, s.log) //nolint:contextcheck // it outlives the call: Close ends it
	return nil
}

// firstFree is where the kernel's own choice of ports begins, by default (ip_local_port_range).
const firstFree = 32768

// bindNothing chooses a number for a protocol that the kernel has no sockets for.
func (s *holds) bindNothing(h *hold) error {
	if h.at.Port() != 0 {
		return nil
	}
	for p := firstFree; p < 1<<16; p++ {
		at := netip.AddrPortFrom(h.at.Addr(), uint16(p)) // #nosec G115 -- bounded above
		if len(s.find(h.proto, at)) == 0 {
			h.at = at
			return nil
		}
	}
	return syscall.EADDRINUSE
}

// release closes a hold's socket.
func (s *holds) release(h *hold) {
	n := h.number()
	s.byNum[n] = slices.DeleteFunc(s.byNum[n], func(o *hold) bool { return o == h })
	if len(s.byNum[n]) == 0 {
		delete(s.byNum, n)
	}
	if h.relay == nil {
		return
	}
	if err := h.relay.Close(); err != nil && !closed(err) {
		s.log.Warn("published port: closing its socket failed", "at", h.at, "proto", protoName(h.proto), "err", err)
	}
}

// restore takes a released hold back.
func (s *holds) restore(ctx context.Context, h *hold, to netip.AddrPort) error {
	if h.relay != nil {
		if err := s.bind(ctx, h, to); err != nil {
			return err
		}
	}
	n := h.number()
	s.byNum[n] = append(s.byNum[n], h)
	return nil
}

// revive opens the sockets that were lost. It counts them.
func (s *holds) revive(ctx context.Context, h *hold, to netip.AddrPort) (int, error) {
	if h.relay == nil || h.relay.alive() {
		return 0, nil
	}
	_ = h.relay.Close() // it is dead; this waits for what it began
	if err := s.bind(ctx, h, to); err != nil {
		return 0, &PortError{Proto: h.proto, HostIP: h.at.Addr(), HostPort: h.at.Port(), Err: err}
	}
	return 1, nil
}

// busy tells whether an error means that somebody has the port.
func busy(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// noFamily tells whether an error means that the host has no such family.
func noFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, fs.ErrNotExist)
}
