// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrNoRoute says that this host knows no way to an address.
var ErrNoRoute = errors.New("no route")

// Path is how packets to an address leave this host.
type Path struct {
	// Link is the name of the link that they leave by.
	Link string
	// MTU is in bytes: the link's, or the route's own where that is smaller, which Narrow says.
	MTU    int
	Narrow bool
}

// PathTo asks the routing tables for the way to an address. What was learned of a path's MTU on the way (ICMP) does not
// count: it changes by the minute. Without a way the error wraps ErrNoRoute.
func (l *Links) PathTo(ctx context.Context, to netip.Addr) (Path, error) {
	var p Path
	err := l.do(ctx, func(c *conn) error {
		fib := netlink.RouteGetOptions{FIBMatch: true} //nolint:forbidigo // a type, no call
		routes, err := c.RouteGetWithOptions(to.AsSlice(), &fib)
		switch {
		case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EACCES), errors.Is(err, unix.EINVAL):
			return fmt.Errorf("%w: %w", ErrNoRoute, err)
		case err != nil:
			return err
		case len(routes) == 0:
			return ErrNoRoute
		}
		r := routes[0]
		index := r.LinkIndex
		if index == 0 && len(r.MultiPath) > 0 {
			index = r.MultiPath[0].LinkIndex //nolint:forbidigo // a field, no call
		}
		k, err := c.LinkByIndex(index)
		if err != nil {
			return fmt.Errorf("its link: %w", err)
		}
		p = Path{Link: k.Attrs().Name, MTU: k.Attrs().MTU}
		if r.MTU > 0 && r.MTU < p.MTU {
			p.MTU, p.Narrow = r.MTU, true
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("way to %s: %w", to, err)
	}
	return p, nil
}

// AddressesOf lists the addresses of a link that are in use, in the order in which the kernel lists them. A link that does
// not exist has none.
func (l *Links) AddressesOf(ctx context.Context, name string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	err := l.do(ctx, func(c *conn) error {
		k, err := c.get(name)
		if err != nil || k == nil {
			return err
		}
		all, err := dump(ctx, func() ([]netlink.Addr, error) { return c.AddrList(k, netlink.FAMILY_ALL) })
		for _, a := range all {
			if p := prefixOf(a); p.IsValid() && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
				out = append(out, p)
			}
		}
		return err
	})
	return out, explain(name, err)
}

// newsRoom is how much of the kernel's news may lie unread, in bytes: a thousand links that come at once.
const newsRoom = 4 << 20

// Watch tells of each link that comes, or changes its MTU, its state or its name, and calls lost when news may have been
// missed. It returns when ctx ends.
func (l *Links) Watch(ctx context.Context, changed func(name string, mtu int), lost func()) error {
	news, err := nl.SubscribeAt(netns.None(), netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return fmt.Errorf("subscribing to links: %w", err)
	}
	if news.SetReceiveBufferSize(newsRoom, true) != nil { // it takes CAP_NET_ADMIN
		_ = news.SetReceiveBufferSize(newsRoom, false) // up to net.core.rmem_max; what is lost beyond that is told
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // ends a Receive under way
		news.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			news.Close()
		} else {
			<-closed
		}
	}()
	for {
		msgs, _, err := news.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			lost()
		case err != nil:
			return fmt.Errorf("reading news of links: %w", err)
		}
		for _, m := range msgs {
			if m.Header.Type != unix.RTM_NEWLINK {
				continue
			}
			if name, mtu := nameIn(m.Data), mtuIn(m.Data); name != "" && mtu > 0 {
				changed(name, mtu)
			}
		}
	}
}

// mtuIn reads a link's MTU out of an RTM_NEWLINK message; 0 if it does not say.
func mtuIn(m []byte) int {
	v := attrIn(m, unix.IFLA_MTU)
	if len(v) != 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(v))
}
