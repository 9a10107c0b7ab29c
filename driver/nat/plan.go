// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// binding is one port to publish on one address of the host.
type binding struct {
	proto    uint8
	hostIP   netip.Addr
	from, to uint16 // host ports asked for; 0, 0: any
	port     uint16 // the host port, once it is chosen
	target   netip.AddrPort
	routed   bool // opened, not translated: there is no host port
	implicit bool // an IPv6 address that nobody named: left out on hosts without IPv6
}

// published gives the binding as the package shows it.
func (b binding) published() Published {
	return Published{Proto: b.proto, HostIP: b.hostIP, HostPort: b.port, Target: b.target}
}

// same tells whether two bindings ask for the same, whatever port was chosen.
func (b binding) same(o binding) bool {
	return b.proto == o.proto && b.hostIP == o.hostIP && b.from == o.from && b.to == o.to && b.target == o.target && b.routed == o.routed
}

// together tells whether two bindings get the same host port: they differ in the host's address only, so that a
// client that knows the host by a name need not care which address it got.
func (b binding) together(o binding) bool {
	return !b.routed && !o.routed && b.proto == o.proto && b.target.Port() == o.target.Port() && b.from == o.from && b.to == o.to
}

// translated tells whether the kernel can bring packets to the container: from the same family, from a place that
// can be routed to. The rest is for the relay.
func (b binding) translated() bool {
	return !b.routed && b.hostIP.Is4() == b.target.Addr().Is4() &&
		(b.hostIP.Is4() || !b.hostIP.IsLoopback() && !b.hostIP.IsLinkLocalUnicast())
}

// elements gives what the table holds because of the binding.
func (b binding) elements(e elements) {
	proto, s := fmt.Sprint(b.proto), suffix(b.target.Addr())
	to := join(b.target.Addr().String(), fmt.Sprint(b.target.Port()))
	switch {
	case b.routed:
		e.put(setOpen+s, b.target.Addr().String(), proto, fmt.Sprint(b.target.Port()))
	case !b.translated():
	case b.hostIP.IsUnspecified():
		e[element{mapPorts + s, join(proto, fmt.Sprint(b.port))}] = to
	default:
		e[element{mapPortsAt + s, join(b.hostIP.String(), proto, fmt.Sprint(b.port))}] = to
	}
}

// plan gives the bindings that an endpoint asks for, those that share a host port in one group. Exact ports come
// first, so that ranges and free choices do not take them.
func plan(n Network, e Endpoint) ([][]binding, error) {
	var all []binding
	for _, p := range e.Ports {
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", short(e.ID), err)
		}
		t4, t6 := p.targets(e.Addrs)
		if p.Target.IsValid() && !t4.IsValid() && !t6.IsValid() {
			return nil, fmt.Errorf("endpoint %s: target %v is none of its addresses: %w", short(e.ID), p.Target, ErrInvalid)
		}
		if b, ok := p.bind4(n, t4); ok {
			all = append(all, b)
		}
		if b, ok := p.bind6(n, t4, t6); ok {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, compareBindings)
	all = slices.CompactFunc(all, binding.same)
	var groups [][]binding
	for _, b := range all {
		if last := len(groups) - 1; last >= 0 && groups[last][0].together(b) {
			groups[last] = append(groups[last], b)
			continue
		}
		groups = append(groups, []binding{b})
	}
	return groups, nil
}

func compareBindings(a, b binding) int {
	choice := func(b binding) int {
		if b.from == 0 || b.from != b.to {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(choice(a), choice(b)), cmp.Compare(a.target.Port(), b.target.Port()), cmp.Compare(a.proto, b.proto),
		cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), a.hostIP.Compare(b.hostIP), a.target.Compare(b.target),
	)
}

func (p Port) validate() error {
	switch {
	case p.Proto != TCP && p.Proto != UDP && p.Proto != SCTP:
		return fmt.Errorf("protocol %d: %w; publish tcp, udp or sctp", p.Proto, ErrInvalid)
	case p.TargetPort == 0:
		return fmt.Errorf("port 0 of the container: %w", ErrInvalid)
	case p.HostPortEnd != 0 && p.HostPortEnd < p.HostPort, p.HostPortEnd != 0 && p.HostPort == 0:
		return fmt.Errorf("host ports %d-%d: %w; give the lower one first", p.HostPort, p.HostPortEnd, ErrInvalid)
	case p.HostIP.Zone() != "" || p.HostIP.IsMulticast():
		return fmt.Errorf("host address %v: %w; give an address of the host without a zone", p.HostIP, ErrInvalid)
	}
	return nil
}

// targets gives the container's address for each family; a Target that is given leaves one.
func (p Port) targets(addrs []netip.Addr) (t4, t6 netip.Addr) {
	for _, a := range addrs {
		a = a.Unmap()
		switch {
		case !a.IsValid(), p.Target.IsValid() && a != p.Target.Unmap():
		case a.Is4() && !t4.IsValid():
			t4 = a
		case a.Is6() && !t6.IsValid():
			t6 = a
		}
	}
	return t4, t6
}

func (p Port) binding(host, target netip.Addr) binding {
	return binding{proto: p.Proto, hostIP: host, from: p.HostPort, to: max(p.HostPort, p.HostPortEnd), target: netip.AddrPortFrom(target, p.TargetPort)}
}

// specific tells whether an address is one of the host's and not all.
func specific(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// bind4 gives the binding on the host's IPv4 side.
func (p Port) bind4(n Network, t4 netip.Addr) (binding, bool) {
	host := p.HostIP.Unmap()
	switch {
	case !t4.IsValid() || host.Is6() || n.IPv4.mode() == ModeIsolated:
		return binding{}, false
	case n.IPv4.mode() == ModeRouted:
		return p.open(t4), true
	case !host.IsValid() && n.IPv4.HostBinding.IsValid():
		host = n.IPv4.HostBinding
	case !host.IsValid() && specific(n.IPv6.HostBinding):
		return binding{}, false // the network's default is an IPv6 address
	case !host.IsValid():
		host = netip.IPv4Unspecified()
	}
	return p.binding(host, t4), true
}

// bind6 gives the binding on the host's IPv6 side. In front of a container that has IPv4 only, it is relayed.
func (p Port) bind6(n Network, t4, t6 netip.Addr) (binding, bool) {
	host, target := p.HostIP.Unmap(), t6
	mode := n.IPv6.mode()
	if !target.IsValid() && t4.IsValid() && n.IPv4.translates() && (!p.Target.IsValid() || host.Is6()) {
		target = t4
	}
	switch {
	case !target.IsValid() || host.Is4() || mode == ModeIsolated:
		return binding{}, false
	case mode == ModeRouted && target.Is6():
		return p.open(target), true
	case mode == ModeRouted:
		return binding{}, false
	case host.IsValid():
	case n.IPv6.HostBinding.IsValid():
		host = n.IPv6.HostBinding
	case specific(n.IPv4.HostBinding):
		return binding{}, false // the network's default is an IPv4 address
	default:
		b := p.binding(netip.IPv6Unspecified(), target)
		b.implicit = true
		return b, true
	}
	return p.binding(host, target), true
}

// open gives the binding of a routed family.
func (p Port) open(target netip.Addr) binding {
	host := netip.IPv6Unspecified()
	if target.Is4() {
		host = netip.IPv4Unspecified()
	}
	return binding{proto: p.Proto, hostIP: host, target: netip.AddrPortFrom(target, p.TargetPort), routed: true}
}
