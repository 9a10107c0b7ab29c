// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// limit bounds one exchange.
const limit = 20 * time.Second

// serve answers on TCP and UDP until it is killed.
func serve(addr string) error {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	packets, err := config.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "serving", addr)
	ended := make(chan error, 3)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM) // for the first process of a container nothing else ends it
	go func() {
		<-end
		ended <- nil
	}()
	go func() { ended <- echo(packets) }()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				ended <- err
				return
			}
			go digest(c)
		}
	}()
	return <-ended
}

// digest reads a stream to its end and answers with its SHA-256.
func digest(c net.Conn) {
	defer c.Close() //nolint:errcheck // the other end compares what arrived
	sum := sha256.New()
	if _, err := io.Copy(sum, c); err != nil {
		return
	}
	_, _ = c.Write(sum.Sum(nil)) // likewise
}

func echo(c net.PacketConn) error {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		// Too large to send back, or no way back: the asker finds out.
		_, _ = c.WriteTo(buf[:n], from)
	}
}

func dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit/4)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return c, err
		}
		select { // the other container has only just started
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func tcp(addr string, size int) error {
	c, err := dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // everything was read
	if err = c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	begin := time.Now()
	sum := sha256.New()
	if _, err = io.CopyN(io.MultiWriter(c, sum), rand.Reader, int64(size)); err != nil {
		return err
	}
	conn, ok := c.(*net.TCPConn)
	if !ok {
		return errors.New("not a TCP connection")
	}
	if err = conn.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, sum.Sum(nil)) {
		return fmt.Errorf("sent SHA-256 %x, the other end saw %x", sum.Sum(nil), got)
	}
	fmt.Fprintf(os.Stdout, "%d bytes arrived whole in %v\n", size, time.Since(begin).Round(time.Millisecond))
	return nil
}

func udp(addr string, size int) error {
	c, err := dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // a datagram socket
	if err = c.SetDeadline(time.Now().Add(limit / 4)); err != nil {
		return err
	}
	want := make([]byte, size)
	if _, err = rand.Read(want); err != nil {
		return err
	}
	if _, err = c.Write(want); err != nil {
		return err
	}
	got := make([]byte, 65536)
	n, err := c.Read(got)
	if err != nil {
		return err
	}
	if !bytes.Equal(got[:n], want) {
		return fmt.Errorf("the echo of %d bytes differs", size)
	}
	fmt.Fprintf(os.Stdout, "%d bytes echoed\n", size)
	return nil
}
