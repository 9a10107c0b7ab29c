// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// errNoProtocol says that the kernel has no sockets for a protocol. Then nobody can take its ports either, and they
// are published without one.
var errNoProtocol = errors.New("no sockets for the protocol")

// listenStream binds and listens on a port of TCP or SCTP; port 0: any free one. The family is the address's alone.
func listenStream(ctx context.Context, proto uint8, at netip.AddrPort) (net.Listener, error) {
	if proto == SCTP {
		return listenSCTP(at)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // what is relayed is spliced
	return lc.Listen(ctx, "tcp"+suffix(at.Addr()), at.String())
}

// listenUDP binds a port of UDP; port 0: any free one.
func listenUDP(ctx context.Context, at netip.AddrPort) (*net.UDPConn, error) {
	var lc net.ListenConfig
	c, err := lc.ListenPacket(ctx, "udp"+suffix(at.Addr()), at.String())
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("udp socket is a %T", c), c.Close())
	}
	return u, nil
}

// listenSCTP makes a one-to-one socket (RFC 6458, section 4), which the runtime then handles as it does TCP's.
func listenSCTP(at netip.AddrPort) (net.Listener, error) {
	fd, err := streamSCTP(at.Addr())
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sctp") // #nosec G115 -- a descriptor is not negative
	defer func() { _ = f.Close() }()
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, sockaddr(at)),
	); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	return net.FileListener(f)
}

func streamSCTP(a netip.Addr) (int, error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_SCTP)
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT):
		return -1, errNoProtocol
	case err != nil:
		return -1, os.NewSyscallError("socket", err)
	}
	if a.Is6() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, errors.Join(os.NewSyscallError("setsockopt", err), unix.Close(fd))
		}
	}
	return fd, nil
}

func sockaddr(at netip.AddrPort) unix.Sockaddr {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
}

// dial connects to a container.
func dial(ctx context.Context, proto uint8, to netip.AddrPort) (net.Conn, error) {
	if proto == SCTP {
		return dialSCTP(ctx, to)
	}
	var d net.Dialer
	d.SetMultipathTCP(false)
	return d.DialContext(ctx, protoName(proto), to.String())
}

func dialSCTP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	fd, err := streamSCTP(to.Addr())
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sctp") // #nosec G115 -- a descriptor is not negative
	defer func() { _ = f.Close() }()
	err = unix.Connect(fd, sockaddr(to))
	if errors.Is(err, unix.EINPROGRESS) {
		err = connected(ctx, f)
	}
	if err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(f)
}

// connected waits for a connect that is under way.
func connected(ctx context.Context, f *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	asked := false
	var failed error
	err = rc.Write(func(fd uintptr) bool {
		if !asked {
			asked = true
			return false
		}
		var errno int
		errno, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) // #nosec G115 -- a descriptor
		if errno != 0 {
			failed = unix.Errno(errno)
		}
		return true
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, failed)
}

// portOf gives the number that the kernel chose.
func portOf(a net.Addr) uint16 {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Port()
	case *net.UDPAddr:
		return a.AddrPort().Port()
	}
	return 0
}

// readable waits until something can be read, so that a buffer is needed only then.
func readable(c *net.UDPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT) // #nosec G115 -- a descriptor
		return !errors.Is(err, unix.EAGAIN)
	})
}

// closed tells whether an error comes from a socket that we closed.
func closed(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) }
