// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// gaps asks addresses, rate times a second each, until the file is there, and tells for each how many requests were sent
// and lost, and the longest time in which none was answered, with its begin and end in milliseconds since 1970. A
// request that can't be sent, because the way is gone for the moment, is lost. When an address first answers, gaps says
// so as began does.
func gaps(rate int, file string, addrs []string) error {
	var conns [2]net.PacketConn
	var config net.ListenConfig
	var all []*gapped
	for _, text := range addrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		kind, network := 0, "ip4:icmp"
		if a.Is6() {
			kind, network = 1, "ip6:ipv6-icmp"
		}
		if conns[kind] == nil {
			if conns[kind], err = config.ListenPacket(context.Background(), network, ""); err != nil {
				return err
			}
			go hear(conns[kind], &all, file) // until the program ends
		}
		gapsMu.Lock()
		all = append(all, &gapped{echoes: echoes{conn: conns[kind], to: a, id: uint16(os.Getpid())}})
		gapsMu.Unlock()
	}
	fmt.Fprintln(os.Stdout, "asking")
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for !exists(file) {
		gapsMu.Lock()
		for _, p := range all {
			p.sent, p.heard = append(p.sent, time.Now()), append(p.heard, false)
			_ = p.request(len(p.sent) - 1)
		}
		gapsMu.Unlock()
		<-tick.C
	}
	<-time.After(lastAnswers)
	gapsMu.Lock()
	defer gapsMu.Unlock()
	for _, p := range all {
		begin, end := p.longest()
		fmt.Fprintf(os.Stdout, "%s %d sent, %d lost, gap %d to %d\n", p.to, len(p.sent), p.missing(), begin.UnixMilli(), end.UnixMilli())
	}
	return nil
}

// lastAnswers is how long after its last request an answer counts.
const lastAnswers = time.Second

// gapsMu guards what gaps knows of its addresses.
var gapsMu sync.Mutex

type gapped struct {
	echoes
	answers bool
}

// longest is the longest run of lost requests: from the last request before it that was answered to the first after it.
func (p *gapped) longest() (begin, end time.Time) {
	for i := 0; i < len(p.sent); i++ {
		if p.heard[i] {
			continue
		}
		from := p.sent[max(0, i-1)]
		j := i + slices.Index(p.heard[i:], true)
		if j < i {
			j = len(p.sent) - 1
		}
		if p.sent[j].Sub(from) > end.Sub(begin) {
			begin, end = from, p.sent[j]
		}
		i = j
	}
	return begin, end
}

func hear(c net.PacketConn, all *[]*gapped, file string) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			continue // an ICMP error, as when the way is gone
		}
		ip, ok := from.(*net.IPAddr)
		if !ok {
			continue
		}
		a, _ := netip.AddrFromSlice(ip.IP)
		gapsMu.Lock()
		for _, p := range *all {
			if p.to != a.Unmap() {
				continue
			}
			p.take(buf[:n])
			if !p.answers && slices.Contains(p.heard, true) {
				p.answers = true
				if err := began(file); err != nil {
					fmt.Fprintln(os.Stderr, err) // whoever waits for it gives up
				}
			}
		}
		gapsMu.Unlock()
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// began tells whoever waits for it that one more conversation goes on, by a file "began-*" beside the one that ends them.
func began(file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "began-*")
	if err != nil {
		return err
	}
	return f.Close()
}

const (
	// streamChunk is small: where the switch's one thread is kept from its work for a moment, what waits for it in the
	// packet sockets of the userspace datapath, 208 KiB with all of the kernel's own, is not to run over.
	streamChunk = 512
	streamEvery = 10 * time.Millisecond
	// streamLimit bounds the silence of a stream.
	streamLimit = 90 * time.Second
)

// stream sends random bytes over one TCP connection to a server that seen made, 50 kB a second, until the file is there,
// and holds that the same bytes come back, every one of them. Once the server has answered, stream says so as began does.
func stream(addr, file string) error {
	c, err := dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // everything was read
	for b := [1]byte{}; b[0] != '\n'; {
		if _, err = io.ReadFull(c, b[:]); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	var way bytes.Buffer // sent and not back yet
	wrote := make(chan error, 1)
	go func() { wrote <- feed(c, file, &mu, &way) }()
	if err = began(file); err != nil {
		return err
	}
	longest, total, last := time.Duration(0), 0, time.Now()
	buf := make([]byte, streamChunk)
	for {
		if err = c.SetReadDeadline(time.Now().Add(streamLimit)); err != nil {
			return err
		}
		n, bad := c.Read(buf)
		if n > 0 {
			mu.Lock()
			same := bytes.Equal(way.Next(n), buf[:n])
			mu.Unlock()
			if !same {
				return fmt.Errorf("after %d bytes others came back than were sent", total)
			}
			total += n
			longest, last = max(longest, time.Since(last)), time.Now()
		}
		if errors.Is(bad, io.EOF) {
			break
		}
		if bad != nil {
			return fmt.Errorf("after %d bytes: %w", total, bad)
		}
	}
	if err = <-wrote; err == nil && way.Len() > 0 {
		err = fmt.Errorf("%d bytes did not come back", way.Len())
	}
	if err == nil {
		fmt.Fprintf(os.Stdout, "%d bytes whole, longest silence %v\n", total, longest.Round(time.Millisecond))
	}
	return err
}

// feed is the sending half of stream.
func feed(c net.Conn, file string, mu *sync.Mutex, way *bytes.Buffer) error {
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	buf := make([]byte, streamChunk)
	for !exists(file) {
		if _, err := rand.Read(buf); err != nil {
			return err
		}
		mu.Lock()
		way.Write(buf)
		mu.Unlock()
		if _, err := c.Write(buf); err != nil {
			return err
		}
		<-tick.C
	}
	if half, ok := c.(*net.TCPConn); ok {
		return half.CloseWrite()
	}
	return nil
}
