// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// seen tells every client which address it comes from, over TCP and UDP, and over SCTP where the kernel has it. A
// connection echoes from then on.
func seen(addrs []string) error {
	ended := make(chan error, 4*len(addrs)+1)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		ended <- nil
	}()
	var config net.ListenConfig
	for _, addr := range addrs {
		l, err := config.Listen(context.Background(), "tcp", addr)
		if err != nil {
			return err
		}
		go func() { ended <- welcome(l) }()
		switch s, err := listenSCTP(addr); {
		case err == nil:
			go func() { ended <- welcome(s) }()
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
		for _, network := range []string{"udp4", "udp6"} {
			u, err := config.ListenPacket(context.Background(), network, addr)
			if err != nil {
				return err
			}
			go func() { ended <- tell(u, network == "udp4") }()
		}
	}
	fmt.Fprintln(os.Stdout, "serving", strings.Join(addrs, " "))
	return <-ended
}

// tell answers datagrams from the address that they came to, which need not be the one that the kernel would choose.
func tell(u net.PacketConn, is4 bool) error {
	four, six := ipv4.NewPacketConn(u), ipv6.NewPacketConn(u)
	mark := func() error { return six.SetControlMessage(ipv6.FlagDst, true) }
	if is4 {
		mark = func() error { return four.SetControlMessage(ipv4.FlagDst, true) }
	}
	if err := mark(); err != nil {
		return err
	}
	b := make([]byte, 64)
	for {
		var err error
		if is4 {
			var cm *ipv4.ControlMessage
			var from net.Addr
			if _, cm, from, err = four.ReadFrom(b); err == nil && cm != nil {
				_, _ = four.WriteTo([]byte(plain(from)), &ipv4.ControlMessage{Src: cm.Dst}, from) // the client asks again
			}
		} else {
			var cm *ipv6.ControlMessage
			var from net.Addr
			if _, cm, from, err = six.ReadFrom(b); err == nil && cm != nil {
				_, _ = six.WriteTo([]byte(plain(from)), &ipv6.ControlMessage{Src: cm.Dst}, from) // likewise
			}
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
	}
}

// welcome greets whoever comes.
func welcome(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go greet(c)
	}
}

func greet(c net.Conn) {
	defer c.Close() //nolint:errcheck // the client sees how it ended
	fmt.Fprintln(c, plain(c.RemoteAddr()))
	_, _ = io.Copy(c, c) // likewise
}

// plain is an address without port and zone.
func plain(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return err.Error()
	}
	return ap.Addr().Unmap().WithZone("").String()
}

// ask asks what seen answers, everybody at once, and prints a line for each question in their order.
func ask(wait time.Duration, questions []string) error {
	answers := make([]string, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		proto, addr, ok := strings.Cut(q, "/")
		if !ok {
			return fmt.Errorf("%s: no protocol", q)
		}
		all.Go(func() {
			a, err := askOne(proto, addr, wait)
			if err != nil || a == "" {
				a = "-"
			}
			answers[i] = a
		})
	}
	all.Wait()
	fmt.Fprintln(os.Stdout, strings.Join(answers, "\n"))
	return nil
}

// retransmits is how often a datagram is sent before it counts as lost.
const retransmits = 5

func askOne(proto, addr string, wait time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	open := func() (net.Conn, error) {
		if proto == "sctp" {
			return dialSCTP(addr, wait)
		}
		var d net.Dialer
		return d.DialContext(ctx, proto, addr)
	}
	c, err := open()
	if err != nil {
		return "", err
	}
	defer c.Close() //nolint:errcheck // what came was read
	if proto != "udp" {
		end, _ := ctx.Deadline()
		if err = c.SetDeadline(end); err != nil {
			return "", err
		}
		line, lost := bufio.NewReader(c).ReadString('\n')
		return strings.TrimSpace(line), lost
	}
	b := make([]byte, 64)
	for range retransmits {
		if _, err = c.Write([]byte("?")); err != nil {
			return "", err
		}
		if err = c.SetReadDeadline(time.Now().Add(wait / retransmits)); err != nil {
			return "", err
		}
		n, err := c.Read(b)
		if err == nil {
			return string(b[:n]), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return "", err
		}
	}
	return "", os.ErrDeadlineExceeded
}

// hold talks over one connection until a file is there, and tells how long the longest answer took.
func hold(addr, file string) error {
	c, err := dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // nothing is under way
	r := bufio.NewReader(c)
	if _, err = r.ReadString('\n'); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n, longest := 1, time.Duration(0); ; n++ {
		begin := time.Now()
		if err = c.SetDeadline(begin.Add(limit)); err != nil {
			return err
		}
		if _, err = fmt.Fprintln(c, n); err != nil {
			return fmt.Errorf("after %d: %w", n, err)
		}
		if _, err = r.ReadString('\n'); err != nil {
			return fmt.Errorf("after %d: %w", n, err)
		}
		longest = max(longest, time.Since(begin))
		if _, err = os.Stat(file); err == nil {
			fmt.Fprintf(os.Stdout, "%d answers, the longest took %v\n", n, longest.Round(time.Millisecond))
			return nil
		}
		<-tick.C
	}
}
