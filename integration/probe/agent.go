// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// agent lends an interface to whoever connects to the unix socket: each line that comes is a frame to send, each line
// that goes a frame that arrived, both in hexadecimal. A frame that the kernel does not take is answered by a line
// that begins with "!". It ends with the connection.
func agent(iface, socket string) error {
	fd, err := packetSocket(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // at the end of the program
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- sendLines(fd, c) }()
	go func() { ended <- tellFrames(fd, c) }()
	return <-ended
}

// maxLine is enough for the largest frame in hexadecimal.
const maxLine = 1 << 18

func sendLines(fd int, c io.ReadWriter) error {
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		frame, err := hex.DecodeString(lines.Text())
		if err == nil {
			_, err = unix.Write(fd, frame)
		}
		if err != nil {
			fmt.Fprintf(c, "!%v\n", err)
		}
	}
	return lines.Err()
}

func tellFrames(fd int, c io.Writer) error {
	buf := make([]byte, 65536)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENETDOWN):
			return nil
		case err != nil:
			return err
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if _, err := fmt.Fprintf(c, "%x\n", buf[:n]); err != nil {
			return err
		}
	}
}
