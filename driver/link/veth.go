// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth describes a pair of links.
type Veth struct {
	// Name is the host end's, Peer the end's that goes into a container; 1 to 15 bytes.
	Name, Peer string
	// Alias marks the host end as ours (IFLA_IFALIAS); 1 to 255 bytes.
	Alias string
	// PeerMAC is the container end's; 6 bytes, or nil for the kernel's choice.
	PeerMAC net.HardwareAddr
	// MTU of both ends, in bytes; 0 for the kernel's default.
	MTU int
	// PeerMTU is the container end's where it is another; else 0. A veth takes packets of 4 bytes more than its MTU.
	PeerMTU int
	// TxOffload leaves transmit checksum offload on. On the userspace datapath
	// (netdev) it has to be off on both ends, else TCP between container and
	// host breaks: the checksums that a NIC would fill in never are.
	TxOffload bool
}

const (
	// Group marks a link as ours from its very first moment (IFLA_GROUP). The
	// kernel takes an alias only in a second request, between which and the
	// first we may be killed. The firewall knows the links by it.
	Group = 0x0e75
	// queueLen is the kernel's own transmit queue length for a veth.
	queueLen = 1000
	// maxAlias is IFALIASZ less the final zero.
	maxAlias = 255
)

func (v Veth) check() error {
	if err := checkName(v.Peer); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	switch {
	case v.Peer == v.Name:
		return errors.New("the two ends have the same name")
	case v.Alias == "" || len(v.Alias) > maxAlias:
		return fmt.Errorf("the alias has %d bytes, want 1 to %d", len(v.Alias), maxAlias)
	case v.PeerMAC != nil && len(v.PeerMAC) != 6:
		return fmt.Errorf("%q is not a MAC address of 6 bytes", v.PeerMAC)
	case v.MTU != 0 && (v.MTU < 68 || v.MTU > 65535):
		return fmt.Errorf("MTU %d is not between 68 and 65535", v.MTU)
	case v.PeerMTU != 0 && (v.PeerMTU < 68 || v.PeerMTU > 65535):
		return fmt.Errorf("MTU %d of the container's end is not between 68 and 65535", v.PeerMTU)
	}
	return nil
}

func (v Veth) peerMTU() int {
	if v.PeerMTU != 0 {
		return v.PeerMTU
	}
	return v.MTU
}

// hostMAC is the host end's hardware address. Nobody speaks to it, but a
// random one is an invitation to udev to change it.
func (v Veth) hostMAC() net.HardwareAddr {
	if v.PeerMAC == nil {
		return nil
	}
	m := slices.Clone(v.PeerMAC)
	m[0] = 0xfe
	if v.PeerMAC[0] == 0xfe {
		m[0] = 0xfa
	}
	return m
}

// EnsureVeth makes a pair with the host end up, or brings an existing one with
// the same alias into that state, as far as its peer is in our namespace (it
// may be inside a container). The host end gets no IPv6 link-local address, so
// that the host sends nothing into the container on its own; nor does it answer
// ARP there or forward: on the userspace datapath the host's own IP stack sees
// each frame beside the switch, and must leave it alone. If it fails on
// the way, a pair that it made is removed again. ErrTaken if a link of either
// name exists and is not of this pair.
func (l *Links) EnsureVeth(ctx context.Context, v Veth) error {
	return l.on(ctx, v.Name, func(c *conn) error {
		if bad := v.check(); bad != nil {
			return bad
		}
		for {
			index, bad := c.addVeth(v)
			if errors.Is(bad, unix.EEXIST) {
				bad = l.fixVeth(c, v)
				if gone(bad) && ctx.Err() == nil {
					continue // removed between our two looks
				}
				return bad
			}
			if bad == nil {
				bad = l.finishVeth(c, index, v)
			}
			return bad
		}
	})
}

// addVeth makes the pair. It carries the group that marks it as ours until it has its alias.
func (c *conn) addVeth(v Veth) (index int, err error) {
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU, a.TxQLen, a.Group, a.HardwareAddr = v.Name, v.MTU, queueLen, Group, v.hostMAC()
	k := netlink.NewVeth(a)
	k.PeerName, k.PeerHardwareAddr, k.PeerMTU, k.PeerTxQLen = v.Peer, v.PeerMAC, uint32(v.peerMTU()), queueLen //nolint:gosec // checked to be 0 to 65535
	if err := c.LinkAdd(k); err != nil {
		return 0, fmt.Errorf("making the pair: %w", err)
	}
	if k.Index == 0 {
		return 0, errors.New("the pair was made, but cannot be looked up; try again")
	}
	return k.Index, nil
}

// finishVeth does what a pair of addVeth's still lacks. Where that fails the pair is removed again.
func (l *Links) finishVeth(c *conn, index int, v Veth) error {
	err := c.claim(index, v.Alias)
	if err == nil && !v.TxOffload {
		err = errors.Join(l.txOffloadOff(v.Name), l.txOffloadOff(v.Peer))
	}
	if err != nil {
		err = errors.Join(err, c.remove(index))
	}
	return err
}

