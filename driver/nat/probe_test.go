// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// patience is how long an answer may take before a packet counts as dropped, and a connection that must not stand as
// refused. Answers in the lab take less than a millisecond.
const (
	patience = 5 * time.Second
	dropped  = 400 * time.Millisecond
)

// serve answers on a port of the space, TCP and UDP: each client is told which address it was seen with.
func (s *space) serve(port uint16) {
	s.tb.Helper()
	must(s.tb, s.do(func() error {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		tcpDone, udpDone := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(tcpDone)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, seen(c.RemoteAddr()))
				closing(c)
			}
		}()
		go func() {
			defer close(udpDone)
			b := make([]byte, 2048)
			for {
				_, from, err := u.ReadFrom(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					_, _ = u.WriteTo([]byte(seen(from)), from)
				}
			}
		}()
		s.tb.Cleanup(func() {
			closing(l)
			closing(u)
			<-tcpDone
			<-udpDone
		})
		return nil
	}))
}

// seen is a client's address without port and zone.
func seen(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return err.Error()
	}
	return ap.Addr().Unmap().WithZone("").String()
}

// ask connects from a space (nil: the host) and gives what the server says: the address that it saw. An error says
// that nobody answered in time.
func ask(from *space, proto, to string, wait time.Duration) (string, error) {
	var answer string
	err := from.do(func() error {
		d := net.Dialer{Timeout: wait}
		c, err := d.DialContext(context.Background(), proto, to)
		if err != nil {
			return err
		}
		defer closing(c)
		if err = c.SetDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		b := make([]byte, 256)
		if proto == "udp" {
			// Resent: the first may wait for a neighbour, or meet a server that was not there yet.
			for range 4 {
				if _, err = c.Write([]byte("?")); err != nil {
					return err
				}
				if err = c.SetReadDeadline(time.Now().Add(wait / 4)); err != nil {
					return err
				}
				var n int
				if n, err = c.Read(b); err == nil {
					answer = string(b[:n])
					return nil
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
			}
			return os.ErrDeadlineExceeded
		}
		n, err := c.Read(b)
		answer = string(b[:n])
		return err
	})
	return answer, err
}

// sees asks over TCP and UDP, and wants the server to have seen the client as want.
func sees(tb testing.TB, from *space, to, want string) {
	tb.Helper()
	for _, proto := range []string{"tcp", "udp"} {
		got, err := ask(from, proto, to, patience)
		if err != nil {
			tb.Errorf("%s from %s to %s: %v", proto, from.label(), to, err)
		} else if got != want {
			tb.Errorf("%s from %s to %s: seen as %s, want %s", proto, from.label(), to, got, want)
		}
	}
}

// refused wants nobody to answer, over TCP and UDP.
func refused(tb testing.TB, from *space, to string) {
	tb.Helper()
	var both sync.WaitGroup
	for _, proto := range []string{"tcp", "udp"} {
		both.Go(func() {
			if got, err := ask(from, proto, to, dropped); err == nil {
				tb.Errorf("%s from %s to %s: answered, seen as %s; want no way", proto, from.label(), to, got)
			}
		})
	}
	both.Wait()
}

func (s *space) label() string {
	if s == nil {
		return "the host"
	}
	return s.name
}
