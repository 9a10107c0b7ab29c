// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sctp gives a one-to-one socket (RFC 6458, section 4), which the net package takes for one of TCP's.
func sctp(a netip.AddrPort) (fd int, sa unix.Sockaddr, err error) {
	family := unix.AF_INET
	if a.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	return fd, sa, os.NewSyscallError("socket", err)
}

// dialSCTP opens an association.
func dialSCTP(addr string, wait time.Duration) (net.Conn, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, sa, err := sctp(a)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), addr)
	defer f.Close() //nolint:errcheck // the connection has a descriptor of its own
	limit := unix.NsecToTimeval(wait.Nanoseconds())
	if err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit), unix.Connect(fd, sa)); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// listenSCTP listens at a port of all addresses. Where the kernel has no such sockets the error is [errors.ErrUnsupported].
func listenSCTP(addr string) (net.Listener, error) {
	t, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	fd, sa, err := sctp(netip.AddrPortFrom(netip.IPv6Unspecified(), t.AddrPort().Port()))
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT) {
		return nil, errors.ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), addr)
	defer f.Close() //nolint:errcheck // the listener has a descriptor of its own
	if err = errors.Join(unix.Bind(fd, sa), unix.Listen(fd, 16)); err != nil {
		return nil, err
	}
	return net.FileListener(f)
}
