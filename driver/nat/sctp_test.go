// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// chunk is an SCTP packet with one chunk, INIT (1) or INIT ACK (2) (RFC 9260, section 3), which is as far as a kernel
// without sockets for SCTP can be taken. Conntrack checks the sum, so translation must have corrected it.
func chunk(kind byte, src, dst uint16, tag uint32) []byte {
	b := make([]byte, 12+20)
	binary.BigEndian.PutUint16(b[0:], src)
	binary.BigEndian.PutUint16(b[2:], dst)
	binary.BigEndian.PutUint32(b[4:], tag)
	b[12] = kind
	binary.BigEndian.PutUint16(b[14:], 20)
	binary.BigEndian.PutUint32(b[16:], 0x1234)
	binary.BigEndian.PutUint32(b[20:], 1500)
	binary.BigEndian.PutUint16(b[24:], 1)
	binary.BigEndian.PutUint16(b[26:], 1)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// raw opens a raw socket of SCTP in a space.
func (s *space) raw(family string) net.PacketConn {
	s.tb.Helper()
	var c net.PacketConn
	must(s.tb, s.do(func() (err error) {
		c, err = net.ListenPacket(family+":132", "")
		return err
	}))
	s.tb.Cleanup(func() { closing(c) })
	must(s.tb, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// next gives the next packet with a chunk of a kind, and who sent it.
func next(tb testing.TB, c net.PacketConn, kind byte) ([]byte, netip.Addr) {
	tb.Helper()
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(b)
		must(tb, err)
		a, err := netip.ParseAddr(from.String())
		must(tb, err)
		if n < 32 || b[12] != kind {
			continue
		}
		got := append([]byte{}, b[:n]...)
		sum := binary.LittleEndian.Uint32(got[8:])
		clear(got[8:12])
		if want := crc32.Checksum(got, crc32.MakeTable(crc32.Castagnoli)); sum != want {
			tb.Errorf("checksum %x, want %x", sum, want)
		}
		return got, a
	}
}

// TestSCTP: an association's first packets pass in both directions, with the right addresses, ports and sums.
func TestSCTP(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c := l.container(1, 2)
	got := c.publish("3868:3869/sctp", ":80/sctp")
	if len(got) != 4 || got[3].HostPort < 1024 || got[2].HostPort != got[3].HostPort {
		t.Errorf("published: %v", got)
	}
	if _, err := l.container(1, 3).tryPublish("127.0.0.1:3868:80/sctp"); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("the same port again: %v", err)
	}
	for _, f := range []struct{ family, host, outside string }{{"ip4", host4, outside4}, {"ip6", host6, outside6}} {
		client, server := l.outside.raw(f.family), c.raw(f.family)
		_, err := client.WriteTo(chunk(1, 5000, 3868, 0), &net.IPAddr{IP: net.ParseIP(f.host)})
		must(t, err)
		p, from := next(t, server, 1)
		if from.String() != f.outside || binary.BigEndian.Uint16(p) != 5000 || binary.BigEndian.Uint16(p[2:]) != 3869 {
			t.Errorf("INIT arrived from %v, ports %v", from, p[:4])
		}
		_, err = server.WriteTo(chunk(2, 3869, 5000, 0x1234), &net.IPAddr{IP: from.AsSlice()})
		must(t, err)
		p, from = next(t, client, 2)
		if from.String() != f.host || binary.BigEndian.Uint16(p) != 3868 || binary.BigEndian.Uint16(p[2:]) != 5000 {
			t.Errorf("INIT ACK arrived from %v, ports %v", from, p[:4])
		}
	}
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	l.clean()
}

// TestSCTPRelay: where the kernel has sockets for SCTP, ::1 is relayed as for TCP.
func TestSCTPRelay(t *testing.T) {
	if !onHost(t) {
		return
	}
	if fd, err := streamSCTP(netip.IPv6Loopback()); err != nil {
		t.Log("this kernel has no sockets for SCTP; modprobe sctp")
		return
	} else {
		must(t, unix.Close(fd))
	}
	l := newLab(t)
	l.network(1, nil)
	c := l.container(1, 2)
	must(t, c.do(func() error {
		ln, err := listenSCTP(netip.MustParseAddrPort("[::]:80"))
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				a, err := ln.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(a, seen(a.RemoteAddr()))
				closing(a)
			}
		}()
		t.Cleanup(func() {
			closing(ln)
			<-done
		})
		return nil
	}))
	c.publish("3868:80/sctp")
	for to, want := range map[string]string{"[::1]:3868": "fd00:1::1", "[" + host6 + "]:3868": host6} {
		k, err := dialSCTP(l.ctx, netip.MustParseAddrPort(to))
		must(t, err)
		b := make([]byte, 100)
		n, err := k.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("%s: %s, %v; want %s", to, b[:n], err, want)
		}
		closing(k)
	}
}
