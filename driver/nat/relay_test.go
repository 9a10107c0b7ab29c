// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRelayStream: over ::1 a client can end its direction and still hear the answer; large amounts arrive whole; a
// container that refuses is a connection that fails.
func TestRelayStream(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c := l.container(1, 2)
	must(t, c.do(func() error {
		ln, err := net.Listen("tcp", ":80") // answers with the sum of all that was said
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			var each sync.WaitGroup
			defer each.Wait()
			for {
				k, err := ln.Accept()
				if err != nil {
					return
				}
				each.Go(func() {
					h := sha256.New()
					_, _ = io.Copy(h, k)
					fmt.Fprintf(k, "%x", h.Sum(nil))
					closing(k)
				})
			}
		}()
		t.Cleanup(func() {
			closing(ln)
			<-done
		})
		return nil
	}))
	c.publish("8080:80/tcp", "8081:81/tcp")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			said := make([]byte, 1<<20)
			_, _ = rand.Read(said)
			k, err := net.Dial("tcp", "[::1]:8080")
			if err != nil {
				t.Error(err)
				return
			}
			defer closing(k)
			_ = k.SetDeadline(time.Now().Add(patience))
			_, err = io.Copy(k, bytes.NewReader(said))
			if tcp, ok := k.(*net.TCPConn); ok && err == nil {
				err = tcp.CloseWrite()
			}
			heard, rerr := io.ReadAll(k)
			if want := fmt.Sprintf("%x", sha256.Sum256(said)); err != nil || rerr != nil || string(heard) != want {
				t.Errorf("heard %q, want %s; %v %v", heard, want, err, rerr)
			}
		})
	}
	all.Wait()
	k, err := net.Dial("tcp", "[::1]:8081")
	if err == nil { // the failure may come so early that it is the connection's
		defer closing(k)
		must(t, k.SetDeadline(time.Now().Add(patience)))
		_, err = k.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a container that refuses: %v", err)
	}
	t.Log("withdrawing a port ends what is relayed")
	open, err := net.Dial("tcp", "[::1]:8080")
	must(t, err)
	defer closing(open)
	must(t, open.SetDeadline(time.Now().Add(patience)))
	_, err = open.Write([]byte("x"))
	must(t, err)
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	if n, err := open.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("after the port was withdrawn: %d bytes, %v", n, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// TestRelayDatagrams: each client of ::1 hears its own answers, from the address it asked, also large ones.
func TestRelayDatagrams(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	sh(t, "ip addr add 2001:db8::11/64 dev eth0 nodad")
	l.network(1, func(n *Network) { n.IPv6 = Family{} })
	c := l.container(1, 2)
	c.ep.Addrs = c.ep.Addrs[:1]
	must(t, c.do(func() error {
		u, err := net.ListenPacket("udp", ":80") // answers in capitals
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 1<<16)
			for {
				n, from, err := u.ReadFrom(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				_, _ = u.WriteTo(bytes.ToUpper(b[:n]), from)
			}
		}()
		t.Cleanup(func() {
			closing(u)
			<-done
		})
		return nil
	}))
	c.publish("8080:80/udp")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			to := []string{"[::1]:8080", "[2001:db8::11]:8080", "[" + host6 + "]:8080"}[i%3]
			from := l.outside
			if i%3 == 0 {
				from = nil
			}
			err := from.do(func() error {
				k, err := net.Dial("udp", to) // connected: answers from elsewhere do not arrive
				if err != nil {
					return err
				}
				defer closing(k)
				for round := range 5 {
					said := strings.Repeat(fmt.Sprintf("client %d round %d ", i, round), 1+round*40)
					if _, err := k.Write([]byte(said)); err != nil {
						return err
					}
					if err := k.SetReadDeadline(time.Now().Add(patience)); err != nil {
						return err
					}
					b := make([]byte, 1<<16)
					n, err := k.Read(b)
					if err != nil {
						return err
					}
					if string(b[:n]) != strings.ToUpper(said) {
						return fmt.Errorf("heard %.40q, said %.40q", b[:n], said)
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", to, err)
			}
		})
	}
	all.Wait()
}

