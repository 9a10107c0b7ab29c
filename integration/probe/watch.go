// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// silence is how many requests an address must not answer to be down.
const silence = 6

// watch asks many addresses over and over and tells, a line each, when one begins to answer ("up", with the time in
// milliseconds since 1970), when one had stopped ("down", with the time of its last answer), and when one request was
// answered twice ("twice").
func watch(every time.Duration, addrs []string) error {
	w := &watcher{silence: silence * every, by: map[netip.Addr]*watched{}}
	var config net.ListenConfig
	var conns [2]net.PacketConn
	for i, network := range []string{"ip4:icmp", "ip6:ipv6-icmp"} {
		c, err := config.ListenPacket(context.Background(), network, "")
		if err != nil {
			return err
		}
		conns[i] = c
	}
	for _, text := range addrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		w.by[a] = &watched{echoes: echoes{conn: conns[0], to: a, id: uint16(os.Getpid())}}
		if a.Is6() {
			w.by[a].conn = conns[1]
		}
	}
	for _, c := range conns {
		go w.listen(c) // until the program ends
	}
	fmt.Fprintln(os.Stdout, "watching")
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w.ask()
		<-tick.C
	}
}

type watcher struct {
	silence time.Duration

	mu sync.Mutex
	by map[netip.Addr]*watched
}

type watched struct {
	echoes

	up   bool
	last time.Time // of answers
}

// ask sends each address one more request.
func (w *watcher) ask() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, p := range w.by {
		if p.up && time.Since(p.last) > w.silence {
			p.up = false
			fmt.Fprintln(os.Stdout, a, "down", p.last.UnixMilli())
		}
		p.sent, p.heard = append(p.sent, time.Now()), append(p.heard, false)
		_ = p.request(len(p.sent) - 1) // what was not sent is not answered
	}
}

func (w *watcher) listen(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if ip, ok := from.(*net.IPAddr); ok {
			a, _ := netip.AddrFromSlice(ip.IP)
			w.hear(a.Unmap(), buf[:n])
		}
	}
}

func (w *watcher) hear(from netip.Addr, m []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.by[from]
	if p == nil || len(m) < 8 || m[0] != 0 && m[0] != 129 || binary.BigEndian.Uint16(m[4:]) != p.id {
		return
	}
	i := int(binary.BigEndian.Uint16(m[6:]))
	switch {
	case i >= len(p.heard):
		return
	case p.heard[i]:
		fmt.Fprintln(os.Stdout, from, "twice", i)
		return
	}
	p.heard[i], p.last = true, time.Now()
	if !p.up {
		p.up = true
		fmt.Fprintln(os.Stdout, from, "up", p.last.UnixMilli())
	}
}
