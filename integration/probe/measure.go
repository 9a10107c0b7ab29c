// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// group is in a multicast group of IPv4 or IPv6 on an interface until a datagram that says "end" comes to the port, in
// the group or not, and tells what came.
func group(iface, addr string) error {
	dev, err := net.InterfaceByName(iface)
	if err != nil {
		return err
	}
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	c, err := net.ListenMulticastUDP("udp", dev, to)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // at the end of the program
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "member of", to.IP)
	buf := make([]byte, 2048)
	for {
		n, _, err := c.ReadFromUDP(buf)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "got %q\n", buf[:n])
		if string(buf[:n]) == "end" {
			return nil
		}
	}
}

// roundTrips measures how long the echo of a small datagram takes and prints the median in nanoseconds.
func roundTrips(addr string, count int) error {
	c, err := dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // a datagram socket
	if err = c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	took := make([]time.Duration, count)
	buf := make([]byte, 64)
	for i := range took {
		begin := time.Now()
		if _, err = c.Write(buf[:32]); err != nil {
			return err
		}
		if _, err = c.Read(buf); err != nil {
			return err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	fmt.Fprintln(os.Stdout, took[count/2].Nanoseconds())
	return nil
}

// connections measures how long it takes until a TCP connection stands, one after the other, and prints the median in
// nanoseconds.
func connections(addr string, count int) error {
	took := make([]time.Duration, count)
	for i := range took {
		begin := time.Now()
		c, err := dial("tcp", addr)
		if err != nil {
			return err
		}
		took[i] = time.Since(begin)
		if err = c.Close(); err != nil {
			return err
		}
	}
	slices.Sort(took)
	fmt.Fprintln(os.Stdout, took[count/2].Nanoseconds())
	return nil
}
