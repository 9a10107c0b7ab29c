// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// packetSocket is an AF_PACKET socket that sees and sends every frame of an
// interface (packet(7)).
func packetSocket(iface string) (int, error) {
	dev, err := net.InterfaceByName(iface)
	if err != nil {
		return 0, err
	}
	const every = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, every)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: every, Ifindex: dev.Index}); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	promisc := unix.PacketMreq{Ifindex: int32(dev.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &promisc); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func send(iface string, frames []string) error {
	fd, err := packetSocket(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // at the end of the program
	for _, text := range frames {
		frame, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		if _, err := unix.Write(fd, frame); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stdout, "%d frames sent\n", len(frames))
	return nil
}

// sniff counts the frames that arrive on the interface and contain the
// pattern, until a frame that contains the stop pattern has come.
func sniff(iface, pattern, stop string, wait time.Duration) error {
	want, err := hex.DecodeString(pattern)
	if err != nil {
		return err
	}
	last, err := hex.DecodeString(stop)
	if err != nil {
		return err
	}
	fd, err := packetSocket(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // at the end of the program
	tv := unix.NsecToTimeval(int64(wait))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "listening")
	buf := make([]byte, 65536)
	for count := 0; ; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("the stop pattern did not come: %w", err)
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if bytes.Contains(buf[:n], want) {
			count++
		}
		if bytes.Contains(buf[:n], last) {
			fmt.Fprintln(os.Stdout, "matched", count)
			return nil
		}
	}
}