// fixVeth brings an existing pair into the state wanted.
func (l *Links) fixVeth(c *conn, v Veth) error {
	k, err := c.get(v.Name)
	if err != nil {
		return err
	}
	if k == nil {
		// The clash was over the peer's name, or is over.
		k, err = c.get(v.Peer)
		if err != nil || k != nil {
			return errors.Join(fmt.Errorf("its peer %s %w; remove that link", v.Peer, ErrTaken), err)
		}
		return unix.ENODEV
	}
	if err = ours(k, v.Alias); err != nil {
		return err
	}
	p, err := c.peer(k)
	if err != nil {
		return err
	}
	if p != nil {
		if err := c.fixPeer(p, v); err != nil {
			return fmt.Errorf("peer %s: %w", v.Peer, err)
		}
	}
	if err := c.fixMTU(k, v.MTU); err != nil {
		return err
	}
	if err := c.claim(k.Attrs().Index, v.Alias); err != nil {
		return err
	}
	if v.TxOffload {
		return nil
	}
	if err := l.txOffloadOff(v.Name); err != nil || p == nil {
		return err
	}
	return l.txOffloadOff(v.Peer)
}

// fixPeer puts right what a container may have left on its end.
func (c *conn) fixPeer(p netlink.Link, v Veth) error {
	if p.Attrs().Name != v.Peer {
		if err := c.LinkSetDown(p); err != nil {
			return fmt.Errorf("setting %s down: %w", p.Attrs().Name, err)
		}
		if err := c.LinkSetName(p, v.Peer); errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%w; remove that link", ErrTaken)
		} else if err != nil {
			return fmt.Errorf("renaming %s: %w", p.Attrs().Name, err)
		}
	}
	if err := c.fixMAC(p, v.PeerMAC); err != nil {
		return err
	}
	return c.fixMTU(p, v.peerMTU())
}

func (c *conn) fixMTU(k netlink.Link, mtu int) error {
	if mtu == 0 || k.Attrs().MTU == mtu {
		return nil
	}
	if err := c.LinkSetMTU(k, mtu); err != nil {
		return fmt.Errorf("setting MTU %d: %w", mtu, err)
	}
	return nil
}

func (c *conn) fixMAC(k netlink.Link, mac net.HardwareAddr) error {
	if mac == nil || slices.Equal(k.Attrs().HardwareAddr, mac) {
		return nil
	}
	if err := c.LinkSetHardwareAddr(k, mac); err != nil {
		return fmt.Errorf("setting MAC address %s: %w", mac, err)
	}
	return nil
}

// ours tells by an error whether a link is not the host end of our pair. One
// with our group and no alias is what a killed process left half made.
func ours(k netlink.Link, alias string) error {
	a := k.Attrs()
	if k.Type() == "veth" && (a.Alias == alias || a.Alias == "" && a.Group == Group) {
		return nil
	}
	return fmt.Errorf("%w: a %s with alias %q, not %q; remove or rename it", ErrTaken, k.Type(), a.Alias, alias)
}

// peer returns the other end of a pair if it is in our namespace, else nil.
func (c *conn) peer(k netlink.Link) (netlink.Link, error) {
	a := k.Attrs()
	if a.NetNsID >= 0 || a.ParentIndex == 0 {
		return nil, nil //nolint:nilnil // absence is an answer here
	}
	p, err := c.LinkByIndex(a.ParentIndex)
	if gone(err) {
		return nil, nil //nolint:nilnil // absence is an answer here
	}
	if err == nil && p.Attrs().ParentIndex != a.Index {
		return nil, nil //nolint:nilnil // another link has got its index
	}
	return p, err
}

// DeleteVeth removes the pair of which name is the host end, wherever its peer
// is. An absent one is no error; ErrTaken if its alias is another.
func (l *Links) DeleteVeth(ctx context.Context, name, alias string) error {
	return l.on(ctx, name, func(c *conn) error {
		k, err := c.get(name)
		if err != nil || k == nil {
			return err
		}
		if err := ours(k, alias); err != nil {
			return err
		}
		return c.remove(k.Attrs().Index)
	})
}

// remove removes a link; its pair goes with it.
func (c *conn) remove(index int) error {
	k := &netlink.GenericLink{}
	k.Attrs().Index = index
	if err := c.LinkDel(k); err != nil && !gone(err) {
		return fmt.Errorf("removing it: %w", err)
	}
	return nil
}

// PeerPresent tells whether the other end of the pair is in our namespace, so
// that it can be handed to a container. False if there is no such pair.
func (l *Links) PeerPresent(ctx context.Context, name string) (present bool, err error) {
	err = l.do(ctx, func(c *conn) error {
		k, failed := c.get(name)
		if failed != nil || k == nil || k.Type() != "veth" {
			return failed
		}
		p, failed := c.peer(k)
		present = p != nil
		return failed
	})
	return present, explain(name, err)
}
