// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// claim gives a host end its alias and brings it up without an IPv6 link-local
// address, mute for ARP, in one request. The library would need three.
func (c *conn) claim(index int, alias string) error {
	err := c.setLink(index, alias, true)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		// No IPv6 in the kernel, or the MTU is too small for it.
		err = c.setLink(index, alias, false)
	}
	if err != nil {
		return fmt.Errorf("bringing it up as %q: %w", alias, err)
	}
	return nil
}

// inet6AddrGenMode and its value for none, of linux/if_link.h.
const (
	inet6AddrGenMode = 8
	addrGenNone      = 1
)

// Settings of IPv4 on a link (IFLA_INET_CONF), by their numbers of linux/ip.h
// (IPV4_DEVCONF_*).
const (
	inetConf       = 1
	inetForwarding = 1
	inetARPIgnore  = 19
	arpIgnoreAll   = 8
)

func (c *conn) setLink(index int, alias string, noIPv6LL bool) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: c.raw}
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index, m.Change, m.Flags = int32(index), unix.IFF_UP, unix.IFF_UP //nolint:gosec // the kernel's own index
	req.AddData(m)
	req.AddData(nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(alias)))
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
	conf := spec.AddRtAttr(unix.AF_INET|unix.NLA_F_NESTED, nil).AddRtAttr(inetConf|unix.NLA_F_NESTED, nil)
	conf.AddRtAttr(inetForwarding, nl.Uint32Attr(0))
	conf.AddRtAttr(inetARPIgnore, nl.Uint32Attr(arpIgnoreAll))
	if noIPv6LL {
		spec.AddRtAttr(unix.AF_INET6|unix.NLA_F_NESTED, nil).AddRtAttr(inet6AddrGenMode, []byte{addrGenNone})
	}
	req.AddData(spec)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// txOffloadOff turns transmit checksum offload off, and with it segmentation
// offload (ETHTOOL_STXCSUM of SIOCETHTOOL; rtnetlink has no word for it).
func (l *Links) txOffloadOff(name string) error {
	value := struct{ cmd, data uint32 }{unix.ETHTOOL_STXCSUM, 0}
	ifr := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of struct ifreq
	}{data: unsafe.Pointer(&value)}
	copy(ifr.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.ioctl), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr)))
	if errno != 0 {
		return fmt.Errorf("turning transmit checksum offload of %s off: %w", name, errno)
	}
	return nil
}
