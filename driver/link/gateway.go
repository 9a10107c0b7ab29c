// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Gateway describes the LOCAL port of a bridge as a network's gateway.
type Gateway struct {
	// Name is the link's.
	Name string
	// MAC is its hardware address; 6 bytes.
	MAC net.HardwareAddr
	// MTU is in bytes; 0 leaves it.
	MTU int
	// Addresses are the link's global addresses, all of them, with the length of their subnet.
	Addresses []netip.Prefix
	// ForeignIPv4 leaves the link's IPv4 addresses to somebody else: none is removed.
	ForeignIPv4 bool
}

func (g Gateway) check() error {
	if len(g.MAC) != 6 {
		return fmt.Errorf("%q is not a MAC address of 6 bytes", g.MAC)
	}
	if g.MTU != 0 && (g.MTU < 68 || g.MTU > 65535) {
		return fmt.Errorf("MTU %d is not between 68 and 65535", g.MTU)
	}
	if g.ipv6() && g.MTU != 0 && g.MTU < 1280 {
		return fmt.Errorf("MTU %d is too small for IPv6, which needs 1280", g.MTU)
	}
	for _, p := range g.Addresses {
		if a := p.Addr(); !p.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() && a.Is6() {
			return fmt.Errorf("%s is not an address for a gateway", p)
		}
	}
	return nil
}

func (g Gateway) ipv6() bool {
	return slices.ContainsFunc(g.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// linkLocal is the IPv6 link-local address that belongs to a MAC address (RFC 4291, appendix A).
func linkLocal(m net.HardwareAddr) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{
		0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5],
	}), 64)
}

// EnsureGateway waits for the link to appear, as long as ctx lets it, gives it
// the MAC address, the MTU and exactly the addresses of g, and brings it up.
// With an IPv6 address among them it also has the link-local address of its
// MAC address; without, IPv6 is off on the link. Addresses are usable at once:
// duplicate address detection is off, since every host has the same gateway,
// and so is the acceptance of router advertisements.
func (l *Links) EnsureGateway(ctx context.Context, g Gateway) error {
	if err := errors.Join(checkName(g.Name), g.check()); err != nil {
		return explain(g.Name, err)
	}
	unlock, err := l.names.lock(ctx, g.Name)
	if err != nil {
		return explain(g.Name, err)
	}
	defer unlock()
	for {
		if err := l.await(ctx, g.Name); err != nil {
			return explain(g.Name, err)
		}
		err := l.do(ctx, func(c *conn) error { return l.setGateway(ctx, c, g) })
		if gone(err) && ctx.Err() == nil {
			continue // it went away under our hands: vswitchd is making it anew
		}
		return explain(g.Name, err)
	}
}

// GatewayDiffers tells whether EnsureGateway would change the link; one that is not there differs.
func (l *Links) GatewayDiffers(ctx context.Context, g Gateway) (differs bool, err error) {
	err = l.do(ctx, func(c *conn) error {
		k, bad := c.get(g.Name)
		if bad != nil || k == nil {
			differs = k == nil
			return bad
		}
		a := k.Attrs()
		all, bad := dump(ctx, func() ([]netlink.Addr, error) { return c.AddrList(k, netlink.FAMILY_ALL) })
		missing := map[netip.Prefix]bool{}
		for _, p := range g.all() {
			missing[p] = true
		}
		for _, have := range all {
			p := prefixOf(have)
			differs = differs || !slices.Contains(g.all(), p) && (!g.ForeignIPv4 || p.Addr().Is6())
			delete(missing, p)
		}
		differs = differs || len(missing) > 0 || a.Flags&net.FlagUp == 0 || !slices.Equal(a.HardwareAddr, g.MAC) || g.MTU != 0 && a.MTU != g.MTU
		return bad
	})
	return differs, explain(g.Name, err)
}

// all are the addresses that the link is to have.
func (g Gateway) all() []netip.Prefix {
	want := slices.Clone(g.Addresses)
	if g.ipv6() {
		want = append(want, linkLocal(g.MAC))
	}
	return want
}

func (l *Links) setGateway(ctx context.Context, c *conn, g Gateway) error {
	k, err := c.get(g.Name)
	if err != nil {
		return err
	}
	if k == nil {
		return unix.ENODEV
	}
	// Without 1280 bytes the link has no IPv6 to configure.
	if err := c.fixMTU(k, g.MTU); err != nil {
		return err
	}
	if err := l.fixIPv6(g.Name, g.ipv6()); err != nil {
		return err
	}
	if err := c.fixMAC(k, g.MAC); err != nil {
		return err
	}
	if k.Attrs().Flags&net.FlagUp == 0 {
		if err := c.LinkSetUp(k); err != nil {
			return fmt.Errorf("bringing it up: %w", err)
		}
	}
	return c.fixAddresses(ctx, k, g.all(), g.ForeignIPv4)
}

// addressRounds is how often addresses are listed until none is to be removed.
const addressRounds = 8

// fixAddresses gives a link exactly the addresses wanted. Those that stay are
// not touched, so that connections over them go on; IPv4 addresses that are
// others' to assign stay too.
func (c *conn) fixAddresses(ctx context.Context, k netlink.Link, want []netip.Prefix, foreign4 bool) error {
	var have []netip.Prefix
	for removed, rounds := true, 0; removed; rounds++ {
		if rounds == addressRounds {
			return errors.New("something else adds addresses to it as fast as they are removed")
		}
		// Removing an IPv4 address takes its secondaries along, so look again.
		removed = false
		all, err := dump(ctx, func() ([]netlink.Addr, error) { return c.AddrList(k, netlink.FAMILY_ALL) })
		if err != nil {
			return fmt.Errorf("listing addresses: %w", err)
		}
		have = have[:0]
		for _, a := range all {
			p := prefixOf(a)
			if foreign4 && p.Addr().Is4() && !slices.Contains(want, p) {
				continue
			}
			// An IPv6 address that is still being examined, or failed, is no use.
			if slices.Contains(want, p) && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
				have = append(have, p)
				continue
			}
			if err := c.AddrDel(k, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return fmt.Errorf("removing address %s: %w", p, err)
			}
			removed = true
		}
	}
	for _, p := range want {
		if slices.Contains(have, p) {
			continue
		}
		a := netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := c.AddrReplace(k, &a); err != nil {
			return fmt.Errorf("adding address %s: %w", p, err)
		}
	}
	return nil
}

func prefixOf(a netlink.Addr) netip.Prefix {
	if a.IPNet == nil {
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	bits, _ := a.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), bits)
}

// ClearGateway removes every address from a link and turns IPv6 off on it. An
// absent link is no error.
func (l *Links) ClearGateway(ctx context.Context, name string) error {
	return l.on(ctx, name, func(c *conn) error {
		k, err := c.get(name)
		if err != nil || k == nil {
			return err
		}
		err = l.fixIPv6(name, false)
		if err == nil {
			err = c.fixAddresses(ctx, k, nil, false)
		}
		if gone(err) {
			return nil
		}
		return err
	})
}
