// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// fromTo is an honest packet of one number of a house to another's MAC and address; number 1 is the gateway.
func fromTo(src, dst int) []byte {
	return v4(hw(src), hw(dst), ip4(ip4of(src), ip4of(dst), isUDP, 0, udp(1000, 2000)))
}

// routed is what the gateway sends to dst when it routes a packet of src's.
func routed(src, dst int) []byte {
	return v4(gwMAC, hw(dst), ip4(ip4of(src), ip4of(dst), isUDP, 0, udp(1000, 2000)))
}

func TestTraceForward(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	group := ip("ff02::fb")
	judge(t, b, []attempt{
		{name: "to a neighbour", in: alice, frame: fromTo(2, 3), row: "to-port", out: out(bob)},
		{name: "to the gateway", in: alice, frame: fromTo(2, 1), row: "to-gateway", out: out(flows.PortLocal)},
		{name: "to a stranger through the gateway", in: alice, frame: v4(aMAC, gwMAC, ip4(aIP, ip("192.0.2.1"), isTCP, 0, make([]byte, 20))), row: "to-gateway", out: out(flows.PortLocal)},
		{name: "to a MAC that nobody has", in: alice, frame: fromTo(2, 77), row: "unknown-destination"},
		{name: "to the zero MAC", in: alice, frame: v4(aMAC, nobody, ip4(aIP, bIP, isUDP, 0, udp(1, 2))), row: "unknown-destination"},
		{name: "to itself", in: alice, frame: fromTo(2, 2), row: "to-port"},
		{name: "to an isolated port", in: alice, frame: fromTo(2, 4), row: "admit", out: out(carol)},
		{name: "to a promiscuous port", in: alice, frame: fromTo(2, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "to all", in: alice, frame: v4(aMAC, everyone, ip4(aIP, ip("255.255.255.255"), isUDP, 0, udp(1, 2))), row: "flood", out: toAll},
		{name: "to a group", in: alice, frame: v6(aMAC, mcast(group), ip6(aLL, group, 17, 1, udp(5353, 5353))), row: "flood", out: toAll},

		{name: "from an isolated port to another", in: carol, frame: fromTo(4, 5), row: "isolated"},
		{name: "from an isolated port to another, in IPv6", in: carol, frame: v6(hw(4), hw(5), ip6(ip6of(4), ip6of(5), 17, 64, udp(1, 2))), row: "isolated"},
		{name: "from an isolated port to another, an ARP reply", in: carol, frame: arp(hw(5), hw(4), 2, hw(4), ip4of(4), hw(5), ip4of(5)), row: "isolated"},
		{name: "from an isolated port to one that is not", in: carol, frame: fromTo(4, 3), row: "admit", out: out(bob)},
		{name: "from an isolated port to a promiscuous one", in: carol, frame: fromTo(4, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "from an isolated port to the gateway", in: carol, frame: fromTo(4, 1), row: "to-gateway", out: out(flows.PortLocal)},
		{name: "from an isolated port to all", in: carol, frame: v4(hw(4), everyone, ip4(ip4of(4), ip("255.255.255.255"), isUDP, 0, udp(1, 2))), row: "flood-isolated", out: out(alice, bob, proxy, fourOnly, flows.PortLocal)},
		{name: "from an isolated port to another through the gateway", in: flows.PortLocal, frame: routed(4, 5), row: "isolated"},
		{name: "from an isolated port to one that is not through the gateway", in: flows.PortLocal, frame: routed(4, 3), row: "admit", out: out(bob)},
		{name: "from a promiscuous port to an isolated one", in: proxy, frame: fromTo(6, 4), row: "admit-promiscuous", out: out(carol)},
		{name: "from a promiscuous port to all", in: proxy, frame: v4(hw(6), everyone, ip4(ip4of(6), ip("255.255.255.255"), isUDP, 0, udp(1, 2))), row: "flood-promiscuous", out: out(alice, bob, carol, dave, fourOnly, flows.PortLocal)},

		{name: "from the gateway to a port", in: flows.PortLocal, frame: fromTo(1, 3), row: "to-port", out: out(bob)},
		{name: "from the gateway to an isolated port", in: flows.PortLocal, frame: fromTo(1, 4), row: "admit", out: out(carol)},
		{name: "from the gateway to all", in: flows.PortLocal, frame: v4(gwMAC, everyone, ip4(gwIP, ip("255.255.255.255"), isUDP, 0, udp(67, 68))), row: "flood-gateway", out: out(1, 2, 3, 4, 5, 6)},
		{name: "from the gateway to a MAC that nobody has", in: flows.PortLocal, frame: fromTo(1, 77), row: "unknown-destination"},
		{name: "from the gateway to itself", in: flows.PortLocal, frame: fromTo(1, 1), row: "to-gateway"},
		{name: "from elsewhere through the gateway", in: flows.PortLocal, frame: v4(gwMAC, bMAC, ip4(ip("192.0.2.1"), bIP, isTCP, 0, make([]byte, 20))), row: "to-port", out: out(bob)},
	})
}

// privileged are the ports that broadcast of a network with inter-container off reaches.
var privileged = out(proxy, flows.PortLocal)

func TestTraceICCOff(t *testing.T) {
	n := dualNetwork(1, func(n *flows.Network) { n.ICC = false })
	b := bench(t, family(n))
	four, six := plain(aMAC, bMAC)
	judge(t, b, []attempt{
		{name: "IPv4 to a neighbour", in: alice, frame: four, row: "icc"},
		{name: "IPv6 to a neighbour", in: alice, frame: six, row: "icc"},
		{name: "ARP reply to a neighbour", in: alice, frame: arp(bMAC, aMAC, 2, aMAC, aIP, bMAC, bIP), row: "icc"},
		{name: "neighbour advertisement to a neighbour", in: alice, frame: advert(aIP6, aIP6, 0, lla(2, aMAC)), row: "icc"},
		{name: "fragment to a neighbour", in: alice, frame: say4(aIP, isUDP, third, make([]byte, 100)), row: "icc"},
		{name: "raw frame to a neighbour", in: alice, frame: ether(bMAC, aMAC, 0x88b5), row: "ethertype"},
		{name: "to all", in: alice, frame: v4(aMAC, everyone, ip4(aIP, ip("255.255.255.255"), isUDP, 0, udp(1, 2))), row: "flood-private", out: privileged},
		{name: "to a group", in: alice, frame: na(aMAC, aIP6, aIP6, lla(2, aMAC)), row: "flood-private", out: privileged},
		{name: "ARP request for a neighbour", in: alice, frame: who(aMAC, aIP, bIP), row: "resolve-private", out: privileged},
		{name: "ARP request for a neighbour, to it alone", in: alice, frame: arp(bMAC, aMAC, 1, aMAC, aIP, bMAC, bIP), row: "icc"},
		{name: "ARP request for the gateway", in: alice, frame: who(aMAC, aIP, gwIP), row: "answer-gateway", out: out(inPort)},
		{name: "ARP probe for a neighbour's address", in: alice, frame: who(aMAC, none4, bIP), row: "defend", out: out(inPort)},
		{name: "solicitation for a neighbour", in: alice, frame: ns(aMAC, aIP6, bIP6, lla(1, aMAC)), row: "resolve-private", out: privileged},
		{name: "solicitation for a neighbour, without option", in: alice, frame: ns(aMAC, aIP6, bIP6), row: "resolve-private", out: privileged},
		{name: "solicitation for the gateway", in: alice, frame: ns(aMAC, aIP6, gwIP6, lla(1, aMAC)), row: "answer-gateway", out: out(inPort)},
		{name: "duplicate address detection of a neighbour's address", in: alice, frame: ns(aMAC, none6, bIP6), row: "defend", out: out(inPort)},
		{name: "to the gateway", in: alice, frame: fromTo(2, 1), row: "to-gateway", out: out(flows.PortLocal)},
		{name: "to a promiscuous port", in: alice, frame: fromTo(2, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "from a promiscuous port", in: proxy, frame: fromTo(6, 2), row: "admit-promiscuous", out: out(alice)},
		{name: "from an isolated port to a promiscuous one", in: carol, frame: fromTo(4, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "from an isolated port to all", in: carol, frame: who(hw(4), ip4of(4), free4), row: "flood-private", out: privileged},
		{name: "from the gateway", in: flows.PortLocal, frame: fromTo(1, 2), row: "to-port", out: out(alice)},
		{name: "from the gateway to all", in: flows.PortLocal, frame: who(gwMAC, gwIP, free4), row: "flood-gateway", out: out(1, 2, 3, 4, 5, 6)},
		{name: "to a neighbour through the gateway", in: flows.PortLocal, frame: routed(2, 3), row: "icc"},
		{name: "to a neighbour through the gateway, in IPv6", in: flows.PortLocal, frame: v6(gwMAC, bMAC, ip6(aIP6, bIP6, 17, 63, udp(1, 2))), row: "icc"},
		{name: "to all through the gateway", in: flows.PortLocal, frame: v4(gwMAC, everyone, ip4(aIP, ip("10.0.0.255"), isUDP, 0, udp(1, 2))), row: "flood-private", out: out(proxy)},
		{name: "to a promiscuous port through the gateway", in: flows.PortLocal, frame: routed(2, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "from a promiscuous port through the gateway", in: flows.PortLocal, frame: routed(6, 2), row: "to-port", out: out(alice)},
		{name: "from elsewhere through the gateway", in: flows.PortLocal, frame: v4(gwMAC, bMAC, ip4(ip("192.0.2.1"), bIP, isTCP, 0, make([]byte, 20))), row: "to-port", out: out(bob)},
	})
}

func TestTraceInternal(t *testing.T) {
	b := bench(t, family(flows.Network{Tag: 1, ICC: true}))
	judge(t, b, []attempt{
		{name: "to a neighbour", in: alice, frame: fromTo(2, 3), row: "to-port", out: out(bob)},
		{name: "to the gateway that others have", in: alice, frame: fromTo(2, 1), row: "unknown-destination"},
		{name: "to all", in: alice, frame: who(aMAC, aIP, free4), row: "flood", out: out(bob, carol, dave, proxy, fourOnly)},
		{name: "ARP request for the gateway that others have", in: alice, frame: who(aMAC, aIP, gwIP), row: "flood", out: out(bob, carol, dave, proxy, fourOnly)},
		{name: "ARP request for a neighbour", in: alice, frame: who(aMAC, aIP, bIP), row: "answer", out: out(inPort)},
		{name: "from the host", in: flows.PortLocal, frame: fromTo(1, 3), row: "unknown-port"},
		{name: "from the host to all", in: flows.PortLocal, frame: who(gwMAC, gwIP, bIP), row: "unknown-port"},
	})
}

// Ports of the house with a port whose security is off.
const (
	hermit    = 3 // guarded and isolated
	free      = 4 // no port security
	freeAlone = 5 // no port security, isolated
)

func TestTraceUnguarded(t *testing.T) {
	n := dualNetwork(1, func(n *flows.Network) { n.Unguarded = true })
	unguarded := func(p *flows.Port) { p.Unguarded = true }
	isolated := func(p *flows.Port) { p.Isolated = true }
	b := bench(t, house{nets: []flows.Network{n}, ports: []flows.Port{
		dualPort(n, alice, nil), dualPort(n, bob, nil), dualPort(n, hermit, isolated), dualPort(n, free, unguarded),
		dualPort(n, freeAlone, func(p *flows.Port) { unguarded(p); isolated(p) }),
	}})
	judge(t, b, []attempt{
		{name: "any MAC", in: free, frame: fromTo(99, 3), row: "to-port", out: out(bob)},
		{name: "a neighbour's address", in: free, frame: who(hw(free+1), aIP, free4), row: "flood", out: out(alice, bob, hermit, freeAlone, flows.PortLocal)},
		{name: "a VLAN tag", in: free, frame: tagged(0x8100, 10, fromTo(free+1, 3)), row: "to-port", out: out(bob)},
		{name: "any ethertype", in: free, frame: ether(bMAC, hw(free+1), 0x88b5), row: "to-port", out: out(bob)},
		{name: "router advertisement", in: free, frame: v6(hw(free+1), mcast(allNodes), ip6(llOf(free+1), allNodes, 58, 255, icmp6(llOf(free+1), allNodes, 134, 0, make([]byte, 12)))), row: "flood", out: out(alice, bob, hermit, freeAlone, flows.PortLocal)},
		{name: "LLDP", in: free, frame: ether(mac("01:80:c2:00:00:0e"), hw(free+1), 0x88cc), row: "flood", out: out(alice, bob, hermit, freeAlone, flows.PortLocal)},
		{name: "isolated, to an isolated port", in: freeAlone, frame: fromTo(99, 4), row: "isolated"},
		{name: "isolated, to all", in: freeAlone, frame: ether(everyone, hw(99), 0x88b5), row: "flood-isolated", out: out(alice, bob, free, flows.PortLocal)},

		{name: "to a MAC behind it", in: alice, frame: fromTo(2, 99), row: "unknown-mac", out: out(free, freeAlone)},
		{name: "to a MAC behind it, from the gateway", in: flows.PortLocal, frame: fromTo(1, 99), row: "unknown-mac", out: out(free, freeAlone)},
		{name: "to a MAC behind it, from itself", in: free, frame: fromTo(free+1, 99), row: "unknown-mac", out: out(freeAlone)},
		{name: "to a MAC behind it, from an isolated port", in: hermit, frame: fromTo(hermit+1, 99), row: "unknown-mac", out: out(free)},
		{name: "to its own MAC", in: alice, frame: fromTo(2, free+1), row: "to-port", out: out(free)},
		{name: "ARP request for it", in: alice, frame: who(aMAC, aIP, ip4of(free+1)), row: "flood", out: out(bob, hermit, free, freeAlone, flows.PortLocal)},
		{name: "another's MAC from a guarded port", in: alice, frame: fromTo(99, 3), row: "spoofed-mac"},
	})
}

// TestTraceUnguardedICCOff is the same with inter-container off, which holds for ports without port security too.
func TestTraceUnguardedICCOff(t *testing.T) {
	n := dualNetwork(1, func(n *flows.Network) { n.Unguarded, n.ICC = true, false })
	unguarded := func(p *flows.Port) { p.Unguarded = true }
	b := bench(t, house{nets: []flows.Network{n}, ports: []flows.Port{dualPort(n, alice, nil), dualPort(n, bob, unguarded), dualPort(n, free, unguarded)}})
	judge(t, b, []attempt{
		{name: "to a MAC behind it", in: alice, frame: fromTo(2, 99), row: "icc"},
		{name: "to a MAC behind it, from the gateway", in: flows.PortLocal, frame: fromTo(1, 99), row: "unknown-mac", out: out(bob, free)},
		{name: "to a neighbour", in: free, frame: fromTo(99, 2), row: "icc"},
		{name: "any ethertype to a neighbour", in: free, frame: ether(bMAC, hw(99), 0x88b5), row: "icc"},
		{name: "VLAN tag to a neighbour", in: free, frame: tagged(0x8100, 10, fromTo(free+1, 3)), row: "icc"},
		{name: "to all", in: free, frame: ether(everyone, hw(99), 0x88b5), row: "flood-private", out: out(flows.PortLocal)},
	})
}

// TestTraceTwoNetworks is about networks that share a bridge, told apart by their tags.
func TestTraceTwoNetworks(t *testing.T) {
	one, two := dualNetwork(1, nil), flows.Network{Tag: 2, ICC: true}
	b := bench(t, house{nets: []flows.Network{one, two}, ports: []flows.Port{dualPort(one, 1, nil), dualPort(one, 2, nil), dualPort(two, 3, nil), dualPort(two, 4, nil)}})
	judge(t, b, []attempt{
		{name: "within one", in: 1, frame: fromTo(2, 3), row: "to-port", out: out(2)},
		{name: "within the other", in: 3, frame: fromTo(4, 5), row: "to-port", out: out(4)},
		{name: "across", in: 1, frame: fromTo(2, 4), row: "unknown-destination"},
		{name: "across, back", in: 3, frame: fromTo(4, 2), row: "unknown-destination"},
		{name: "to the gateway of the other", in: 3, frame: fromTo(4, 1), row: "unknown-destination"},
		{name: "to all of one", in: 1, frame: who(hw(2), ip4of(2), free4), row: "flood", out: out(2, flows.PortLocal)},
		{name: "to all of the other", in: 3, frame: who(hw(4), ip4of(4), free4), row: "flood", out: out(4)},
		{name: "ARP request across", in: 3, frame: who(hw(4), ip4of(4), ip4of(2)), row: "flood", out: out(4)},
		{name: "ARP request across for the gateway", in: 3, frame: who(hw(4), ip4of(4), gwIP), row: "flood", out: out(4)},
		{name: "from the gateway of one", in: flows.PortLocal, frame: fromTo(1, 4), row: "unknown-destination"},
	})
}

// TestTraceAllowed is about endpoints that may do what others may not.
func TestTraceAllowed(t *testing.T) {
	n := dualNetwork(1, nil)
	prefixes := []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd01::/64")}
	const router, server, rooter, bridged = 3, 4, 5, 6
	allow := func(s flows.Services) func(*flows.Port) { return func(p *flows.Port) { p.Allow = s } }
	b := bench(t, house{nets: []flows.Network{n}, ports: []flows.Port{
		dualPort(n, alice, nil), dualPort(n, bob, nil),
		dualPort(n, router, func(p *flows.Port) { p.Allowed, p.Allow = prefixes, flows.ServiceRA|flows.ServiceRedirect }),
		dualPort(n, server, allow(flows.ServiceDHCPServer)),
		dualPort(n, rooter, func(p *flows.Port) {
			p.Allowed = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		}),
		dualPort(n, bridged, allow(flows.ServiceLinkControl)),
	}})
	others := func(self uint32) []uint32 {
		all := out(flows.PortLocal)
		for i := uint32(1); i <= 6; i++ {
			if i != self {
				all = append(all, i)
			}
		}
		return all
	}
	from := func(who int, src netip.Addr) []byte { return v4(hw(who), bMAC, ip4(src, bIP, isUDP, 0, udp(1, 2))) }
	ra := func(who int, src netip.Addr) []byte {
		return v6(hw(who), mcast(allNodes), ip6(src, allNodes, 58, 255, icmp6(src, allNodes, 134, 0, make([]byte, 12))))
	}
	offer := func(who int, src netip.Addr, from, to int) []byte {
		return v4(hw(who), bMAC, ip4(src, bIP, isUDP, 0, udp(from, to, make([]byte, 240)...)))
	}
	lldp, stp := mac("01:80:c2:00:00:0e"), mac("01:80:c2:00:00:00")
	linkIP := func(dst net.HardwareAddr) []byte { return v4(hw(bridged+1), dst, ip4(bIP, aIP, isUDP, 0, udp(1, 2))) }
	judge(t, b, []attempt{
		{name: "a prefix", in: router, frame: from(router+1, ip("192.168.255.1")), row: "own-address", out: out(bob)},
		{name: "beside the prefix", in: router, frame: from(router+1, ip("192.169.0.1")), row: "spoofed-ip"},
		{name: "a neighbour's address beside the prefix", in: router, frame: from(router+1, aIP), row: "spoofed-ip"},
		{name: "ARP for the prefix", in: router, frame: arp(bMAC, hw(router+1), 2, hw(router+1), ip("192.168.0.9"), bMAC, bIP), row: "arp-own", out: out(bob)},
		{name: "ARP beside the prefix", in: router, frame: arp(bMAC, hw(router+1), 2, hw(router+1), aIP, bMAC, bIP), row: "arp"},
		{name: "neighbour advertisement for the prefix", in: router, frame: na(hw(router+1), llOf(router+1), ip("fd01::9"), lla(2, hw(router+1))), row: "na-own", out: others(router)},
		{name: "neighbour advertisement beside the prefix", in: router, frame: na(hw(router+1), llOf(router+1), ip("fd01:0:0:1::9"), lla(2, hw(router+1))), row: "nd"},
		{name: "a prefix from another's MAC", in: router, frame: from(2, ip("192.168.255.1")), row: "spoofed-mac"},
		{name: "every prefix", in: rooter, frame: from(rooter+1, ip("203.0.113.1")), row: "own-address", out: out(bob)},
		{name: "every prefix, in ARP", in: rooter, frame: arp(bMAC, hw(rooter+1), 2, hw(rooter+1), ip("203.0.113.1"), bMAC, bIP), row: "arp-own", out: out(bob)},
		{name: "every prefix, with nothing to see", in: rooter, frame: ether(bMAC, hw(rooter+1), 0x0800, []byte{0x45}), row: "hidden-header"},
		{name: "every prefix, with the ports of a service", in: rooter, frame: offer(rooter+1, ip("203.0.113.1"), 67, 68), row: "rogue-dhcp"},
		{name: "every prefix, with another's MAC in ARP", in: rooter, frame: arp(bMAC, hw(rooter+1), 2, aMAC, aIP, bMAC, bIP), row: "arp"},

		{name: "router advertisement", in: router, frame: ra(router+1, llOf(router+1)), row: "service-allowed", out: others(router)},
		{name: "router advertisement as the gateway", in: router, frame: ra(router+1, gwLL), row: "spoofed-ip"},
		{name: "redirect", in: router, frame: v4(hw(router+1), bMAC, ip4(ip4of(router+1), bIP, isICMP, 0, icmp(5, 1))), row: "service-allowed", out: out(bob)},
		{name: "DHCP offer of the router", in: router, frame: offer(router+1, ip4of(router+1), 67, 68), row: "rogue-dhcp"},
		{name: "DHCP offer", in: server, frame: offer(server+1, ip4of(server+1), 67, 68), row: "service-allowed", out: out(bob)},
		{name: "DHCP offer from another port", in: server, frame: offer(server+1, ip4of(server+1), 1067, 68), row: "service-allowed", out: out(bob)},
		{name: "DHCP offer as the gateway", in: server, frame: offer(server+1, gwIP, 67, 68), row: "spoofed-ip"},
		{name: "router advertisement of the DHCP server", in: server, frame: ra(server+1, llOf(server+1)), row: "rogue-ra"},
		{name: "LLDP", in: bridged, frame: ether(lldp, hw(bridged+1), 0x88cc), row: "link-control-allowed", out: others(bridged)},
		{name: "STP", in: bridged, frame: llc(stp, hw(bridged+1), []byte{0x42, 0x42, 3}), row: "link-control-allowed", out: others(bridged)},
		{name: "LLDP of another's MAC", in: bridged, frame: ether(lldp, hw(9), 0x88cc), row: "spoofed-mac"},
		{name: "LLDP in a VLAN", in: bridged, frame: tagged(0x8100, 1, ether(lldp, hw(bridged+1), 0x88cc)), row: "tagged"},
		{name: "LLDP to a neighbour", in: bridged, frame: ether(bMAC, hw(bridged+1), 0x88cc), row: "ethertype"},
		{name: "a neighbour's IPv4 as link control", in: bridged, frame: linkIP(stp), row: "link-control-payload"},
		{name: "a neighbour's ARP as link control", in: bridged, frame: arp(lldp, hw(bridged+1), 2, hw(bridged+1), aIP, bMAC, bIP), row: "link-control-payload"},
		{name: "a router advertisement as link control", in: bridged, frame: v6(hw(bridged+1), lldp, ip6(gwLL, allNodes, 58, 255, icmp6(gwLL, allNodes, 134, 0, make([]byte, 12)))), row: "link-control-payload"},
		{name: "LLDP of a port that may not", in: alice, frame: ether(lldp, aMAC, 0x88cc), row: "link-control"},
	})
}

// TestTraceStorm is about the meter that a port's broadcast and multicast pass.
func TestTraceStorm(t *testing.T) {
	n := dualNetwork(1, nil)
	limited := func(p *flows.Port) { p.BroadcastRate = 1000 }
	b := bench(t, house{nets: []flows.Network{n}, ports: []flows.Port{dualPort(n, alice, limited), dualPort(n, bob, nil)}})
	judge(t, b, []attempt{
		{name: "broadcast", in: alice, frame: who(aMAC, aIP, free4), row: "storm", out: out(bob, flows.PortLocal)},
		{name: "multicast", in: alice, frame: na(aMAC, aIP6, aIP6, lla(2, aMAC)), row: "storm", out: out(bob, flows.PortLocal)},
		{name: "a group of one's own", in: alice, frame: v4(aMAC, mac("ff:ff:ff:ff:ff:fe"), ip4(aIP, bIP, isUDP, 0, udp(1, 2))), row: "storm", out: out(bob, flows.PortLocal)},
		{name: "another's MAC in broadcast", in: alice, frame: who(bMAC, bIP, free4), row: "spoofed-mac"},
		{name: "unicast", in: alice, frame: fromTo(2, 3), row: "container", out: out(bob)},
		{name: "unlimited broadcast", in: bob, frame: who(bMAC, bIP, free4), row: "container", out: out(alice, flows.PortLocal)},
	})
}
