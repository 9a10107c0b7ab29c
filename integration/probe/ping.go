// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// echoes is a run of ICMP echo requests (RFC 792, RFC 4443) and what has come back.
type echoes struct {
	conn  net.PacketConn
	to    netip.Addr
	id    uint16
	sent  []time.Time
	heard []bool
	worst time.Duration
}

// lastWord is how long after its last request an answer may still come.
const lastWord = 10 * time.Second

// ping sends so many echo requests, so many a second, and tells how many were not answered and the longest that an
// answer took. Unlike the system's own it has room for the answers that come while it is not let run.
func ping(addr string, count, rate int) error {
	to, err := netip.ParseAddr(addr)
	if err != nil {
		return err
	}
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	var config net.ListenConfig
	c, err := config.ListenPacket(context.Background(), network, "")
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // at the end of the program
	if raw, ok := c.(*net.IPConn); ok {
		if err = raw.SetReadBuffer(1 << 20); err != nil {
			return err
		}
	}
	e := &echoes{conn: c, to: to, id: uint16(os.Getpid()), sent: make([]time.Time, count), heard: make([]bool, count)}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range count {
		if err = e.request(i); err != nil {
			return err
		}
		<-tick.C
		// What has come is taken without waiting for more.
		if err = e.collect(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
	}
	if err = e.collect(time.Now().Add(lastWord)); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d sent, %d lost, longest %v\n", count, e.missing(), e.worst.Round(time.Microsecond))
	return nil
}

func (e *echoes) missing() int {
	n := 0
	for _, h := range e.heard {
		if !h {
			n++
		}
	}
	return n
}

func (e *echoes) request(i int) error {
	m := make([]byte, 64)
	if e.to.Is6() {
		m[0] = 128 // the kernel puts in the checksum
	} else {
		m[0] = 8
	}
	binary.BigEndian.PutUint16(m[4:], e.id)
	binary.BigEndian.PutUint16(m[6:], uint16(i))
	if e.to.Is4() {
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	e.sent[i] = time.Now()
	_, err := e.conn.WriteTo(m, &net.IPAddr{IP: e.to.AsSlice()})
	return err
}

// checksum is the Internet's (RFC 1071) of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// collect takes answers until a time, or until none is missing.
func (e *echoes) collect(until time.Time) error {
	if err := e.conn.SetReadDeadline(until); err != nil {
		return err
	}
	buf := make([]byte, 2048)
	for e.missing() > 0 {
		n, _, err := e.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		e.take(buf[:n])
	}
	return nil
}

func (e *echoes) take(m []byte) {
	if len(m) < 8 || m[0] != 0 && m[0] != 129 || binary.BigEndian.Uint16(m[4:]) != e.id {
		return
	}
	if i := int(binary.BigEndian.Uint16(m[6:])); i < len(e.heard) && !e.heard[i] && !e.sent[i].IsZero() {
		e.heard[i] = true
		e.worst = max(e.worst, time.Since(e.sent[i]))
	}
}
