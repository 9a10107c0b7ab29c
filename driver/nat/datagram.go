// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// udpIdle is how long a client is remembered from whom, and to whom, nothing comes.
	udpIdle = 90 * time.Second
	// udpClients bounds how many are remembered of one port; who comes when it is full, is not served.
	udpClients = 4096
)

// datagrams are buffers for the largest datagram, for the moment between reading and writing.
var datagrams = sync.Pool{New: func() any { b := make([]byte, 1<<16); return &b }}

// udpClient is a client and the host's address that it spoke to: answers must come from there.
type udpClient struct {
	from netip.AddrPort
	at   netip.Addr
	link int
}

// datagramRelay is the relay of UDP: for each client a socket of its own towards the container.
type datagramRelay struct {
	c      *net.UDPConn
	admit  func(client net.Addr) bool
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	// receive reads a datagram and where it came from; answer writes one back.
	receive func(b []byte) (int, udpClient, error)
	answer  func(b []byte, to udpClient) error

	mu      sync.Mutex
	to      netip.AddrPort
	clients map[udpClient]*net.UDPConn
	dead    bool
}

// relayUDP serves c until Close.
func relayUDP(c *net.UDPConn, to netip.AddrPort, admit func(net.Addr) bool, log *slog.Logger) (*datagramRelay, error) {
	r := &datagramRelay{c: c, to: to, admit: admit, log: log, clients: map[udpClient]*net.UDPConn{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	at, _ := c.LocalAddr().(*net.UDPAddr)
	var err error
	if at != nil && at.AddrPort().Addr().Is4() {
		err = r.speak4(ipv4.NewPacketConn(c))
	} else {
		err = r.speak6(ipv6.NewPacketConn(c))
	}
	if err != nil {
		r.cancel()
		return nil, err
	}
	r.done.Go(r.serve)
	return r, nil
}

func (r *datagramRelay) speak4(p *ipv4.PacketConn) error {
	r.receive = func(b []byte) (int, udpClient, error) {
		n, cm, from, err := p.ReadFrom(b)
		k := client(from)
		if cm != nil {
			k.at, _ = netip.AddrFromSlice(cm.Dst.To4())
		}
		return n, k, err
	}
	r.answer = func(b []byte, to udpClient) error {
		_, err := p.WriteTo(b, &ipv4.ControlMessage{Src: to.at.AsSlice()}, net.UDPAddrFromAddrPort(to.from))
		return err
	}
	return p.SetControlMessage(ipv4.FlagDst, true)
}

func (r *datagramRelay) speak6(p *ipv6.PacketConn) error {
	r.receive = func(b []byte) (int, udpClient, error) {
		n, cm, from, err := p.ReadFrom(b)
		k := client(from)
		if cm != nil {
			k.at, _ = netip.AddrFromSlice(cm.Dst)
			k.link = cm.IfIndex
		}
		return n, k, err
	}
	r.answer = func(b []byte, to udpClient) error {
		cm := &ipv6.ControlMessage{Src: to.at.AsSlice()}
		if to.at.IsLinkLocalUnicast() {
			cm.IfIndex = to.link
		}
		_, err := p.WriteTo(b, cm, net.UDPAddrFromAddrPort(to.from))
		return err
	}
	return p.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}

func client(a net.Addr) udpClient {
	if u, ok := a.(*net.UDPAddr); ok {
		ap := u.AddrPort()
		return udpClient{from: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	}
	return udpClient{}
}

func (r *datagramRelay) retarget(to netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for _, c := range r.clients {
		_ = c.Close() // its goroutine forgets the client
	}
}

func (r *datagramRelay) alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.dead
}

// Close implements relay.
func (r *datagramRelay) Close() error {
	r.cancel()
	err := r.c.Close()
	r.mu.Lock()
	r.dead = true
	for _, c := range r.clients {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.done.Wait()
	return err
}

// serve carries datagrams to the container.
func (r *datagramRelay) serve() {
	for {
		err := readable(r.c)
		if err == nil {
			err = r.inward()
		}
		switch {
		case r.ctx.Err() != nil || closed(err):
			r.mu.Lock()
			r.dead = true
			r.mu.Unlock()
			return
		case err != nil: // what a client's address answered to an earlier datagram, or no memory
			r.log.Debug("published port: datagram lost", "at", r.c.LocalAddr(), "err", err)
		}
	}
}

// inward carries one datagram.
func (r *datagramRelay) inward() error {
	b, ok := datagrams.Get().(*[]byte)
	if !ok {
		return errors.New("no buffer")
	}
	defer datagrams.Put(b)
	n, k, err := r.receive(*b)
	if err != nil {
		return err
	}
	server, err := r.server(k)
	if server == nil || err != nil {
		return err
	}
	_, err = server.Write((*b)[:n])
	return errors.Join(err, server.SetReadDeadline(time.Now().Add(udpIdle)))
}

// server gives the socket of a client, nil if the client is not served.
func (r *datagramRelay) server(k udpClient) (*net.UDPConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.clients[k]; ok {
		return c, nil
	}
	if r.dead || len(r.clients) >= udpClients || !r.admit(net.UDPAddrFromAddrPort(k.from)) {
		return nil, nil
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.to))
	if err != nil {
		return nil, err
	}
	r.clients[k] = c
	r.done.Go(func() {
		r.outward(k, c)
		r.mu.Lock()
		if r.clients[k] == c {
			delete(r.clients, k)
		}
		r.mu.Unlock()
		_ = c.Close()
	})
	return c, nil
}

// outward carries the container's answers to one client, until both have been silent for long.
func (r *datagramRelay) outward(k udpClient, c *net.UDPConn) {
	for {
		if err := readable(c); err != nil {
			return
		}
		b, ok := datagrams.Get().(*[]byte)
		if !ok {
			return
		}
		n, err := c.Read(*b)
		if err == nil {
			err = errors.Join(r.answer((*b)[:n], k), c.SetReadDeadline(time.Now().Add(udpIdle)))
		}
		datagrams.Put(b)
		var ne net.Error
		if closed(err) || errors.As(err, &ne) && ne.Timeout() {
			return
		}
	}
}