// TestLinkLocal: a client with a link-local address, which no translation can answer, is relayed; one of an isolated
// network is not.
func TestLinkLocal(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	l.network(2, modes(ModeIsolated))
	c, shut := l.container(1, 2), l.container(2, 2)
	c.serve(80)
	c.publish("8080:80/tcp", "8080:80/udp")
	local := func(link string) string {
		return strings.TrimSpace(sh(t, `for i in $(seq 100); do ip -6 -br addr show dev `+link+` -tentative scope link | grep -o 'fe80[^/]*' && exit; sleep 0.1; done; exit 1`))
	}
	sh(t, `for n in outside c2-2; do for i in $(seq 100); do ip -n $n -6 addr show dev eth0 -tentative scope link | grep -q fe80 && continue 2; sleep 0.1; done; exit 1; done`)
	sees(t, l.outside, at(local("eth0")+"%eth0", 8080), "fd00:1::1")
	refused(t, shut.space, at(local("gw2")+"%eth0", 8080))
}

// TestStaleDatagrams: who keeps sending to a port reaches the container as soon as the port is published, and the
// next one as soon as it moves; conntrack's memory does not stand in the way.
func TestStaleDatagrams(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c, d := l.container(1, 2), l.container(1, 3)
	for i, b := range []*box{c, d} {
		must(t, b.do(func() error {
			u, err := net.ListenPacket("udp", ":80")
			if err != nil {
				return err
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				buf := make([]byte, 100)
				for {
					_, from, err := u.ReadFrom(buf)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					_, _ = u.WriteTo([]byte{byte('1' + i)}, from)
				}
			}()
			t.Cleanup(func() {
				closing(u)
				<-done
			})
			return nil
		}))
	}
	var k net.Conn
	must(t, l.outside.do(func() (err error) {
		k, err = net.Dial("udp", at(host4, 8080))
		return err
	}))
	defer closing(k)
	hear := func() string {
		b := make([]byte, 100)
		for range 5 {
			_, _ = k.Write([]byte("?")) // what it hears from a closed port is no matter
			_ = k.SetReadDeadline(time.Now().Add(dropped))
			if n, err := k.Read(b); err == nil {
				return string(b[:n])
			}
		}
		return ""
	}
	if h := hear(); h != "" {
		t.Errorf("before: %q", h)
	}
	c.publish("8080:80/udp")
	if h := hear(); h != "1" {
		t.Errorf("published: %q", h)
	}
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	if h := hear(); h != "" {
		t.Errorf("withdrawn: %q", h)
	}
	d.publish("8080:80/udp")
	if h := hear(); h != "2" {
		t.Errorf("moved: %q", h)
	}
}

// TestMTU: where the way out is narrower than the network, TCP finds out, with and without clamping.
func TestMTU(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	sh(t, "ip link set eth0 mtu 1300 && ip -n outside link set eth0 mtu 1300")
	l.network(1, nil)
	l.network(2, func(n *Network) { n.ClampMSS = true })
	l.outside.echo(7)
	for _, c := range []*box{l.container(1, 2), l.container(2, 2)} {
		for _, a := range []string{outside4, outside6} {
			k := l.talk(c.space, at(a, 7))
			must(t, k.say(strings.Repeat("x", 20000)))
			mss := 0
			tcp, ok := k.Conn.(*net.TCPConn)
			if !ok {
				t.Fatal("not TCP")
			}
			rc, err := tcp.SyscallConn()
			must(t, err)
			must(t, rc.Control(func(fd uintptr) { mss, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG) }))
			must(t, err)
			if mss >= 1300 {
				t.Errorf("%s to %s: segments of %d bytes", c.name, a, mss)
			}
		}
	}
	if out := sh(t, "nft -j list ruleset inet"); !strings.Contains(out, "maxseg") {
		t.Error("no clamping in the table")
	}
}
