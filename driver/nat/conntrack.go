// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink" //nolint:depguard // conntrack, not links
	"golang.org/x/sys/unix"
)

// forget removes connections of UDP from conntrack that go past a change of published ports: whoever keeps sending
// to the port keeps its connection alive, and only a connection's first packet is translated. came are the bindings
// that now stand, gone those that no longer do. TCP ends such connections itself.
func (f *Firewall) forget(ctx context.Context, came, gone []binding) {
	m := stale{came: udpOnly(came), gone: udpOnly(gone)}
	if len(m.came)+len(m.gone) == 0 || ctx.Err() != nil {
		return
	}
	if len(m.came) > 0 {
		m.local = localAddresses()
	}
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		f.log.Debug("conntrack could not be opened", "err", err)
		return
	}
	defer h.Close()
	var errs []error
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		_, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, m)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		f.log.Debug("old connections may linger in conntrack", "err", err)
	}
}

func udpOnly(bs []binding) []binding {
	var out []binding
	for _, b := range bs {
		if b.proto == UDP && b.translated() {
			out = append(out, b)
		}
	}
	return out
}

// stale matches what forget removes.
type stale struct {
	came, gone []binding
	local      map[netip.Addr]bool
}

// MatchConntrackFlow is netlink's filter.
func (m stale) MatchConntrackFlow(c *netlink.ConntrackFlow) bool {
	if c.Forward.Protocol != UDP {
		return false
	}
	to, _ := netip.AddrFromSlice(c.Forward.DstIP)
	by, _ := netip.AddrFromSlice(c.Reverse.SrcIP)
	to, by = to.Unmap(), by.Unmap()
	for _, b := range m.came { // to the port, but to the host itself or to a container that had it before
		if c.Forward.DstPort == b.port && b.reaches(to) && (m.local[to] || to.IsLoopback()) &&
			(by != b.target.Addr() || c.Reverse.SrcPort != b.target.Port()) {
			return true
		}
	}
	for _, b := range m.gone {
		if c.Forward.DstPort == b.port && b.reaches(to) && by == b.target.Addr() && c.Reverse.SrcPort == b.target.Port() {
			return true
		}
	}
	return false
}

// reaches tells whether a packet to an address of the host is for the binding.
func (b binding) reaches(a netip.Addr) bool {
	return a.Is4() == b.hostIP.Is4() && (b.hostIP.IsUnspecified() || b.hostIP == a)
}

// localAddresses gives the host's addresses.
func localAddresses() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out[ip.Unmap()] = true
			}
		}
	}
	return out
}
